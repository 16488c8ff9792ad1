// A viewer's position in a session, and the frames that are sent as it moves. It is pure: a position names the
// chunks that it lacks, and its caller reads them.

import type { UIMessageChunk } from 'ai';
import { encodeCursor, type Cursor } from '../../protocol/cursor.ts';
import type { ChunksFrame, DurabilityFrame, LogFrame } from '../../protocol/frames.ts';
import type { LogEntry } from '../../protocol/entries.ts';
import type { SessionState } from '../../protocol/session-state.ts';

/** How much of the session a viewer has. */
export interface Position {
  /** The id of the last log entry that was passed; '' before the first. */
  readonly log: string;
  /** Entries before this index were passed. */
  readonly index: number;
  /** The active runs, and how many chunks of each were sent. */
  readonly runs: ReadonlyMap<string, number>;
  /** The runs that the viewer knows as degraded. */
  readonly degraded: ReadonlySet<string>;
  /** The runs whose chunks are not sent, because the viewer reads them from its POST. */
  readonly unsent: ReadonlySet<string>;
  /** The id of the viewer's subscription in such POSTs. */
  readonly subscriptionId: string | undefined;
}

/** The log as far as it was read. */
export interface ReadLog {
  readonly entries: readonly LogEntry[];
  readonly state: SessionState;
}

/** Chunks of a run that a position lacks: from `from` to `to`, or as many as there are. */
export interface Lack {
  readonly runId: string;
  readonly from: number;
  readonly to?: number;
}

/** A position after a step, and the frames of the step. */
export interface Step<F> {
  readonly position: Position;
  readonly frames: readonly F[];
}

type CountOf = (runId: string) => number;

/** How many missed runs are replayed. The chunks of each one cost a read. */
export const mostReplayed = 10;

/**
 * The position of a cursor whose entry the log has; undefined if a snapshot is sent instead of the frames after it. Deleted
 * messages are not shown again, and many frames are shorter as a snapshot.
 */
export function positionAt(
  { log, runs, degraded }: Cursor,
  { entries, state }: ReadLog,
  subscriptionId?: string,
): Position | undefined {
  const index = log === '' ? 0 : entries.findIndex(({ id }) => id === log) + 1;
  const missed = entries.slice(index).flatMap(({ frames }) => frames.map(({ type }) => type));
  if (missed.includes('message-delete')) return undefined;
  if (missed.filter((type) => type === 'run-start').length > mostReplayed) return undefined;
  const none = { runs: new Map(), degraded: new Set<string>(), unsent: new Set<string>() };
  const start: Position = { log: '', index: 0, ...none, subscriptionId };
  const position = entries.slice(0, index).reduce((position, entry) => moved(position, entry, state), start);
  const sent = [...position.runs.keys()].map((runId): [string, number] => [runId, runs[runId] ?? 0]);
  return { ...position, log, runs: new Map(sent), degraded: new Set(degraded) };
}

/** The position of a snapshot that is taken now. */
export function positionNow(
  { entries, state: { active } }: ReadLog,
  countOf: CountOf,
  degraded: ReadonlySet<string>,
  subscriptionId?: string,
): Position {
  const unsent = new Set(active.filter(isReadBy(subscriptionId)).map(({ runId }) => runId));
  return {
    log: entries.at(-1)?.id ?? '',
    index: entries.length,
    runs: new Map(active.map(({ runId }) => [runId, unsent.has(runId) ? 0 : countOf(runId)])),
    degraded: new Set(degraded),
    unsent,
    subscriptionId,
  };
}

/** Whether the viewer of this subscription reads a run from the POST that started it. */
function isReadBy(subscriptionId: string | undefined) {
  return (run: { readonly subscriptionId?: string }): boolean =>
    subscriptionId !== undefined && run.subscriptionId === subscriptionId;
}

/** The chunks that are sent before an entry: the rest of a run comes before its end. */
export function lacksBefore({ runs, unsent }: Position, { frames }: LogEntry): Lack[] {
  return frames.flatMap((frame) => {
    if (frame.type !== 'run-end' || unsent.has(frame.runId)) return [];
    const { runId, chunks: to } = frame;
    const from = runs.get(runId);
    return from !== undefined && from < to ? { runId, from, to } : [];
  });
}

/** The known chunks of active runs that were not sent. */
export function lacksNow({ runs, unsent }: Position, countOf: CountOf): Lack[] {
  return [...runs].flatMap(([runId, from]) =>
    countOf(runId) > from && !unsent.has(runId) ? { runId, from } : [],
  );
}

/** The step that sends the chunks that a position lacked. */
export function withChunks(
  position: Position,
  { runId, from }: Lack,
  chunks: readonly UIMessageChunk[],
): Step<ChunksFrame> {
  if (chunks.length === 0) return { position, frames: [] };
  const runs = new Map(position.runs).set(runId, from + chunks.length);
  return { position: { ...position, runs }, frames: [{ type: 'chunks', runId, from, chunks }] };
}

/** The step that sends an entry. */
export function past(position: Position, entry: LogEntry, state: SessionState): Step<LogFrame> {
  const isSent = (frame: LogFrame) =>
    frame.type !== 'run-saved' && !('runId' in frame && state.barred.has(frame.runId));
  return { position: moved(position, entry, state), frames: entry.frames.filter(isSent).map(forViewers) };
}

/** The step that sends changes of durability. */
export function withDurability(position: Position, degraded: ReadonlySet<string>): Step<DurabilityFrame> {
  const runIds = [...position.runs.keys()];
  const changed = runIds.filter((runId) => degraded.has(runId) !== position.degraded.has(runId));
  return {
    // A run whose start was not sent yet comes later.
    position: { ...position, degraded: new Set(runIds.filter((runId) => degraded.has(runId))) },
    frames: changed.map((runId) => ({
      type: 'durability',
      runId,
      durability: degraded.has(runId) ? 'degraded' : 'durable',
    })),
  };
}

/** For a run that the viewer reads from its POST, the cursor has what was sent on this connection. */
export function cursorOf(sessionId: string, { log, runs, degraded }: Position): string {
  return encodeCursor(sessionId, { log, runs: Object.fromEntries(runs), degraded: [...degraded] });
}

function moved(position: Position, { id, frames }: LogEntry, { ended }: SessionState): Position {
  const runs = new Map(position.runs);
  const unsent = new Set(position.unsent);
  const isUnsent = isReadBy(position.subscriptionId);
  for (const frame of frames) {
    if (frame.type === 'run-start') runs.set(frame.runId, 0);
    if (frame.type === 'run-start' && isUnsent(frame)) unsent.add(frame.runId);
    // A withdrawal that came too late has no effect.
    const isWithdrawal = frame.type === 'run-withdraw' || frame.type === 'run-steer';
    const isWithdrawn = isWithdrawal && ended.get(frame.runId)?.withdrawn === true;
    if (frame.type !== 'run-end' && !isWithdrawn) continue;
    runs.delete(frame.runId);
    unsent.delete(frame.runId);
  }
  return { ...position, log: id, index: position.index + 1, runs, unsent };
}

/** Removes the client's names of its send and of its subscription, and the app's reports, which are not for viewers. */
function forViewers(frame: LogFrame): LogFrame {
  if (frame.type !== 'run-start') return frame;
  const { send: _send, reports: _reports, subscriptionId: _subscriptionId, ...rest } = frame;
  return rest;
}
