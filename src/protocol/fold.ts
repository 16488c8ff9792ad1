// What a frame does to the session. Server and client fold the same frames with it, so they agree.

import type { UIMessage } from 'ai';
import type {
  Deletion,
  EndedRun,
  Frame,
  LogFrame,
  MessageFrame,
  RunEndFrame,
  ToolOutcomeFrame,
} from './frames.ts';
import {
  isActive,
  isItsTurn,
  isOver,
  isPassed,
  isPlaced,
  isWriting,
  placesAfter,
  type ActiveRun,
  type SessionState,
} from './session-state.ts';
import { fromSnapshot } from './snapshot.ts';
import { areOfSameCall, reopened, withOutcome } from './tool-calls.ts';

/** The parts of a state that grow with the session, as a draft changes them. */
interface Parts {
  order: string[];
  byId: Map<string, UIMessage>;
  ended: Map<string, EndedRun>;
  barred: Set<string>;
  seeded: Set<string>;
}

/**
 * A state that frames change in place, so that a log of any length copies the session once. A state that was taken from it
 * does not change: a part that the two share is copied before its first change.
 */
export type Draft = { -readonly [Name in keyof SessionState]: SessionState[Name] } & {
  /** The state that was taken last. */
  taken: SessionState;
};

/** A draft that begins as `state`. */
export function draftOf(state: SessionState): Draft {
  return { ...state, taken: state };
}

/** The draft as a state that never changes: the same as the last time if nothing has changed since. */
export function stateOf(draft: Draft): SessionState {
  const { taken, ...state } = draft;
  const names = Object.keys(state) as (keyof SessionState)[]; // the fields of a state, and no others
  return names.every((name) => state[name] === taken[name]) ? taken : (draft.taken = state);
}

/** The session after the frames. */
export function applyFrames(state: SessionState, frames: readonly Frame[]): SessionState {
  const draft = draftOf(state);
  for (const frame of frames) change(draft, frame);
  return stateOf(draft);
}

/** The session after the frame. */
export function applyFrame(state: SessionState, frame: Frame): SessionState {
  return applyFrames(state, [frame]);
}

/** A part of the draft, to be changed in place. */
function own<Part extends keyof Parts>(draft: Draft, part: Part): Parts[Part] {
  const shared: SessionState[keyof Parts] = draft.taken[part];
  if (draft[part] === shared) Object.assign(draft, { [part]: copyOf(shared) });
  return draft[part] as Parts[Part]; // no state has this one
}

function copyOf(part: SessionState[keyof Parts]): Parts[keyof Parts] {
  if (part instanceof Map) return new Map(part);
  return part instanceof Set ? new Set(part) : [...(part as readonly string[])]; // the only list
}

/** Changes the draft as the frame says. */
export function change(draft: Draft, frame: Frame): void {
  switch (frame.type) {
    case 'message':
      return putMessage(draft, frame);
    case 'truncate': {
      const index = draft.order.lastIndexOf(frame.messageId);
      if (index === -1) return;
      for (const id of own(draft, 'order').splice(index)) forget(draft, id);
      return;
    }
    case 'message-delete':
      return deleteMessages(draft, frame);
    case 'run-start': {
      if (isOver(draft, frame.runId) || isActive(draft, frame.runId)) return;
      const { type: _, ...run } = frame;
      place(draft, frame.messageId);
      draft.active = [...withoutUserMessage(draft.active, run.userMessageId), run];
      draft.begun = true;
      return;
    }
    case 'run-stop': {
      const { type: _, runId, ...stop } = frame;
      // The first one counts.
      return changeRun(draft, runId, { stop }, 'stop');
    }
    case 'durability':
      return changeRun(draft, frame.runId, { durability: frame.durability });
    case 'run-withdraw':
      return withdrawRun(draft, frame.runId, frame.by === undefined ? {} : { by: frame.by }, true);
    case 'run-steer': {
      if ('missed' in frame) return changeRun(draft, frame.runId, { missed: frame.missed }, 'missed');
      const { intoRunId, step, inside } = frame;
      const steered = { intoRunId, ...(step !== undefined && { step }) };
      return withdrawRun(draft, frame.runId, { steered }, inside);
    }
    case 'run-end':
      return endRun(draft, frame);
    case 'snapshot':
      Object.assign(draft, fromSnapshot(frame));
      return;
    case 'tool-outcome':
      return takeOutcome(draft, frame);
    case 'chunks':
    case 'run-saved':
    case 'reset':
    case 'refused':
      return;
    default:
      frame satisfies never;
  }
}

/** A run that has the field `unless` already stays as it is. */
function changeRun(draft: Draft, runId: string, what: Partial<ActiveRun>, unless?: 'stop' | 'missed'): void {
  const changes = (run: ActiveRun) => run.runId === runId && !(unless && run[unless]);
  draft.active = draft.active.map((run) => (changes(run) ? { ...run, ...what } : run));
}

function putMessage(draft: Draft, { message, seeded }: MessageFrame): void {
  const { id } = message;
  place(draft, id);
  own(draft, 'byId').set(id, message);
  if (seeded) own(draft, 'seeded').add(id);
  else if (draft.seeded.has(id)) own(draft, 'seeded').delete(id);
  draft.begun = true;
}

function place(draft: Draft, id: string): void {
  if (!isPlaced(draft, id)) own(draft, 'order').push(id);
}

/** Removes the place of a message. Most are near the end. */
function displace(draft: Draft, id: string): void {
  const index = draft.order.lastIndexOf(id);
  if (index !== -1) own(draft, 'order').splice(index, 1);
}

