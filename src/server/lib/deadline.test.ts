import { afterEach, describe, expect, it } from 'vitest';
import { simulatedTime } from '../../test/fixtures/simulated-time.fixture.ts';
import { deadlineOf, marginBefore } from './deadline.ts';

const context = Symbol.for('@vercel/request-context');
const shared = globalThis as Record<symbol, unknown>;

afterEach(() => void delete shared[context]);

describe('deadline', () => {
  it('is undefined if none is known', () => {
    expect(deadlineOf({ maxDurationMs: undefined }, simulatedTime())).toBeUndefined();
    for (const get of [undefined, () => ({}), () => ({ deadline: 'soon' }), () => undefined]) {
      shared[context] = { get };
      expect(deadlineOf({ maxDurationMs: undefined }, simulatedTime())).toBeUndefined();
    }
  });

  it('is Vercel’s deadline, in any form of a Date, or the earlier `maxDurationMs`', () => {
    const time = simulatedTime();
    const at = time.now() + 300_000;
    const told = (maxDurationMs?: number) => deadlineOf({ maxDurationMs }, time);
    for (const deadline of [at, new Date(at), new Date(at).toISOString()]) {
      shared[context] = { get: () => ({ deadline }) };
      expect([told(), told(60_000), told(800_000)]).toEqual([300_000, 60_000, 300_000]);
    }
    delete shared[context];
    expect(told(60_000)).toBe(60_000);
  });

  it('leaves 5 s, or a fifth of a short time', () => {
    expect([300_000, 25_000, 10_000, 0].map(marginBefore)).toEqual([5_000, 5_000, 2_000, 0]);
  });
});
