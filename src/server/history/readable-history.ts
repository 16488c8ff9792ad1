// What a run's handler reads of its session. Every message but the one that the run continues is closed: a tool call
// that waits in the middle of a history makes the next turn fail (G11).

import type { UIMessage } from 'ai';
import type { ToolOutcomeFrame } from '../../protocol/frames.ts';
import { historyOf, type SessionState } from '../../protocol/session-state.ts';
import { toolPartsOf } from '../../protocol/tool-calls.ts';
import { closeParts } from './final-message.ts';
import { asText } from './seeded.ts';

/**
 * The messages before the run's own, and at the end the message that it continues, if it does. What a client said of
 * the past is read as text.
 */
export function readableHistory(state: SessionState, messageId: string): UIMessage[] {
  return historyOf(state, messageId).flatMap((message) => {
    if (state.seeded.has(message.id)) return asText(message) ?? [];
    return message.id === messageId ? message : closeParts(message, 'passed');
  });
}

/**
 * Denials of the approvals that the conversation goes past with this run, so that nobody is asked for them any more.
 * Other calls stay open in the log: a late output is still worth reading.
 */
export function passedApprovals(
  state: SessionState,
  messageId: string,
  answerId: string,
): ToolOutcomeFrame[] {
  return historyOf(state, messageId)
    .filter(({ id }) => id !== messageId)
    .flatMap((message) =>
      toolPartsOf(message)
        .filter((part) => part.state === 'approval-requested')
        .map(({ toolCallId }): ToolOutcomeFrame => {
          const reason = 'The conversation went on without it.';
          const outcome = { state: 'approval-responded', approved: false, reason } as const;
          return { type: 'tool-outcome', messageId: message.id, toolCallId, outcome, answerId };
        }),
    );
}
