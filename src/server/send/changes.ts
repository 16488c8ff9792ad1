// Messages that the app removed from its chat's list or edited there since the client saw the session. They become frames
// in the entry of the next send. Changes of other requests stay.

import type { UIMessage } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import type { LogEntry } from '../../protocol/entries.ts';
import type { LogFrame, MessageDeleteFrame, MessageFrame } from '../../protocol/frames.ts';
import type { SessionState } from '../../protocol/session-state.ts';

/** The changes of a send, with the position that its client had seen. */
export interface Changes {
  /** The id of the last log entry that the client has seen; '' before the first. */
  readonly seen: string;
  readonly removed: readonly string[];
  /** User messages. */
  readonly edited: readonly UIMessage[];
}

/** A limit, because each change is work for every reader of the log. */
export const maxChanges = 1_000;

/**
 * The frames that carry these changes out in a log.
 *
 * @param log - The session's log as it was read.
 * @param lastId - The last message of the send. The send itself says what becomes of that message.
 * @param by - The user who sends.
 * @throws `too_large` for more than `maxChanges` changes that apply.
 */
export function changeFrames(
  { entries, state }: { readonly entries: readonly LogEntry[]; readonly state: SessionState },
  { seen, removed, edited }: Changes,
  lastId: string,
  by: string | undefined,
): (MessageDeleteFrame | MessageFrame)[] {
  const touched = touchedSince(entries, seen);
  const placed = new Set(state.order);
  const applies = (id: string) => id !== lastId && placed.has(id) && !touched.has(id);
  const gone = new Set(removed.filter(applies));
  const named = by === undefined ? {} : { by };
  const rewritten = new Map(edited.map((message) => [message.id, message]));
  const frames = [
    ...deletions(gone, state).map((what) => ({ type: 'message-delete' as const, ...what, ...named })),
    ...[...rewritten.values()]
      .filter(({ id }) => applies(id) && !gone.has(id) && state.byId.get(id)?.role === 'user')
      .map((message) => ({ type: 'message' as const, message })),
  ];
  if (frames.length <= maxChanges) return frames;
  throw new DurableChatError(
    'too_large',
    `One send can remove or edit ${maxChanges} messages, or remove all. Remove them in several steps.`,
  );
}

/** One deletion for a whole session: each one copies what it leaves. */
function deletions(
  gone: ReadonlySet<string>,
  { order }: SessionState,
): ({ messageId: string } | { all: true })[] {
  if (gone.size > 0 && gone.size === order.length) return [{ all: true }];
  return [...gone].map((messageId) => ({ messageId }));
}

/**
 * The ids of messages that entries after `seen` write, continue or answer. The end of a run that was active at `seen` is
 * no change: it completes a message that the client has seen. In a log that does not have `seen`, all are changed.
 */
function touchedSince(entries: readonly LogEntry[], seen: string): ReadonlySet<string> {
  const index = entries.findIndex(({ id }) => id === seen);
  const later = entries.slice(index + 1).flatMap(({ frames }) => frames);
  return new Set(later.flatMap((frame) => touchedBy(frame) ?? []));
}

function touchedBy(frame: LogFrame): string | undefined {
  if (frame.type === 'message') return frame.message.id;
  return frame.type === 'run-start' || frame.type === 'tool-outcome' ? frame.messageId : undefined;
}
