// One viewer's way through a session: from a place in it, the frames that come next. A viewer pulls; a slow
// one gets more chunks in one frame, and never an unbounded queue.

import type { UIMessageChunk } from 'ai';
import { compact } from '../../protocol/compact.ts';
import { decodeCursor, encodeCursor } from '../../protocol/cursor.ts';
import type { Frame, LogEntry, LogFrame } from '../../protocol/frames.ts';
import { toSnapshot, type Written } from '../../protocol/to-snapshot.ts';
import type { Session } from './session.ts';
import type { Log } from './log.ts';
import { isReplayed } from './resume.ts';

/** A frame, and the cursor to go on from after it; absent inside a group that has to be seen whole. */
export interface ViewerFrame {
  readonly frame: Frame;
  readonly cursor?: string;
}

interface Place {
  log: string;
  /** Entries before this index have been seen. */
  index: number;
  /** Active runs, and how many of their chunks have been seen. */
  runs: Map<string, number>;
  /** Those of them that the viewer takes for degraded. */
  degraded: Set<string>;
}

/** How many ended runs a snapshot tells of: a viewer may wait for the end of one it knows. */
const endedKept = 20;

export interface Viewer {
  /** Frames from the viewer's place on, until `signal` aborts. To be called once. */
  frames(signal?: AbortSignal): AsyncGenerator<ViewerFrame, void, undefined>;
}

/**
 * A viewer at `after`, or at the beginning of a snapshot. `prepare` is waited for before each snapshot: it may
 * fill a session that is empty. Rejects with `invalid_cursor` for a cursor that is not this session's, and with
 * `store_failed` when the session cannot be read.
 */
export async function openViewer(
  session: Session,
  after: string | undefined,
  prepare: (session: Session) => Promise<void> = async () => {},
): Promise<Viewer> {
  const cursor = after === undefined || after === '' ? undefined : decodeCursor(session.sessionId, after);
  await session.watch();
  session.look();
  const known = cursor !== undefined && (await find(session, cursor.log));
  await prepare(session);
  const opened = session.log;
  return {
    async *frames(signal) {
      let changed = true;
      const off = session.onChange(() => (changed = true));
      try {
        const place: Place = { log: '', index: 0, runs: new Map(), degraded: new Set() };
        let log = opened;
        const index = cursor && known ? indexAfter(log.entries, cursor.log) : 0;
        if (cursor && known && isReplayed(log.entries.slice(index))) {
          place.log = cursor.log;
          place.index = index;
          place.runs = runsAt(log.entries.slice(0, place.index), cursor.runs);
          place.degraded = new Set(cursor.degraded);
        } else {
          if (cursor) yield { frame: { type: 'reset' } };
          yield await takeSnapshot(session, place);
        }
        while (!signal?.aborted) {
          changed = false;
          if (session.log !== log || (yield* advance(session, log, place)) === 'lost') {
            yield { frame: { type: 'reset' } };
            await prepare(session);
            log = session.log;
            yield await takeSnapshot(session, place);
          }
          await session.until(() => changed || undefined, { signal });
        }
      } finally {
        off();
      }
    },
  };
}

/** Whether the log has the entry. A replica that is behind is not believed when it says no. */
async function find(session: Session, id: string): Promise<boolean> {
  if (id === '') return true;
  if (!session.log.has(id)) await session.refresh();
  if (!session.log.has(id)) await session.refresh({ fresh: true });
  return session.log.entries.some((entry) => entry.id === id);
}

function indexAfter(entries: readonly LogEntry[], id: string): number {
  return id === '' ? 0 : entries.findIndex((entry) => entry.id === id) + 1;
}

/** The runs that were active after these entries, and how much of each the cursor has seen. */
function runsAt(entries: readonly LogEntry[], seen: Readonly<Record<string, number>>): Map<string, number> {
  const runs = new Map<string, number>();
  for (const frame of entries.flatMap(({ frames }) => frames)) {
    if (frame.type === 'run-start') runs.set(frame.runId, seen[frame.runId] ?? 0);
    if (frame.type === 'run-end') runs.delete(frame.runId);
  }
  return runs;
}

