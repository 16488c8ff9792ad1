// A send is refused for a reason that its sender can understand: one of the server's, or that it was stopped before it had a
// response.

import { scriptOf } from '../processes/handler.ts';
import type { Check } from './check.ts';

/** Refusals that need no fault. */
const ordinary = ['AbortError', 'conflict', 'not_found', 'too_many'];
/** Refusals that say that something fails. */
const failures = ['AI_APICallError', 'network', 'store_failed', 'handler_failed'];

/** Looks at each send that was refused. */
export const refusals: Check = ({ pages, evidence }) => {
  for (const { process, sends } of pages)
    for (const { name, message, state, error } of sends) {
      if (state !== 'refused') continue;
      const { code, name: kind = '' } = error as { code?: unknown; name?: string };
      const reason = typeof code === 'string' ? code : kind;
      const text = message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
      const isExpected =
        ordinary.includes(reason) ||
        (evidence.isDisturbed && failures.includes(reason)) ||
        (reason === 'handler_failed' && scriptOf(text).end === 'throw');
      evidence.demand(
        isExpected,
        'no unfounded refusal',
        () => `send ${name} of ${process.name} is refused: ${String(error)}`,
      );
    }
};
