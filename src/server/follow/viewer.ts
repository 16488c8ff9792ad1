// One viewer's way through a session: it reads what the viewer's place lacks, and sends what the place says. A viewer
// pulls; a slow one gets more chunks in one frame, and never an unbounded queue.

import { compact } from '../../protocol/compact.ts';
import { decodeCursor } from '../../protocol/cursor.ts';
import type { Frame } from '../../protocol/frames.ts';
import { toSnapshot, type Written } from '../../protocol/snapshot.ts';
import type { Log } from './log.ts';
import {
  cursorOf,
  lacksBefore,
  lacksNow,
  past,
  placeAt,
  placeNow,
  withChunks,
  withDurability,
  type Lack,
  type Place,
  type Step,
} from './place.ts';
import type { Session } from './session.ts';

/** A frame, and the cursor to go on from after it; absent inside a group that has to be seen whole. */
export interface ViewerFrame {
  readonly frame: Frame;
  readonly cursor?: string;
}

/** How many ended runs a snapshot tells of: a viewer may wait for the end of one it knows. */
const endedKept = 20;

export interface Viewer {
  /** Frames from the viewer's place on, until `signal` aborts. To be called once. */
  frames(signal?: AbortSignal): Frames<void>;
}

type Frames<T> = AsyncGenerator<ViewerFrame, T, undefined>;

export interface ViewerOptions {
  /** The cursor to go on from; without one, the first frame is a snapshot. */
  readonly after?: string | undefined;
  /** What the viewer called its subscription in POSTs from which it reads runs: no chunks of them are sent. */
  readonly subscriptionId?: string | undefined;
  /** Waited for before each snapshot: it may fill a session that is empty. */
  readonly prepare?: (session: Session) => Promise<void>;
}

/**
 * Rejects with `invalid_cursor` for a cursor that is not this session's, and with `store_failed` when the session cannot
 * be read.
 */
export async function openViewer(
  session: Session,
  { after, subscriptionId, prepare = async () => {} }: ViewerOptions,
): Promise<Viewer> {
  const isBehind = after !== undefined && after !== '';
  const cursor = isBehind ? decodeCursor(session.sessionId, after) : undefined;
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
        let log = opened;
        let place = cursor && known ? placeAt(cursor, log, subscriptionId) : undefined;
        if (!place) {
          if (isBehind) yield { frame: { type: 'reset' } };
          place = yield* snapshot(session, subscriptionId);
        }
        while (!signal?.aborted) {
          changed = false;
          const moved: Place | 'lost' = session.log === log ? yield* advance(session, log, place) : 'lost';
          if (moved === 'lost') {
            yield { frame: { type: 'reset' } };
            await prepare(session);
            log = session.log;
            place = yield* snapshot(session, subscriptionId);
          } else place = moved;
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

async function* snapshot(session: Session, subscriptionId: string | undefined): Frames<Place> {
  const { state } = session;
  const countOf = (runId: string) => session.countOf(runId);
  const place = placeNow(session.log, countOf, session.degraded, subscriptionId);
  const written = await Promise.all(
    [...place.runs].map(async ([runId, count]): Promise<[string, Written]> => {
      const chunks = count === 0 ? [] : compact((await session.chunksOf(runId, 0)).slice(0, count));
      return [runId, { count, chunks, ...(place.degraded.has(runId) && { durability: 'degraded' }) }];
    }),
  );
  const runs = new Map(written);
  const frame = toSnapshot(state, ({ runId }) => runs.get(runId)!, endedKept); // each active run has its own
  return yield* sent(session, { place, frames: [frame] });
}

/** Everything between the place and now; `lost` when some of it is gone for good. */
async function* advance(session: Session, log: Log, from: Place): Frames<Place | 'lost'> {
  let place = from;
  while (place.index < log.entries.length) {
    const entry = log.entries[place.index]!; // the index is of the log
    for (const lack of lacksBefore(place, entry)) {
      const next = yield* sendChunks(session, place, lack);
      if (next === 'lost') return next;
      place = next;
    }
    place = yield* sent(session, past(place, entry, session.state));
  }
  for (const lack of lacksNow(place, (runId) => session.countOf(runId))) {
    const next = yield* sendChunks(session, place, lack);
    if (next === 'lost') return next;
    place = next;
  }
  return yield* sent(session, withDurability(place, session.degraded));
}

async function* sendChunks(session: Session, place: Place, lack: Lack): Frames<Place | 'lost'> {
  const { runId, from, to = 0 } = lack;
  const chunks = await session.chunksOf(runId, from, to);
  if (from + chunks.length < to) return 'lost';
  return yield* sent(session, withChunks(place, lack, chunks));
}

/** The frames of a step belong together: the cursor stands behind the last one. */
function* sent<F extends Frame>(
  session: Session,
  { place, frames }: Step<F>,
): Generator<ViewerFrame, Place, undefined> {
  for (const frame of frames.slice(0, -1)) yield { frame };
  const last = frames.at(-1);
  if (last) yield { frame: last, cursor: cursorOf(session.sessionId, place) };
  return place;
}
