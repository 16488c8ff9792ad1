// An entry of the log counts as a whole or not at all. What stands before it decides that, so that everybody who
// reads the log decides it alike, whatever the entry's writer knew.

import type { LogFrame, NewEntry, RunStartFrame } from './frames.ts';
import { applyFrame, isOver, type SessionState } from './session-state.ts';

/** What a log has seen: nothing, that the session was deleted, or a message or a run of it. */
export type LogPast = 'none' | 'deleted' | 'begun';

/** What is left of a session that was deleted: the first entry of its new log. */
export const deletedEntry: NewEntry = { key: 'deleted', frames: [] };

/**
 * The frames of an entry that have an effect behind `state`: all of them, or, of an entry that does not count, the
 * withdrawals of the runs that it would have started. A start of a run that is over makes its entry void.
 */
export function effectOf(
  state: SessionState,
  past: LogPast,
  entry: Pick<NewEntry, 'frames' | 'when'>,
): readonly LogFrame[] {
  if (counts(state, past, entry)) return entry.frames;
  return entry.frames.filter(isStart).map(({ run }): LogFrame => ({ type: 'run-withdraw', run }));
}

/** Whether an entry would count if it were the next one. */
export function counts(
  state: SessionState,
  past: LogPast,
  { frames, when }: Pick<NewEntry, 'frames' | 'when'>,
): boolean {
  if (when === 'first' && past === 'begun') return false;
  if (when === 'new' && past !== 'none') return false;
  const starts = frames.filter(isStart);
  if (starts.some(({ run }) => isOver(state, run))) return false;
  if (when !== 'idle') return true;
  const next = frames.reduce(applyFrame, state);
  const isOther = (run: string) => !starts.some((start) => start.run === run);
  return !next.active.some(({ run, messageId }) => isOther(run) && next.order.includes(messageId));
}

/** What the log has seen behind an entry of which these frames have an effect. */
export function pastBehind(past: LogPast, key: string, frames: readonly LogFrame[]): LogPast {
  if (past === 'begun' || frames.some(isBeginning)) return 'begun';
  return key === deletedEntry.key ? 'deleted' : past;
}

/** Ends of runs that the log does not know, and marks, begin nothing. */
function isBeginning({ type }: LogFrame): boolean {
  return type === 'message' || type === 'run-start';
}

function isStart(frame: LogFrame): frame is RunStartFrame {
  return frame.type === 'run-start';
}
