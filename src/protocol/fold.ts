// What a frame does to the session: a pure fold. Server and client fold the same frames with it, so they agree.

import type { Deletion, EndedRun, Frame, MessageFrame, RunEndFrame, ToolOutcomeFrame } from './frames.ts';
import {
  isActive,
  isItsTurn,
  isOver,
  isPassed,
  isWriting,
  type ActiveRun,
  type SessionState,
} from './session-state.ts';
import { fromSnapshot } from './snapshot.ts';
import { areOfSameCall, reopened, withOutcome } from './tool-calls.ts';

/**
 * The session after the frames: the same as after each of them, one by one. Successive messages, and successive deletions,
 * copy the session once: one entry can have thousands.
 */
export function applyFrames(state: SessionState, frames: readonly Frame[]): SessionState {
  let after = state;
  for (let index = 0; index < frames.length;) {
    const frame = frames[index]!; // the index is in the list
    if (frame.type === 'message') {
      const row = rowAt(frames, index, frame.type);
      after = putMessages(after, row);
      index += row.length;
    } else if (frame.type === 'message-delete') {
      const row = rowAt(frames, index, frame.type);
      after = deleteMessages(after, row);
      index += row.length;
    } else {
      after = applyFrame(after, frame);
      index += 1;
    }
  }
  return after;
}

/** The successive frames of one type from `start` on. */
function rowAt<T extends Frame['type']>(
  frames: readonly Frame[],
  start: number,
  type: T,
): Extract<Frame, { type: T }>[] {
  const isOfType = (frame: Frame | undefined): frame is Extract<Frame, { type: T }> => frame?.type === type;
  const row: Extract<Frame, { type: T }>[] = [];
  for (let frame = frames[start]; isOfType(frame); frame = frames[start + row.length]) row.push(frame);
  return row;
}

/** The session after the frame. */
export function applyFrame(state: SessionState, frame: Frame): SessionState {
  switch (frame.type) {
    case 'message':
      return putMessages(state, [frame]);
    case 'truncate': {
      const index = state.order.indexOf(frame.messageId);
      if (index === -1) return state;
      const byId = new Map(state.byId);
      const seeded = new Set(state.seeded);
      for (const id of state.order.slice(index)) {
        byId.delete(id);
        seeded.delete(id);
      }
      return { ...state, order: state.order.slice(0, index), byId, seeded };
    }
    case 'message-delete':
      return deleteMessages(state, [frame]);
    case 'run-start': {
      if (isOver(state, frame.runId) || isActive(state, frame.runId)) return state;
      const { type: _, ...run } = frame;
      const active = [...withoutUserMessage(state.active, run.userMessageId), run];
      return { ...placeAtEnd(state, frame.messageId), active, begun: true };
    }
    case 'run-stop': {
      const { type: _, runId, ...stop } = frame;
      // The first one counts.
      return changeRun(state, runId, { stop }, 'stop');
    }
    case 'durability':
      return changeRun(state, frame.runId, { durability: frame.durability });
    case 'run-withdraw':
      return withdrawRun(state, frame.runId, frame.by === undefined ? {} : { by: frame.by }, true);
    case 'run-steer': {
      if ('missed' in frame) return changeRun(state, frame.runId, { missed: frame.missed }, 'missed');
      const { intoRunId, step, inside } = frame;
      const steered = { intoRunId, ...(step !== undefined && { step }) };
      return withdrawRun(state, frame.runId, { steered }, inside);
    }
    case 'run-end':
      return endRun(state, frame);
    case 'snapshot':
      return fromSnapshot(frame);
    case 'tool-outcome':
      return withToolOutcome(state, frame);
    case 'chunks':
    case 'run-saved':
    case 'reset':
    case 'refused':
      return state;
    default:
      frame satisfies never;
      return state;
  }
}

/** A run that has the field `unless` already stays as it is. */
function changeRun(
  state: SessionState,
  runId: string,
  change: Partial<ActiveRun>,
  unless?: 'stop' | 'missed',
): SessionState {
  const changes = (run: ActiveRun) => run.runId === runId && !(unless && run[unless]);
  return { ...state, active: state.active.map((run) => (changes(run) ? { ...run, ...change } : run)) };
}

function putMessages(state: SessionState, frames: readonly MessageFrame[]): SessionState {
  const placed = new Set(state.order);
  const added: string[] = [];
  const byId = new Map(state.byId);
  const reseeds = frames.some(({ message, seeded = false }) => seeded !== state.seeded.has(message.id));
  const seeded = reseeds ? new Set(state.seeded) : undefined;
  for (const frame of frames) {
    const { id } = frame.message;
    if (!placed.has(id)) added.push(id);
    placed.add(id);
    byId.set(id, frame.message);
    if (frame.seeded) seeded?.add(id);
    else seeded?.delete(id);
  }
  const order = added.length > 0 ? [...state.order, ...added] : state.order;
  return { ...state, order, byId, seeded: seeded ?? state.seeded, begun: true };
}

