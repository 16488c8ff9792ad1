// Failures of the store, and of the way to it.

import type { Lag } from '../store/redis.ts';
import type { WayFault } from '../store/upstash-way.ts';
import type { Random } from '../../test/fixtures/random.fixture.ts';
import type { Fault } from './fault.ts';

/** The requests of one instance, or of all, have this fault for a while. */
function way(name: string, weight: number, faultOf: (random: Random) => WayFault): Fault {
  return {
    name,
    weight,
    lasts: [50, 25_000],
    begin(stage, random) {
      const { store, instances, world } = stage;
      const origin = random.chance(0.5) ? random.pick([...instances])?.process.name : undefined;
      const share = random.pick([1, 0.5, 0.1]);
      const fault = faultOf(random);
      const remove = store.faults.inject(fault, { share, ...(origin !== undefined && { origin }) });
      return () => {
        remove();
        // What it holds back comes later.
        if ('ms' in fault) stage.dueAt = Math.max(stage.dueAt, world.elapsed + fault.ms);
      };
    },
  };
}

/** The faults of the store and of the way to it. */
export const storeFaults: readonly Fault[] = [
  way('store refuses', 1, () => ({ kind: 'refuse' })),
  way('store hangs', 1, () => ({ kind: 'hang' })),
  way('store fails', 1, (random) => ({ kind: 'status', status: random.pick([429, 500, 503]) })),
  way('store is slow', 1, (random) => ({ kind: 'delay', ms: random.int(10, 12_000) })),
  way('requests held', 2, (random) => ({ kind: 'hold', ms: random.int(10, 30_000) })),
  way('requests applied twice', 1, (random) => ({ kind: 'twice', ms: random.int(1, 30_000) })),
  way('replies lost', 1, () => ({ kind: 'lose-reply' })),
  way('stale replica', 1, (random) => ({
    kind: 'stale',
    lag: random.pick<Lag>(['stopped', { ms: random.int(1, 5_000) }, { writes: random.int(1, 5) }]),
  })),
  way('entries refused', 1, () => ({ kind: 'refuse-xadd' })),
  way('wake-ups dropped', 1, () => ({ kind: 'drop-publish' })),
  way('wake-ups doubled', 1, () => ({ kind: 'duplicate-publish' })),
  way('wake-ups late', 1, (random) => ({ kind: 'late-publish', ms: random.int(1, 3_000) })),
  {
    name: 'subscriptions end',
    weight: 1,
    lasts: [0, 0],
    begin({ store }, random) {
      store.faults.dropSubscriptions(random.pick(['end', 'reset', 'silence']));
      return () => {};
    },
  },
  {
    name: 'a key is evicted',
    weight: 1,
    lasts: [0, 0],
    begin({ redis, world, evidence, sessions }, random) {
      for (const sessionId of sessions) evidence.lost.add(sessionId);
      const key = random.pick(redis.keys());
      world.trace(() => `the store evicts ${key}`);
      if (key !== undefined) redis.evict(key);
      return () => {};
    },
  },
  {
    name: 'store is full',
    weight: 1,
    lasts: [50, 20_000],
    begin({ redis }) {
      redis.setFull(true);
      return () => redis.setFull(false);
    },
  },
];
