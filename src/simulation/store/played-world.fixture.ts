// A world for tests of the simulated store: its clock goes to the next event once nothing else is left to do, and stands
// still while nobody waits.

import type { Runtime } from '../../lib/runtime.ts';
import { createRandom } from '../../test/fixtures/random.fixture.ts';
import type { StoreWorld } from './upstash-way.ts';

/** The world, and the runtime of what runs in it. */
export interface PlayedWorld extends StoreWorld {
  readonly runtime: Runtime;
  readonly lines: string[];
  now(): number;
}

/** @returns A world whose clock stands still. */
export function playedWorld(seed = 1): PlayedWorld {
  const random = createRandom(seed);
  const events = new Set<{ readonly at: number; readonly callback: () => void }>();
  const lines: string[] = [];
  let now = 1_700_000_000_000;
  let isPlaying = false;

  function step(): void {
    const [first, ...others] = events;
    isPlaying = first !== undefined;
    if (!first) return;
    const next = others.reduce((one, other) => (other.at < one.at ? other : one), first);
    events.delete(next);
    now = Math.max(now, next.at);
    next.callback();
    setImmediate(step);
  }

  function schedule(callback: () => void, ms: number, { background = false } = {}): () => void {
    // A background timer of this world never fires: the clock would go there at once.
    if (background) return () => {};
    const event = { at: now + ms, callback };
    events.add(event);
    if (!isPlaying) setImmediate(step);
    isPlaying = true;
    return () => void events.delete(event);
  }

  return {
    schedule,
    random,
    lines,
    now: () => now,
    trace: (line) => void lines.push(line()),
    runtime: {
      schedule,
      random,
      now: () => now,
      monotonic: () => now,
      randomBytes: (length) => Uint8Array.from({ length }, () => random.int(0, 255)),
      sha256: () => Promise.reject(new Error('The store digests nothing.')),
    },
  };
}
