// What the log says: a pure fold of frames into the messages, their order, and the runs.
// Server and client fold the same frames with it, so that they cannot disagree.

import type { UIMessage } from 'ai';
import type {
  Durability,
  Frame,
  InterruptionCause,
  RunEndFrame,
  RunEndReason,
  RunStartFrame,
  RunStopFrame,
  ToolOutcomeFrame,
  Trigger,
} from './frames.ts';
import { deleteMessages, withoutUserMessage } from './deletion.ts';
import { fromSnapshot } from './snapshot.ts';
import { answersSameCall, reopened, withOutcome } from './tool-outcome.ts';

/** A run that has not ended. */
export interface ActiveRun extends Omit<RunStartFrame, 'type'> {
  /** Why the running answer did not take its message. */
  readonly missed?: string;
  /** Present once a stop was accepted. */
  readonly stop?: Omit<RunStopFrame, 'type' | 'runId'>;
  /** Known to the viewers of the server that produces it, and to them once the store began to fail it. */
  readonly durability?: Durability;
}

export type RunStatus = 'queued' | 'running' | 'stopping';

/** A run that has not ended, as apps see it. A queued one's place is its place in the list. */
export interface SessionRun {
  readonly runId: string;
  /** The message that it writes. */
  readonly messageId: string;
  readonly trigger: Trigger;
  readonly status: RunStatus;
  /** When it was accepted, in milliseconds since the epoch. */
  readonly at: number;
  readonly by?: string;
  /** The user message that came with it. */
  readonly userMessageId?: string;
  /**
   * Sent to steer, and not taken by the running answer, so that it has a turn of its own. The SDK's reason
   * (`finished`, `stop-condition`, `aborted`, …), or `not-taken` when the handler asked for no more messages.
   */
  readonly missed?: string;
  /**
   * `degraded` while the store does not take what the run emits: a reload would not show the newest part of it. Told
   * by the server that produces the run to the viewers it serves itself; absent until the store first fails it.
   */
  readonly durability?: Durability;
}

export interface EndedRun {
  readonly messageId: string;
  readonly reason: RunEndReason;
  readonly chunks: number;
  readonly by?: string;
  /** The message that interrupted it. */
  readonly interruptedBy?: string;
  /** Why it was `interrupted`, where its producer knew. */
  readonly cause?: InterruptionCause;
  /** The user message that it had to answer, if the handler failed before it emitted a part. */
  readonly failedOn?: string;
  /** It never had its turn: it was taken back, or its message went into another run. */
  readonly withdrawn?: true;
  /** The run that took its message, and at which step. */
  readonly steered?: { readonly intoRunId: string; readonly step?: number };
  /** Why the running answer did not take its message, so that it had a turn of its own. */
  readonly missed?: string;
}

export interface SessionState {
  /** Message ids in conversation order, the places of messages still being written included. */
  readonly order: readonly string[];
  readonly byId: ReadonlyMap<string, UIMessage>;
  /** In the order in which they run. */
  readonly active: readonly ActiveRun[];
  readonly ended: ReadonlyMap<string, EndedRun>;
  /** Runs whose end or withdrawal came without a start: one that comes later is void. */
  readonly barred: ReadonlySet<string>;
  /** Answers to tool calls of messages that are still being written. */
  readonly outcomes: readonly ToolOutcomeFrame[];
  /** Ids of messages that a client brought along when the store did not know the session. */
  readonly seeded: ReadonlySet<string>;
  /** The session has had a message or a run, or was cleared: only then the store knows it. */
  readonly begun: boolean;
}

export const emptySession: SessionState = {
  order: [],
  byId: new Map(),
  active: [],
  ended: new Map(),
  barred: new Set(),
  outcomes: [],
  seeded: new Set(),
  begun: false,
};

/** The messages that the log holds, in order; those still being written are not among them. */
export function messagesOf(state: SessionState): UIMessage[] {
  return state.order.flatMap((id) => state.byId.get(id) ?? []);
}

/** The ids of those messages that a client brought along. */
export function seededOf(state: SessionState): string[] {
  return messagesOf(state).flatMap(({ id }) => (state.seeded.has(id) ? id : []));
}

/** The messages before a run's own; a run that continues a message is given that message too. */
export function historyOf(state: SessionState, messageId: string): UIMessage[] {
  const place = state.order.indexOf(messageId);
  // A run whose place was taken away has nothing before it.
  const end = place === -1 ? 0 : place + (state.byId.has(messageId) ? 1 : 0);
  return state.order.slice(0, end).flatMap((id) => state.byId.get(id) ?? []);
}

/** Whether a run came to nothing because the app refused it or failed: its send may be sent again. */
export function isFailedStart(reason: RunEndReason, chunks: number): boolean {
  return reason === 'error' && chunks === 0;
}

/** Whether the log has the run, and not its end. */
export function isActive(state: SessionState, runId: string): boolean {
  return state.active.some((active) => active.runId === runId);
}

/** Whether a run has ended, or can never start. */
export function isOver(state: SessionState, runId: string): boolean {
  return state.ended.has(runId) || state.barred.has(runId);
}

