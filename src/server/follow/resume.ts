// Whether a viewer goes on behind its cursor, or begins again with a snapshot.

import type { LogEntry } from '../../protocol/frames.ts';

/** How many runs a viewer may have missed to be sent each of them: the chunks of each one cost a read. */
export const mostReplayed = 10;

/**
 * Whether what stands behind a cursor is sent as it came. What was deleted since is not shown again, and what is much
 * is shorter as a snapshot.
 */
export function isReplayed(entries: readonly LogEntry[]): boolean {
  const frames = entries.flatMap((entry) => entry.frames);
  if (frames.some(({ type }) => type === 'message-delete')) return false;
  return frames.filter(({ type }) => type === 'run-start').length <= mostReplayed;
}
