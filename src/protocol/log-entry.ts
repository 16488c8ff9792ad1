// An entry of the log counts as a whole or not at all. What stands before it decides that, so that everybody who
// reads the log decides it alike, whatever the entry's writer knew.

import type { EntryCondition, LogFrame, NewEntry, RunStartFrame } from './frames.ts';
import {
  applyFrame,
  isOver,
  isPassed,
  isWriting,
  type ActiveRun,
  type SessionState,
} from './session-state.ts';

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
  return entry.frames.filter(isStart).map(({ runId }): LogFrame => ({ type: 'run-withdraw', runId }));
}

/** Whether an entry would count if it were the next one in a log of this epoch. */
export function counts(state: SessionState, epoch: string, entry: Omit<NewEntry, 'key'>): boolean {
  return whyVoid(state, epoch, entry) === undefined;
}

/** It was written for another log; one of its runs is over before it starts; or a condition does not hold. */
export type VoidReason = 'epoch' | 'over' | EntryCondition['type'];

/** Why an entry would not count if it were the next one in a log of this epoch. */
export function whyVoid(
  state: SessionState,
  epoch: string,
  { frames, when = [], epoch: written = epoch }: Omit<NewEntry, 'key'>,
): VoidReason | undefined {
  if (written !== epoch) return 'epoch';
  if (frames.some((frame) => isStart(frame) && isOver(state, frame.runId))) return 'over';
  return when.find((condition) => !holds(condition, state, frames))?.type;
}

function holds(condition: EntryCondition, state: SessionState, frames: readonly LogFrame[]): boolean {
  switch (condition.type) {
    case 'first':
      return !state.begun;
    case 'idle':
      return othersIn(frames, frames.reduce(applyFrame, state)).length === 0;
    case 'last':
      return !isPassed(state, condition.messageId) && !isWriting(state, condition.messageId);
    case 'present':
      return state.order.includes(condition.messageId);
    case 'free':
      return !state.order.includes(condition.messageId);
    case 'messages': {
      // What makes the session shorter is welcome in one that is full.
      const { length } = frames.reduce(applyFrame, state).order;
      return length <= Math.max(condition.max, state.order.length);
    }
    case 'runs': {
      const others = othersIn(frames, frames.reduce(applyFrame, state)).filter(({ stop }) => !stop);
      return others.length < condition.max;
    }
    default:
      condition satisfies never;
      return true;
  }
}

/** The active runs that have a place, those aside that these frames start. */
function othersIn(frames: readonly LogFrame[], { active, order }: SessionState): readonly ActiveRun[] {
  const isOurs = ({ runId }: ActiveRun) => frames.some((frame) => isStart(frame) && frame.runId === runId);
  return active.filter((run) => !isOurs(run) && order.includes(run.messageId));
}

function isStart(frame: LogFrame): frame is RunStartFrame {
  return frame.type === 'run-start';
}
