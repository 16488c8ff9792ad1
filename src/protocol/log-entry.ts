// An entry of the log counts as a whole or not at all. What stands before it decides that, so that everybody who
// reads the log decides it alike, whatever the entry's writer knew.

import type { LogFrame, NewEntry, RunStartFrame } from './frames.ts';
import { applyFrame, isOver, type SessionState } from './session-state.ts';

/** What is left of a session that was deleted: the first entry of its new log. Its id names the log's epoch. */
export const deletedEntry: NewEntry = { key: 'deleted', frames: [] };

/** The epoch of a log whose session was not deleted. */
export const firstEpoch = '';

/**
 * The frames of an entry that have an effect behind `state`: all of them, or, of an entry that does not count, the
 * withdrawals of the runs that it would have started. A start of a run that is over makes its entry void.
 */
export function effectOf(
  state: SessionState,
  epoch: string,
  entry: Omit<NewEntry, 'key'>,
): readonly LogFrame[] {
  if (counts(state, epoch, entry)) return entry.frames;
  return entry.frames.filter(isStart).map(({ run }): LogFrame => ({ type: 'run-withdraw', run }));
}

/** Whether an entry would count if it were the next one in a log of this epoch. */
export function counts(
  state: SessionState,
  epoch: string,
  { frames, when, epoch: written = epoch }: Omit<NewEntry, 'key'>,
): boolean {
  if (written !== epoch) return false;
  if (when === 'first' && state.begun) return false;
  const starts = frames.filter(isStart);
  if (starts.some(({ run }) => isOver(state, run))) return false;
  if (when !== 'idle') return true;
  const next = frames.reduce(applyFrame, state);
  const isOther = (run: string) => !starts.some((start) => start.run === run);
  return !next.active.some(({ run, messageId }) => isOther(run) && next.order.includes(messageId));
}

function isStart(frame: LogFrame): frame is RunStartFrame {
  return frame.type === 'run-start';
}
