// An entry of the log counts as a whole or not at all. What stands before it decides that, so that everybody who
// reads the log decides it alike, whatever the entry's writer knew.

import type { LogFrame, NewEntry, RunStartFrame } from './frames.ts';
import { applyFrame, isOver, type SessionState } from './session-state.ts';

/**
 * The frames of an entry that have an effect behind `state`: all of them, or, of an entry that does not count, the
 * withdrawals of the runs that it would have started. A start of a run that is over makes its entry void.
 */
export function effectOf(
  state: SessionState,
  hasBegun: boolean,
  entry: Pick<NewEntry, 'frames' | 'when'>,
): readonly LogFrame[] {
  if (counts(state, hasBegun, entry)) return entry.frames;
  return entry.frames.filter(isStart).map(({ run }): LogFrame => ({ type: 'run-withdraw', run }));
}

/** Whether an entry would count if it were the next one. */
export function counts(
  state: SessionState,
  hasBegun: boolean,
  { frames, when }: Pick<NewEntry, 'frames' | 'when'>,
): boolean {
  if (when === 'first' && hasBegun) return false;
  const starts = frames.filter(isStart);
  if (starts.some(({ run }) => isOver(state, run))) return false;
  if (when !== 'idle') return true;
  const next = frames.reduce(applyFrame, state);
  const isOther = (run: string) => !starts.some((start) => start.run === run);
  return !next.active.some(({ run, messageId }) => isOther(run) && next.order.includes(messageId));
}

/** Whether a frame begins a log. Ends of runs that the log does not know, and marks, do not. */
export function isBeginning({ type }: LogFrame): boolean {
  return type === 'message' || type === 'run-start';
}

function isStart(frame: LogFrame): frame is RunStartFrame {
  return frame.type === 'run-start';
}
