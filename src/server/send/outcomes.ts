// The tool outcomes of a continuation. The server takes nothing else from a posted assistant message.

import type { UIMessage } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import type { ToolOutcomeFrame } from '../../protocol/frames.ts';
import { continues } from '../../protocol/requests.ts';
import { isPassed, isWriting, type SessionState } from '../../protocol/session-state.ts';
import { outcomesOf, toolPartsOf, waitsFor } from '../../protocol/tool-calls.ts';
import type { SendBody } from './send-body.ts';

/**
 * The outputs of a continuation that is refused because later messages follow, or
 * another run continues the message. They are kept. An approval is not, because it would have no effect.
 */
export function lateResults(state: SessionState, body: SendBody, outcomeId: string): ToolOutcomeFrame[] {
  const last = body.messages.at(-1)!; // validated as not empty
  const known = continues(body, last) ? state.byId.get(last.id) : undefined;
  if (!known || !(isWriting(state, last.id) || isPassed(state, last.id))) return [];
  return outcomeFrames(known, last, outcomeId).filter(
    ({ outcome }) => outcome.state !== 'approval-responded',
  );
}

/** A limit, because each outcome is work for every reader of the log. */
const maxOutcomes = 1_000;

/**
 * The tool outcomes of `posted` for which calls of `known` wait. They are changes and not a message, so that
 * outcomes of other clients stay.
 */
export function outcomeFrames(known: UIMessage, posted: UIMessage, outcomeId: string): ToolOutcomeFrame[] {
  const calls = new Map(toolPartsOf(known).map((part) => [part.toolCallId, part]));
  const first = new Map(outcomesOf(posted).toReversed());
  const frames = [...first].flatMap(([toolCallId, outcome]): ToolOutcomeFrame[] => {
    const call = calls.get(toolCallId);
    if (!call || !waitsFor(call, outcome)) return [];
    return [{ type: 'tool-outcome', messageId: known.id, toolCallId, outcome, outcomeId }];
  });
  if (frames.length <= maxOutcomes) return frames;
  throw new DurableChatError(
    'too_large',
    `The message has outcomes of more than ${maxOutcomes} tool calls. Send them one by one.`,
  );
}
