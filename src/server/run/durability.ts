// Whether what a run writes reaches the store (G8): it does until a write fails or is not answered, and does
// again with the next one that succeeds.

import type { Durability } from '../../protocol/frames.ts';
import type { SessionStore } from '../follow/session-store.ts';

/** What a producer needs of the store. */
export type RunStore = Pick<SessionStore, 'write' | 'close' | 'readRun' | 'append'>;

export interface WatchedStore extends RunStore {
  /** A part of the run will never be stored: it stays degraded. */
  giveUp(): void;
}

/** A write that is not answered for this long does not go well. */
const slowMs = 2_000;

/** The store, whose writes are watched; `onChange` is told of every change, the first of which is `degraded`. */
export function watchStore(store: RunStore, onChange: (durability: Durability) => void): WatchedStore {
  let current: Durability = 'durable';
  let gaveUp = false;

  function become(next: Durability): void {
    if (next === current || gaveUp) return;
    current = next;
    onChange(next);
  }

  async function watched<T>(request: Promise<T>): Promise<T> {
    const timer = setTimeout(() => become('degraded'), slowMs);
    try {
      const result = await request;
      become('durable');
      return result;
    } catch (error) {
      become('degraded');
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    write: (...args) => watched(store.write(...args)),
    close: (...args) => watched(store.close(...args)),
    append: (...args) => watched(store.append(...args)),
    readRun: (...args) => store.readRun(...args),
    giveUp() {
      become('degraded');
      gaveUp = true;
    },
  };
}
