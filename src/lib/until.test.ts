import { expect, it } from 'vitest';
import { simulatedTime } from '../test/fixtures/simulated-time.fixture.ts';
import { until, type Patience } from './until.ts';

/** A wait for `value`, which `set` changes. */
function waiting<T>(patience?: Patience) {
  const time = simulatedTime();
  const listeners = new Set<() => void>();
  const onChange = (listener: () => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  let read: () => T | undefined = () => undefined;
  const set = (next: () => T | undefined) => {
    read = next;
    for (const listener of listeners) listener();
  };
  const result = until(time, onChange, () => read(), patience);
  return { time, set, result, isClean: () => listeners.size + time.pending === 0 };
}

it('resolves with the first value of the condition, also with one that is false', async () => {
  const { set, result, isClean } = waiting<boolean>({ ms: 1_000 });
  set(() => undefined);
  set(() => false);
  set(() => true);
  expect(await result).toBe(false);
  expect(isClean()).toBe(true);
});

it('resolves without a value when the time has passed', async () => {
  const { time, result, isClean } = waiting({ ms: 1_000 });
  await time.advance(999);
  expect(isClean()).toBe(false);
  await time.advance(1);
  expect(await result).toBeUndefined();
  expect(isClean()).toBe(true);
});

it.each(['before', 'during'])('resolves without a value at an abort %s the wait', async (when) => {
  const controller = new AbortController();
  if (when === 'before') controller.abort();
  const { result, isClean } = waiting({ signal: controller.signal, ms: 1_000 });
  controller.abort();
  expect(await result).toBeUndefined();
  expect(isClean()).toBe(true);
});

it('rejects with the error of the condition', async () => {
  const { set, result, isClean } = waiting({ ms: 1_000 });
  const error = new Error('unreadable');
  set(() => {
    throw error;
  });
  await expect(result).rejects.toBe(error);
  expect(isClean()).toBe(true);
});
