// The store as a run uses it. Its writes are watched (G8): the run is durable until one fails or gets no reply, and again
// with the next successful one. Chunks that vanish from the store are written again from memory, from the first one, so
// that viewers miss nothing and get nothing twice.

import type { UIMessageChunk } from 'ai';
import type { Durability } from '../../protocol/frames.ts';
import { isActive } from '../../protocol/session-state.ts';
import type { SessionStore } from '../follow/session-store.ts';
import type { Session } from '../follow/session.ts';
import { firstBatch, type WriteResult } from './write-queue.ts';

/** The store for one run. */
export interface RunStore extends Pick<SessionStore, 'close' | 'readRun' | 'append'> {
  /** Writes chunks `from`, `from + 1`, … of the run. */
  write(from: number, chunks: readonly UIMessageChunk[]): Promise<WriteResult>;
  /** A part of the run will never be stored, so it stays degraded. */
  giveUp(): void;
}

/** A write without a reply for this long counts as failing. */
const slowMs = 2_000;

/**
 * @param chunks - The chunks of the run so far.
 * @param onChange - Called with every change of the durability, the first of which is `degraded`.
 */
export function createRunStore(
  session: Session,
  runId: string,
  chunks: readonly UIMessageChunk[],
  onChange: (durability: Durability) => void,
): RunStore {
  const { store, runtime } = session;
  let current: Durability = 'durable';
  let gaveUp = false;

  function become(next: Durability): void {
    if (next === current || gaveUp) return;
    current = next;
    onChange(next);
  }

  async function watched<T>(request: Promise<T>): Promise<T> {
    const cancel = runtime.schedule(() => become('degraded'), slowMs);
    try {
      const result = await request;
      become('durable');
      return result;
    } catch (error) {
      become('degraded');
      throw error;
    } finally {
      cancel();
    }
  }

  return {
    write: restoring({
      write: (from, batch) => watched(store.write(runId, from, batch)),
      chunks,
      isActive: () => session.refresh({ fresh: true }).then(() => isActive(session.state, runId)),
    }),
    close: (...args) => watched(store.close(...args)),
    append: (...args) => watched(store.append(...args)),
    readRun: (...args) => store.readRun(...args),
    giveUp() {
      become('degraded');
      gaveUp = true;
    },
  };
}

/** The chunks of a run, and the writes that restore them. */
export interface RestoreOptions {
  readonly write: (from: number, chunks: readonly UIMessageChunk[]) => Promise<WriteResult | 'gone'>;
  /** The chunks of the run so far. */
  readonly chunks: readonly UIMessageChunk[];
  /** Reads the log: a run that has ended, or whose session was deleted, is not written again. */
  readonly isActive: () => Promise<boolean>;
}

const lengthOf = (chunk: UIMessageChunk) => JSON.stringify(chunk).length;

/** Writes like `write`, to a run that may have lost its stored chunks. */
export function restoring({ write, chunks, isActive }: RestoreOptions): RunStore['write'] {
  /** How many chunks are stored. It is kept when the restoring fails in between. */
  let stored = 0;
  return async (from, batch) => {
    for (;;) {
      const isBehind = stored < from;
      const at = isBehind ? stored : from;
      const next = isBehind ? firstBatch(chunks.slice(stored, from), lengthOf) : batch;
      const result = await write(at, next);
      if (result === 'closed') return 'closed';
      if (result === 'gone') {
        if (!(await isActive())) return 'closed';
        stored = 0;
        continue;
      }
      stored = at + next.length;
      if (!isBehind) return 'stored';
    }
  };
}
