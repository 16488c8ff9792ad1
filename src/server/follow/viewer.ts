// One viewer of a session: it reads the chunks that the viewer's position lacks, and sends the frames of the position. A viewer
// pulls frames, so that a slow one gets more chunks in one frame and needs no queue.

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
  positionAt,
  positionNow,
  withChunks,
  withDurability,
  type Lack,
  type Position,
  type Step,
} from './position.ts';
import type { Session } from './session.ts';

/** A frame, and the cursor after it. The cursor is absent inside a group of frames that belong together. */
export interface ViewerFrame {
  readonly frame: Frame;
  /** The position after the frame. Absent if the frame belongs together with the next one. */
  readonly cursor?: string;
}

/** How many ended runs a snapshot has: a viewer can wait for the end of one. */
const endedKept = 20;

/** A viewer whose session has been read. */
export interface Viewer {
  /** Frames from the viewer's position on, until `signal` aborts. Call it once. */
  frames(signal?: AbortSignal): Frames<void>;
}

type Frames<T> = AsyncGenerator<ViewerFrame, T, undefined>;

/** Where a viewer begins. */
export interface ViewerOptions {
  /** The cursor to resume at. Without one, the first frame is a snapshot. */
  readonly after?: string | undefined;
  /** The id of the viewer's subscription. Runs whose POSTs name it are sent without chunks. */
  readonly subscriptionId?: string | undefined;
  /** Called before each snapshot. It can fill an empty session. */
  readonly prepare?: (session: Session) => Promise<void>;
}

/**
 * Rejects with `invalid_cursor` for a cursor of another session, and with `store_failed` if the session cannot
 * be read.
 */
export async function openViewer(
  session: Session,
  { after, subscriptionId, prepare = async () => {} }: ViewerOptions,
): Promise<Viewer> {
  const hasCursor = after !== undefined && after !== '';
  const cursor = hasCursor ? decodeCursor(session.sessionId, after) : undefined;
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
        let position = cursor && known ? positionAt(cursor, log, subscriptionId) : undefined;
        if (!position) {
          if (hasCursor) yield { frame: { type: 'reset' } };
          position = yield* snapshot(session, subscriptionId);
        }
        while (!signal?.aborted) {
          changed = false;
          const moved: Position | 'lost' =
            session.log === log ? yield* advance(session, log, position) : 'lost';
          if (moved === 'lost') {
            yield { frame: { type: 'reset' } };
            await prepare(session);
            log = session.log;
            position = yield* snapshot(session, subscriptionId);
          } else position = moved;
          await session.until(() => changed || undefined, { signal });
        }
      } finally {
        off();
      }
    },
  };
}

/** Whether the log has the entry. If not, it reads again without a replica. */
async function find(session: Session, id: string): Promise<boolean> {
  if (id === '') return true;
  if (!session.log.has(id)) await session.refresh();
  if (!session.log.has(id)) await session.refresh({ fresh: true });
  return session.log.entries.some((entry) => entry.id === id);
}

async function* snapshot(session: Session, subscriptionId: string | undefined): Frames<Position> {
  const { state } = session;
  const countOf = (runId: string) => session.countOf(runId);
  const position = positionNow(session.log, countOf, session.degraded, subscriptionId);
  const written = await Promise.all(
    [...position.runs].map(async ([runId, count]): Promise<[string, Written]> => {
      const chunks = count === 0 ? [] : compact((await session.chunksOf(runId, 0)).slice(0, count));
      return [runId, { count, chunks, ...(position.degraded.has(runId) && { durability: 'degraded' }) }];
    }),
  );
  const runs = new Map(written);
  const frame = toSnapshot(state, ({ runId }) => runs.get(runId)!, endedKept); // each active run has its own
  return yield* sent(session, { position, frames: [frame] });
}

/** All frames between the position and now. `lost`: some of them are gone. */
async function* advance(session: Session, log: Log, from: Position): Frames<Position | 'lost'> {
  let position = from;
  while (position.index < log.entries.length) {
    const entry = log.entries[position.index]!; // the index is of the log
    for (const lack of lacksBefore(position, entry)) {
      const next = yield* sendChunks(session, position, lack);
      if (next === 'lost') return next;
      position = next;
    }
    position = yield* sent(session, past(position, entry, session.state));
  }
  for (const lack of lacksNow(position, (runId) => session.countOf(runId))) {
    const next = yield* sendChunks(session, position, lack);
    if (next === 'lost') return next;
    position = next;
  }
  return yield* sent(session, withDurability(position, session.degraded));
}

async function* sendChunks(session: Session, position: Position, lack: Lack): Frames<Position | 'lost'> {
  const { runId, from, to = 0 } = lack;
  const chunks = await session.chunksOf(runId, from, to);
  if (from + chunks.length < to) return 'lost';
  return yield* sent(session, withChunks(position, lack, chunks));
}

/** The frames of a step belong together, and only the last one has a cursor. */
function* sent<F extends Frame>(
  session: Session,
  { position, frames }: Step<F>,
): Generator<ViewerFrame, Position, undefined> {
  for (const frame of frames.slice(0, -1)) yield { frame };
  const last = frames.at(-1);
  if (last) yield { frame: last, cursor: cursorOf(session.sessionId, position) };
  return position;
}