/** Whether the conversation has gone on since the message. */
export function isPassed(state: SessionState, messageId: string): boolean {
  return state.order.at(-1) !== messageId;
}

/** Whether a run is to write the message, or to go on with it. */
export function isWriting(state: SessionState, messageId: string): boolean {
  return state.active.some((run) => run.messageId === messageId);
}

/** Whether a run has nothing to wait for. */
export function isItsTurn(state: SessionState, runId: string): boolean {
  const index = state.active.findIndex((active) => active.runId === runId);
  return index === 0 || state.active[index]?.parallel === true;
}

export function runsOf(state: SessionState): SessionRun[] {
  return state.active.map(
    ({
      send: _send,
      reports: _reports,
      parallel: _parallel,
      steer: _steer,
      subscriptionId: _subscriptionId,
      stop,
      ...run
    }) => ({
      ...run,
      status: stop ? 'stopping' : isItsTurn(state, run.runId) ? 'running' : 'queued',
    }),
  );
}

export function applyFrame(state: SessionState, frame: Frame): SessionState {
  switch (frame.type) {
    case 'message': {
      const { message } = frame;
      const seeded = new Set(state.seeded);
      if (frame.seeded) seeded.add(message.id);
      else seeded.delete(message.id);
      const byId = new Map(state.byId).set(message.id, message);
      return { ...placeAtEnd(state, message.id), byId, seeded, begun: true };
    }
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
      return deleteMessages(state, frame);
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
      return answerTool(state, frame);
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
  id: string,
  change: Partial<ActiveRun>,
  unless?: 'stop' | 'missed',
): SessionState {
  const changes = (run: ActiveRun) => run.runId === id && !(unless && run[unless]);
  return { ...state, active: state.active.map((run) => (changes(run) ? { ...run, ...change } : run)) };
}

function placeAtEnd(state: SessionState, id: string): SessionState {
  return state.order.includes(id) ? state : { ...state, order: [...state.order, id] };
}

function answerTool(state: SessionState, frame: ToolOutcomeFrame): SessionState {
  const { messageId, toolCallId, outcome } = frame;
  // Nobody would execute what is approved now.
  const isApproved = outcome.state === 'approval-responded' && outcome.approved;
  if (isApproved && isPassed(state, messageId)) return state;
  if (isWriting(state, messageId)) {
    const isAnswered = state.outcomes.some((one) => answersSameCall(one, frame));
    return isAnswered ? state : { ...state, outcomes: [...state.outcomes, frame] };
  }
  const message = state.byId.get(messageId);
  const answered = message && withOutcome(message, toolCallId, outcome);
  if (!answered || answered === message) return state;
  return { ...state, byId: new Map(state.byId).set(messageId, answered) };
}

function endRun(state: SessionState, frame: RunEndFrame): SessionState {
  const run = state.active.find(({ runId }) => runId === frame.runId);
  if (!run) return bar(state, frame.runId);
  const { messageId } = run;
  const { type: _type, runId: _runId, message = state.byId.get(messageId), closed = [], ...end } = frame;
  const byId = new Map(state.byId);
  // A place that a truncation took away is not given back.
  if (message && state.order.includes(messageId)) {
    const outcomes = state.outcomes.filter((one) => one.messageId === messageId);
    // The first answer makes the call wait no more; whatever came later finds it so.
    const answered = outcomes.reduce(
      (message, one) => withOutcome(message, one.toolCallId, one.outcome),
      reopened(message, closed, outcomes),
    );
    byId.set(messageId, answered);
  }
  return {
    ...state,
    outcomes: state.outcomes.filter((one) => one.messageId !== messageId),
    order: byId.has(messageId) ? state.order : state.order.filter((id) => id !== messageId),
    byId,
    active: state.active.filter(({ runId }) => runId !== frame.runId),
    ended: new Map(state.ended).set(frame.runId, {
      ...end,
      messageId,
      ...(run.missed && { missed: run.missed }),
    }),
  };
}

/** Nothing comes of a run that is over before it started: its start was on its way for longer than its sender waited. */
function bar(state: SessionState, runId: string): SessionState {
  return isOver(state, runId) ? state : { ...state, barred: new Set(state.barred).add(runId) };
}

/** Ends a run that still waits; `gone` when the message that came with it goes too. */
function withdrawRun(
  state: SessionState,
  id: string,
  end: Pick<EndedRun, 'by' | 'steered'>,
  gone: boolean,
): SessionState {
  const run = state.active.find((active) => active.runId === id);
  if (!run) return bar(state, id);
  // Its turn has come: now it can only be stopped.
  if (isItsTurn(state, id)) return state;
  const { messageId, userMessageId } = run;
  const byId = new Map(state.byId);
  if (gone && userMessageId !== undefined) byId.delete(userMessageId);
  return {
    ...state,
    order: state.order.filter((one) => byId.has(one) || (one !== messageId && one !== userMessageId)),
    byId,
    active: state.active.filter((active) => active.runId !== id),
    ended: new Map(state.ended).set(id, { ...end, messageId, reason: 'stop', chunks: 0, withdrawn: true }),
  };
}