function placeAtEnd(state: SessionState, id: string): SessionState {
  return state.order.includes(id) ? state : { ...state, order: [...state.order, id] };
}

/** Whether a deletion stops a run: it removes the run's user message, or the message that the run writes. */
export function isConcerned({ messageId, userMessageId }: ActiveRun, what: Deletion): boolean {
  return 'all' in what || messageId === what.messageId || userMessageId === what.messageId;
}

function deleteMessages(state: SessionState, deletions: readonly Deletion[]): SessionState {
  const all = deletions.some((one) => 'all' in one);
  const gone = new Set(deletions.flatMap((one) => ('all' in one ? [] : one.messageId)));
  const stays = (id: string) => !all && !gone.has(id);
  return {
    ...state,
    order: state.order.filter(stays),
    byId: new Map([...state.byId].filter(([id]) => stays(id))),
    active: state.active.map((run) => {
      // Of two stops the first one counts.
      const deletion = run.stop ? undefined : deletions.find((one) => isConcerned(run, one));
      return deletion ? { ...run, stop: deletion.by === undefined ? {} : { by: deletion.by } } : run;
    }),
    outcomes: state.outcomes.filter(({ messageId }) => stays(messageId)),
    seeded: new Set([...state.seeded].filter(stays)),
    // A session that was emptied on purpose takes no beginning.
    begun: state.begun || all,
  };
}

/** The runs, none of which has this user message: a later run has it, so the message goes with that one. */
function withoutUserMessage(
  active: readonly ActiveRun[],
  messageId: string | undefined,
): readonly ActiveRun[] {
  return active.map((one) => {
    if (messageId === undefined || one.userMessageId !== messageId) return one;
    const { userMessageId: _, ...run } = one;
    return run;
  });
}

function withToolOutcome(state: SessionState, frame: ToolOutcomeFrame): SessionState {
  const { messageId, toolCallId, outcome } = frame;
  // No run would execute what is approved now.
  const isApproved = outcome.state === 'approval-responded' && outcome.approved;
  if (isApproved && isPassed(state, messageId)) return state;
  if (isWriting(state, messageId)) {
    const hasOutcome = state.outcomes.some((one) => areOfSameCall(one, frame));
    return hasOutcome ? state : { ...state, outcomes: [...state.outcomes, frame] };
  }
  const message = state.byId.get(messageId);
  const changed = message && withOutcome(message, toolCallId, outcome);
  if (!changed || changed === message) return state;
  return { ...state, byId: new Map(state.byId).set(messageId, changed) };
}

function endRun(state: SessionState, frame: RunEndFrame): SessionState {
  const run = state.active.find(({ runId }) => runId === frame.runId);
  if (!run) return bar(state, frame.runId);
  const { messageId } = run;
  const { type: _type, runId, message = state.byId.get(messageId), closed = [], ...end } = frame;
  const byId = new Map(state.byId);
  // A place that a truncation took away is not given back.
  if (message && state.order.includes(messageId)) {
    const outcomes = state.outcomes.filter((one) => one.messageId === messageId);
    // The first outcome ends the call's wait, so later ones have no effect.
    const changed = outcomes.reduce(
      (message, one) => withOutcome(message, one.toolCallId, one.outcome),
      reopened(message, closed, outcomes),
    );
    byId.set(messageId, changed);
  }
  return {
    ...state,
    outcomes: state.outcomes.filter((one) => one.messageId !== messageId),
    order: byId.has(messageId) ? state.order : state.order.filter((id) => id !== messageId),
    byId,
    active: state.active.filter((one) => one !== run),
    ended: new Map(state.ended).set(runId, { ...end, messageId, ...(run.missed && { missed: run.missed }) }),
  };
}

/** A start that lands after the run's end has no effect: its sender gave up long ago. */
function bar(state: SessionState, runId: string): SessionState {
  return isOver(state, runId) ? state : { ...state, barred: new Set(state.barred).add(runId) };
}

/** Ends a run that still waits. `gone`: its user message goes too. */
function withdrawRun(
  state: SessionState,
  runId: string,
  end: Pick<EndedRun, 'by' | 'steered'>,
  gone: boolean,
): SessionState {
  const run = state.active.find((active) => active.runId === runId);
  if (!run) return bar(state, runId);
  // A run whose turn has come can only be stopped.
  if (isItsTurn(state, runId)) return state;
  const { messageId, userMessageId } = run;
  const byId = new Map(state.byId);
  if (gone && userMessageId !== undefined) byId.delete(userMessageId);
  return {
    ...state,
    order: state.order.filter((one) => byId.has(one) || (one !== messageId && one !== userMessageId)),
    byId,
    active: state.active.filter((active) => active !== run),
    ended: new Map(state.ended).set(runId, { ...end, messageId, reason: 'stop', chunks: 0, withdrawn: true }),
  };
}