async function takeSnapshot(session: Session, place: Place): Promise<ViewerFrame> {
  const { state } = session;
  place.log = session.log.entries.at(-1)?.id ?? '';
  place.index = session.log.entries.length;
  place.runs = new Map(state.active.map(({ runId }) => [runId, session.countOf(runId)]));
  place.degraded = new Set(session.degraded);
  const written = await Promise.all(
    [...place.runs].map(async ([runId, count]): Promise<[string, Written]> => {
      const chunks = count === 0 ? [] : compact((await session.chunksOf(runId, 0)).slice(0, count));
      return [runId, { count, chunks, ...(place.degraded.has(runId) && { durability: 'degraded' }) }];
    }),
  );
  const runs = new Map(written);
  const frame = toSnapshot(state, ({ runId }) => runs.get(runId)!, endedKept); // each active run has its own
  return { frame, cursor: cursorOf(session, place) };
}

/** Everything between the place and now, moving the place along; `lost` when some of it is gone for good. */
async function* advance(
  session: Session,
  log: Log,
  place: Place,
): AsyncGenerator<ViewerFrame, 'lost' | undefined, undefined> {
  while (place.index < log.entries.length) {
    const entry = log.entries[place.index]!;
    for (const frame of entry.frames) {
      if (frame.type === 'run-start') place.runs.set(frame.runId, 0);
      // One that came too late means nothing.
      const waits = frame.type === 'run-withdraw' || frame.type === 'run-steer';
      if (waits && session.state.ended.get(frame.runId)?.withdrawn) place.runs.delete(frame.runId);
      if (frame.type !== 'run-end') continue;
      // The rest of a run comes before its end.
      const from = place.runs.get(frame.runId);
      if (from !== undefined && from < frame.chunks) {
        const rest = await session.chunksOf(frame.runId, from, frame.chunks);
        if (from + rest.length < frame.chunks) return 'lost';
        yield* chunksFrom(session, place, frame.runId, rest);
      }
      place.runs.delete(frame.runId);
    }
    place.index++;
    place.log = entry.id;
    for (const [index, kept] of entry.frames.entries()) {
      if (kept.type === 'run-saved' || ('runId' in kept && session.state.barred.has(kept.runId))) continue;
      const frame = forViewers(kept);
      yield index === entry.frames.length - 1 ? { frame, cursor: cursorOf(session, place) } : { frame };
    }
  }
  for (const [runId, from] of place.runs) {
    if (session.countOf(runId) > from)
      yield* chunksFrom(session, place, runId, await session.chunksOf(runId, from));
  }
  for (const runId of place.runs.keys()) {
    const degraded = session.degraded.has(runId);
    if (degraded === place.degraded.has(runId)) continue;
    if (degraded) place.degraded.add(runId);
    else place.degraded.delete(runId);
    const durability = degraded ? 'degraded' : 'durable';
    yield { frame: { type: 'durability', runId, durability }, cursor: cursorOf(session, place) };
  }
  return undefined;
}

function* chunksFrom(
  session: Session,
  place: Place,
  runId: string,
  chunks: readonly UIMessageChunk[],
): Generator<ViewerFrame, void, undefined> {
  if (chunks.length === 0) return;
  const from = place.runs.get(runId) ?? 0;
  place.runs.set(runId, from + chunks.length);
  yield { frame: { type: 'chunks', runId, from, chunks }, cursor: cursorOf(session, place) };
}

/** What a client called its send, and what the app is told, is not for others. */
function forViewers(frame: LogFrame): LogFrame {
  if (frame.type !== 'run-start') return frame;
  const { send: _send, reports: _reports, ...rest } = frame;
  return rest;
}

function cursorOf(session: Session, place: Place): string {
  const { log, runs, degraded } = place;
  return encodeCursor(session.sessionId, { log, runs: Object.fromEntries(runs), degraded: [...degraded] });
}
