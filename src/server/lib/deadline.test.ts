import { afterEach, describe, expect, it, vi } from 'vitest';
import { deadlineOf, marginBefore } from './deadline.ts';

const context = Symbol.for('@vercel/request-context');
const shared = globalThis as Record<symbol, unknown>;

afterEach(() => {
  delete shared[context];
  vi.useRealTimers();
});

describe('deadline', () => {
  it('is nobody’s business where nobody says', () => {
    expect(deadlineOf({ maxDurationMs: undefined })).toBeUndefined();
    for (const get of [undefined, () => ({}), () => ({ deadline: 'soon' }), () => undefined]) {
      shared[context] = { get };
      expect(deadlineOf({ maxDurationMs: undefined })).toBeUndefined();
    }
  });

  it('is what Vercel says, in any form that a Date is made of, or sooner', () => {
    vi.useFakeTimers({ now: 1_000_000 });
    const atMs = (wall: number) => Math.floor(performance.now()) + wall - 1_000_000;
    for (const deadline of [1_300_000, new Date(1_300_000), new Date(1_300_000).toISOString()]) {
      shared[context] = { get: () => ({ deadline }) };
      expect(deadlineOf({ maxDurationMs: undefined })).toBe(atMs(1_300_000));
      expect(deadlineOf({ maxDurationMs: 60_000 })).toBe(atMs(1_060_000));
      expect(deadlineOf({ maxDurationMs: 800_000 })).toBe(atMs(1_300_000));
    }
    delete shared[context];
    expect(deadlineOf({ maxDurationMs: 60_000 })).toBe(atMs(1_060_000));
  });

  it('leaves 5 s, or a fifth of a short time', () => {
    expect([300_000, 25_000, 10_000, 0].map(marginBefore)).toEqual([5_000, 5_000, 2_000, 0]);
  });
});