/** Removes a message, but not its place. */
function forget(draft: Draft, id: string): void {
  if (draft.byId.has(id)) own(draft, 'byId').delete(id);
  if (draft.seeded.has(id)) own(draft, 'seeded').delete(id);
}

/** Whether a deletion stops a run: it removes the run's user message, or the message that the run writes. */
export function isConcerned({ messageId, userMessageId }: ActiveRun, what: Deletion): boolean {
  return 'all' in what || messageId === what.messageId || userMessageId === what.messageId;
}

function deleteMessages(draft: Draft, deletion: Deletion): void {
  const { by } = deletion;
  if ('all' in deletion) {
    for (const id of own(draft, 'order').splice(0)) forget(draft, id);
    draft.outcomes = [];
    // A session that was emptied on purpose takes no beginning.
    draft.begun = true;
  } else {
    const { messageId } = deletion;
    displace(draft, messageId);
    forget(draft, messageId);
    draft.outcomes = draft.outcomes.filter((one) => one.messageId !== messageId);
  }
  // Of two stops the first one counts.
  const stops = (run: ActiveRun) => !run.stop && isConcerned(run, deletion);
  draft.active = draft.active.map((run) =>
    stops(run) ? { ...run, stop: by === undefined ? {} : { by } } : run,
  );
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

function takeOutcome(draft: Draft, frame: ToolOutcomeFrame): void {
  const { messageId, toolCallId, outcome } = frame;
  // No run would execute what is approved now.
  const isApproved = outcome.state === 'approval-responded' && outcome.approved;
  if (isApproved && isPassed(draft, messageId)) return;
  if (isWriting(draft, messageId)) {
    const hasOutcome = draft.outcomes.some((one) => areOfSameCall(one, frame));
    if (!hasOutcome) draft.outcomes = [...draft.outcomes, frame];
    return;
  }
  const message = draft.byId.get(messageId);
  const changed = message && withOutcome(message, toolCallId, outcome);
  if (changed && changed !== message) own(draft, 'byId').set(messageId, changed);
}

function endRun(draft: Draft, frame: RunEndFrame): void {
  const run = draft.active.find(({ runId }) => runId === frame.runId);
  if (!run) return bar(draft, frame.runId);
  const { messageId } = run;
  const { type: _type, runId, message = draft.byId.get(messageId), closed = [], ...end } = frame;
  // A place that a truncation took away is not given back.
  if (message && isPlaced(draft, messageId)) {
    const outcomes = draft.outcomes.filter((one) => one.messageId === messageId);
    // The first outcome ends the call's wait, so later ones have no effect.
    const changed = outcomes.reduce(
      (message, one) => withOutcome(message, one.toolCallId, one.outcome),
      reopened(message, closed, outcomes),
    );
    own(draft, 'byId').set(messageId, changed);
  }
  if (!draft.byId.has(messageId)) displace(draft, messageId);
  draft.outcomes = draft.outcomes.filter((one) => one.messageId !== messageId);
  draft.active = draft.active.filter((one) => one !== run);
  own(draft, 'ended').set(runId, { ...end, messageId, ...(run.missed && { missed: run.missed }) });
}

/** A start that lands after the run's end has no effect: its sender gave up long ago. */
function bar(draft: Draft, runId: string): void {
  if (!isOver(draft, runId)) own(draft, 'barred').add(runId);
}

/** Ends a run that still waits. `gone`: its user message goes too. */
function withdrawRun(
  draft: Draft,
  runId: string,
  end: Pick<EndedRun, 'by' | 'steered'>,
  gone: boolean,
): void {
  const run = draft.active.find((active) => active.runId === runId);
  if (!run) return bar(draft, runId);
  // A run whose turn has come can only be stopped.
  if (isItsTurn(draft, runId)) return;
  const { messageId, userMessageId } = run;
  if (gone && userMessageId !== undefined) own(draft, 'byId').delete(userMessageId);
  for (const id of [messageId, userMessageId]) {
    if (id !== undefined && !draft.byId.has(id)) displace(draft, id);
  }
  draft.active = draft.active.filter((active) => active !== run);
  own(draft, 'ended').set(runId, { ...end, messageId, reason: 'stop', chunks: 0, withdrawn: true });
}

/** What conditions ask about the session after an entry. */
export interface Outlook {
  /** How many messages it has. */
  readonly length: number;
  /** The active runs that have a place, without those that the entry starts. */
  readonly others: readonly ActiveRun[];
}

/** The session after the frames of an entry, as far as conditions ask about it. A send is not folded for it. */
export function outlookOf(state: SessionState, frames: readonly LogFrame[]): Outlook {
  const started = frames.flatMap((frame) => (frame.type === 'run-start' ? frame.runId : []));
  const isOurs = ({ runId }: ActiveRun) => started.includes(runId);
  const others = state.active.filter((run) => !isOurs(run));
  const places = placesAfter(state, frames);
  if (places) {
    const deletions = frames.filter((frame) => frame.type === 'message-delete');
    const isStopped = (run: ActiveRun) => deletions.some((one) => isConcerned(run, one));
    const placed = others.filter(({ messageId }) => places.has(messageId));
    const seen = placed.map((run) => (isStopped(run) ? { ...run, stop: {} } : run));
    return { length: places.count, others: seen };
  }
  const after = applyFrames(state, frames);
  const placed = after.active.filter((run) => !isOurs(run) && isPlaced(after, run.messageId));
  return { length: after.order.length, others: placed };
}
