// The state that a session's frames fold to, and what can be asked of it.

import type { UIMessage } from 'ai';
import type {
  Durability,
  EndedRun,
  LogFrame,
  RunEndReason,
  RunProgress,
  RunStartFrame,
  ToolOutcomeFrame,
  Trigger,
} from './frames.ts';

/** A run that has not ended. */
export interface ActiveRun extends Omit<RunStartFrame, 'type'>, RunProgress {}

/** What an active run does: it waits for its turn, works, or was stopped and has not ended yet. */
export type RunStatus = 'queued' | 'running' | 'stopping';

/** A run that has not ended, as apps see it. The place of a queued run is its place in the list. */
export interface SessionRun {
  /** Unique in the session. */
  readonly runId: string;
  /** The message that it writes. */
  readonly messageId: string;
  /** The AI SDK's trigger of its send. */
  readonly trigger: Trigger;
  /** `queued` until its turn. */
  readonly status: RunStatus;
  /** When it was accepted, in milliseconds since the epoch. */
  readonly at: number;
  /** The user who sent it, as named by `authorize`. */
  readonly by?: string;
  /** The user message that came with it. */
  readonly userMessageId?: string;
  /**
   * Why the running answer did not take its message, so it has a turn of its own. The SDK's reason (`finished`,
   * `stop-condition`, `aborted`, …), or `not-taken` when the handler asked for no more messages.
   */
  readonly missed?: string;
  /**
   * `degraded` while the store does not accept what the run emits: a reload would not show the newest part. Only
   * viewers on the producer's server receive it. Absent until the store first fails the run.
   */
  readonly durability?: Durability;
}

/** A session as its log says it is. */
export interface SessionState {
  /** Message ids in conversation order, with the places of messages that are still being written. */
  readonly order: readonly string[];
  /** The messages by id, without those that are still being written. */
  readonly byId: ReadonlyMap<string, UIMessage>;
  /** In the order in which they run. */
  readonly active: readonly ActiveRun[];
  /** How the last runs ended, by run id. */
  readonly ended: ReadonlyMap<string, EndedRun>;
  /** Runs whose end or withdrawal came without a start. A start that comes later is void. */
  readonly barred: ReadonlySet<string>;
  /** Outcomes of tool calls of messages that are still being written. */
  readonly outcomes: readonly ToolOutcomeFrame[];
  /** Ids of messages that a client supplied when the store did not know the session. */
  readonly seeded: ReadonlySet<string>;
  /** The session has had a message or a run, or was cleared. Otherwise the store does not know it. */
  readonly begun: boolean;
}

/** The state of a log without entries. */
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

/** The messages that the log has, in order, without those that are still being written. */
export function messagesOf(state: SessionState): UIMessage[] {
  return state.order.flatMap((id) => state.byId.get(id) ?? []);
}

/** The ids of those messages that a client supplied. */
export function seededOf(state: SessionState): string[] {
  return messagesOf(state).flatMap(({ id }) => (state.seeded.has(id) ? id : []));
}

/** The messages before a run's own, and the message that the run continues, if it continues one. */
export function historyOf(state: SessionState, messageId: string): UIMessage[] {
  const place = state.order.indexOf(messageId);
  // Nothing stands before a run whose place was taken away.
  const end = place === -1 ? 0 : place + (state.byId.has(messageId) ? 1 : 0);
  return state.order.slice(0, end).flatMap((id) => state.byId.get(id) ?? []);
}

/** Whether a run failed before it emitted a chunk. Its send can become another run. */
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

/** Whether an active run writes the message, or continues it. */
export function isWriting(state: SessionState, messageId: string): boolean {
  return state.active.some((run) => run.messageId === messageId);
}

/**
 * Whether the message has a place in the order. A place without a message is that of an active run, so that only such a
 * run needs a search, from the end, where it stands.
 */
export function isPlaced(state: SessionState, messageId: string): boolean {
  return (
    state.byId.has(messageId) || (isWriting(state, messageId) && state.order.lastIndexOf(messageId) !== -1)
  );
}

/** The places in the order of a session. */
export interface Places {
  readonly count: number;
  has(messageId: string): boolean;
}

/**
 * The places that the session has after the frames of a send, without a copy of the session: what an entry costs must not
 * depend on what stands before it. Undefined for frames that no send has.
 */
export function placesAfter(state: SessionState, frames: readonly LogFrame[]): Places | undefined {
  const { order } = state;
  // Of the session's places, those before `end` stay, without `gone`.
  let end = order.length;
  const gone = new Set<string>();
  let added = new Set<string>();
  const isCut = (id: string) => end < order.length && order.lastIndexOf(id) >= end;
  const stays = (id: string) => isPlaced(state, id) && !gone.has(id) && !isCut(id);
  const has = (id: string) => added.has(id) || stays(id);
  for (const [index, frame] of frames.entries()) {
    switch (frame.type) {
      case 'message':
        if (!has(frame.message.id)) added.add(frame.message.id);
        break;
      case 'message-delete':
        if ('all' in frame) {
          end = 0;
          gone.clear();
          added.clear();
        } else if (!added.delete(frame.messageId) && stays(frame.messageId)) gone.add(frame.messageId);
        break;
      case 'truncate': {
        const { messageId } = frame;
        if (added.has(messageId)) {
          const ids = [...added];
          added = new Set(ids.slice(0, ids.indexOf(messageId)));
        } else if (stays(messageId)) {
          end = order.lastIndexOf(messageId);
          for (const id of gone) if (isCut(id)) gone.delete(id);
          added.clear();
        }
        break;
      }
      case 'run-start':
        // It takes its user message from other runs, which matters to later frames.
        if (index < frames.length - 1) return undefined;
        if (isActive(state, frame.runId) || isOver(state, frame.runId)) break;
        if (!has(frame.messageId)) added.add(frame.messageId);
        break;
      case 'tool-outcome':
        break;
      default:
        return undefined;
    }
  }
  return { count: end - gone.size + added.size, has };
}

/** Whether a run waits for no other run. */
export function isItsTurn(state: SessionState, runId: string): boolean {
  const index = state.active.findIndex((active) => active.runId === runId);
  return index === 0 || state.active[index]?.parallel === true;
}

/** The active runs, as apps see them. */
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
