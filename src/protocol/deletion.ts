// Messages that somebody deleted. The log's order decides what that stops: a run that takes its place later is not
// concerned.

import type { MessageDeleteFrame } from './frames.ts';
import type { ActiveRun, SessionState } from './session-state.ts';

/** Whether the deletion concerns a run: it was sent with a message that goes, or writes one. */
export function isConcerned({ messageId, userMessageId }: ActiveRun, frame: MessageDeleteFrame): boolean {
  return 'all' in frame || messageId === frame.messageId || userMessageId === frame.messageId;
}

export function deleteMessages(state: SessionState, frame: MessageDeleteFrame): SessionState {
  const stays = (id: string) => !('all' in frame) && id !== frame.messageId;
  const stop = frame.by === undefined ? {} : { by: frame.by };
  return {
    ...state,
    order: state.order.filter(stays),
    byId: new Map([...state.byId].filter(([id]) => stays(id))),
    // Of two stops the first one counts.
    active: state.active.map((run) => (isConcerned(run, frame) && !run.stop ? { ...run, stop } : run)),
    outcomes: state.outcomes.filter(({ messageId }) => stays(messageId)),
    seeded: new Set([...state.seeded].filter(stays)),
    // Emptied on purpose, a session is not to be filled again by what comes before it.
    begun: state.begun || 'all' in frame,
  };
}

/** The runs, of which none was sent with this message: another run was, so that the message goes with that one. */
export function withoutUserMessage(
  active: readonly ActiveRun[],
  messageId: string | undefined,
): readonly ActiveRun[] {
  return active.map((one) => {
    if (messageId === undefined || one.userMessageId !== messageId) return one;
    const { userMessageId: _, ...run } = one;
    return run;
  });
}
