// The outcomes that a continuation brings: of what a client says of an assistant's message, nothing else is taken.

import type { UIMessage } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import type { ToolOutcomeFrame } from '../../protocol/frames.ts';
import { continues } from '../../protocol/requests.ts';
import { isPassed, isWriting, type SessionState } from '../../protocol/session-state.ts';
import { outcomesOf, toolPartsOf, waitsFor } from '../../protocol/tool-calls.ts';
import type { SendBody } from './send-body.ts';

/**
 * The outputs that a continuation brings which is refused, because the conversation has gone past its message or
 * another run goes on with it: they are kept. An approval is not: nothing would come of it.
 */
export function lateResults(state: SessionState, body: SendBody, answerId: string): ToolOutcomeFrame[] {
  const last = body.messages.at(-1)!; // validated as not empty
  const known = continues(body, last) ? state.byId.get(last.id) : undefined;
  if (!known || !(isWriting(state, last.id) || isPassed(state, last.id))) return [];
  return outcomeFrames(known, last, answerId).filter(({ outcome }) => outcome.state !== 'approval-responded');
}

/** Each one is work for whoever reads the log. */
const maxOutcomes = 1_000;

/**
 * Those of `posted`'s tool outcomes that one of `known`'s calls is waiting for. As changes, not as a message: what
 * somebody else answers in the meantime stays.
 */
export function outcomeFrames(known: UIMessage, posted: UIMessage, answerId: string): ToolOutcomeFrame[] {
  const calls = new Map(toolPartsOf(known).map((part) => [part.toolCallId, part]));
  const first = new Map(outcomesOf(posted).toReversed());
  const frames = [...first].flatMap(([toolCallId, outcome]): ToolOutcomeFrame[] => {
    const call = calls.get(toolCallId);
    if (!call || !waitsFor(call, outcome)) return [];
    return [{ type: 'tool-outcome', messageId: known.id, toolCallId, outcome, answerId }];
  });
  if (frames.length <= maxOutcomes) return frames;
  throw new DurableChatError(
    'too_large',
    `The message answers more than ${maxOutcomes} tool calls. Answer them one by one.`,
  );
}
