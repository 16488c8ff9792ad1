import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import { systemRuntime, type Runtime } from '../../lib/runtime.ts';
import { reauthorize } from './reauthorize.ts';

const refusal = new Error('refused');

/** A permission with its own clock. */
function permission(everyMs = 1_000, random = () => 0.5) {
  const timers: { readonly at: number; readonly callback: () => void }[] = [];
  let now = 0;
  const schedule: Runtime['schedule'] = (callback, ms) => {
    const timer = { at: now + ms, callback };
    if (ms < Infinity) timers.push(timer);
    return () => void (timers.includes(timer) && timers.splice(timers.indexOf(timer), 1));
  };
  const answers: { yes(): void; no(error: unknown): void }[] = [];
  const asked: number[] = [];
  const errors: unknown[] = [];
  const refused: unknown[] = [];
  const over = new AbortController();
  return {
    timers,
    asked,
    errors,
    refused,
    over,
    start: () =>
      reauthorize({
        ask: () =>
          new Promise<void>((resolve, reject) => {
            asked.push(now);
            answers.push({ yes: resolve, no: reject });
          }),
        isRefusal: (error) => error === refusal,
        everyMs,
        runtime: { schedule, random },
        onRefused: (error) => refused.push(error),
        onError: (error) => errors.push(error),
        signal: over.signal,
      }),
    async pass(ms: number) {
      now += ms;
      for (const timer of timers.filter(({ at }) => at <= now)) {
        timers.splice(timers.indexOf(timer), 1);
        timer.callback();
      }
      await settled();
    },
    async answer(how: 'yes' | Error) {
      const next = answers.shift()!; // only called for a question
      if (how === 'yes') next.yes();
      else next.no(how);
      await settled();
    },
  };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

describe('a permission', () => {
  it('is checked at intervals, and ends with the first refusal', async () => {
    const { start, pass, answer, asked, refused, timers } = permission();
    start();
    for (let times = 1; times <= 3; times++) {
      await pass(999);
      expect(asked).toHaveLength(times - 1);
      await pass(1);
      expect(asked).toHaveLength(times);
      await answer('yes');
      expect(refused).toEqual([]);
    }
    await pass(1_000);
    await answer(refusal);
    expect(refused).toEqual([refusal]);
    expect(timers).toEqual([]);
  });

  it('is not ended by an error, and is checked again', async () => {
    const { start, pass, answer, asked, errors, refused } = permission();
    start();
    const broken = new Error('the database is away');
    for (let times = 1; times <= 3; times++) {
      await pass(1_000);
      await answer(broken);
      expect(errors).toHaveLength(times);
    }
    expect([asked.length, refused]).toEqual([3, []]);
    await pass(1_000);
    await answer(refusal);
    expect(refused).toEqual([refusal]);
  });

  it.each([
    [1_000, 10_000],
    [60_000, 60_000],
  ])(
    'with an interval of %i ms an answer that takes %i ms is an error, and it is checked again',
    async (everyMs, limitMs) => {
      const { start, pass, answer, asked, timers, errors, refused } = permission(everyMs);
      start();
      await pass(everyMs);
      await pass(limitMs - 1);
      expect([asked.length, errors.length]).toEqual([1, 0]);
      await pass(1);
      expect(errors).toMatchObject([{ name: 'TimeoutError' }]);
      expect([asked.length, timers.length, refused.length]).toEqual([1, 1, 0]);
      await pass(everyMs);
      expect(asked).toHaveLength(2);
      // The answer to the first check, which came too late, does not end the wait for the second one.
      await answer('yes');
      await pass(limitMs - 1);
      await answer('yes');
      expect([errors.length, timers.length]).toEqual([1, 1]);
      await pass(everyMs);
      expect(asked).toHaveLength(3);
    },
  );

  it('is ended by a refusal that comes late, once', async () => {
    const { start, pass, answer, asked, timers, errors, refused } = permission();
    start();
    await pass(1_000);
    await pass(10_000);
    await pass(1_000);
    expect(asked).toHaveLength(2);
    await answer(refusal);
    await answer(refusal);
    expect([refused, timers, errors.length]).toEqual([[refusal], [], 1]);
  });

  it('leaves no timer if it ends while it is checked', async () => {
    const { start, pass, over, timers } = permission();
    start();
    await pass(1_000);
    expect(timers).toHaveLength(1);
    over.abort();
    expect(timers).toEqual([]);
  });

  it('is no longer checked after its end, and a late decision has no effect', async () => {
    for (const how of ['yes', refusal, new Error('broken')] as const) {
      const { start, pass, answer, over, timers, refused, errors } = permission();
      start();
      await pass(1_000);
      over.abort();
      await answer(how);
      expect([timers, refused, errors]).toEqual([[], [], []]);
    }
    const { start, over, timers } = permission();
    start();
    expect(timers).toHaveLength(1);
    over.abort();
    expect(timers).toEqual([]);
  });

  it('is checked within a tenth of the interval, before or after it', async () => {
    for (const [random, ms] of [
      [0, 900],
      [1, 1_100],
    ] as const) {
      const { start, timers } = permission(1_000, () => random);
      start();
      expect(timers.map(({ at }) => Math.round(at))).toEqual([ms]);
    }
  });

  it('is never checked again if the interval is Infinity', () => {
    const { start, timers } = permission(Infinity);
    start();
    expect(timers).toEqual([]);
  });

  it('is checked in the context of its own request, each time', async () => {
    const user = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const over = new AbortController();
    for (const name of ['ann', 'bob']) {
      user.run(name, () =>
        reauthorize({
          ask: async () => void seen.push(user.getStore()),
          isRefusal: () => false,
          everyMs: 5,
          runtime: systemRuntime,
          onRefused: () => {},
          onError: () => {},
          signal: over.signal,
        }),
      );
    }
    await expect.poll(() => seen.filter((name) => name === 'ann').length).toBeGreaterThan(2);
    await expect.poll(() => seen.filter((name) => name === 'bob').length).toBeGreaterThan(2);
    over.abort();
    expect(seen.every((name) => name !== undefined)).toBe(true);
  });
});
