// The messages that a run's handler reads. Every message except the one that the run continues is closed, because an open
// tool call inside a history would make the next run fail (G11).

import type { UIMessage } from 'ai';
import type { ToolOutcomeFrame } from '../../protocol/frames.ts';
import { historyOf, type SessionState } from '../../protocol/session-state.ts';
import { toolPartsOf } from '../../protocol/tool-calls.ts';
import { closeParts } from './final-message.ts';
import { asText } from './seeded.ts';

/**
 * The messages before the run's own, and the message that it continues, if any. Seeded messages are
 * read as text.
 */
export function readableHistory(state: SessionState, messageId: string): UIMessage[] {
  return historyOf(state, messageId).flatMap((message) => {
    if (state.seeded.has(message.id)) return asText(message) ?? [];
    return message.id === messageId ? message : closeParts(message, 'passed');
  });
}

/**
 * Denials of the open approvals that this run's message follows, so that no client asks for them any more.
 * Other calls stay open in the log, because later runs can read a late output.
 */
export function passedApprovals(
  state: SessionState,
  messageId: string,
  outcomeId: string,
): ToolOutcomeFrame[] {
  return historyOf(state, messageId)
    .filter(({ id }) => id !== messageId)
    .flatMap((message) =>
      toolPartsOf(message)
        .filter((part) => part.state === 'approval-requested')
        .map(({ toolCallId }): ToolOutcomeFrame => {
          const reason = 'The conversation went on without it.';
          const outcome = { state: 'approval-responded', approved: false, reason } as const;
          return { type: 'tool-outcome', messageId: message.id, toolCallId, outcome, outcomeId };
        }),
    );
}
