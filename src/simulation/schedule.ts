// A schedule: what happens when, drawn from a seed.

import { createRandom, type Random } from '../test/fixtures/random.fixture.ts';
import { faults } from './faults/index.ts';
import type { Fault } from './faults/fault.ts';
import { operations } from './operations/index.ts';
import type { BrowserKind } from './processes/browser.ts';
import type { Operation } from './operations/operation.ts';

/** One act. Its own seed keeps its choices the same if other acts are left out. */
type Act = { readonly at: number; readonly seed: number } & (
  | { readonly operation: Operation }
  | { readonly fault: Fault; readonly lasts: number }
);

/** One schedule. */
export interface Schedule {
  readonly seed: number;
  readonly instances: number;
  readonly pages: number;
  readonly sessions: readonly string[];
  readonly browsers: readonly BrowserKind[];
  readonly acts: readonly Act[];
}

const kinds: readonly [BrowserKind, ...BrowserKind[]] = ['http1', 'http1', 'http2', 'insecure', 'none'];

/** The time in which acts begin, in milliseconds. */
const lengths = [500, 5_000, 30_000] as const;

/** The schedule of a seed. */
export function scheduleOf(seed: number): Schedule {
  const random = createRandom(seed);
  const length = random.pick([...lengths]);
  const acts: Act[] = [];
  for (let count = random.int(5, 20); count > 0; count--) {
    acts.push({
      at: random.int(0, length),
      seed: random.int(0, 2 ** 31),
      operation: draw(operations, random),
    });
  }
  for (let count = random.chance(0.2) ? 0 : random.int(1, 10); count > 0; count--) {
    const fault = draw(faults, random);
    acts.push({
      at: random.int(0, length),
      seed: random.int(0, 2 ** 31),
      fault,
      lasts: random.int(...fault.lasts),
    });
  }
  return {
    seed,
    instances: random.int(2, 4),
    pages: random.int(2, 5),
    sessions: random.chance(0.2) ? ['a', 'b'] : ['a'],
    browsers: [random.pick(kinds), random.pick(kinds)],
    acts: acts.toSorted((a, b) => a.at - b.at),
  };
}

function draw<T extends { readonly weight: number }>(from: readonly T[], random: Random): T {
  let left = random() * from.reduce((sum, { weight }) => sum + weight, 0);
  return from.find(({ weight }) => (left -= weight) < 0) ?? from[0]!;
}
