import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { systemRuntime } from '../../lib/runtime.ts';
import { createLocks, stubPage } from '../../test/fixtures/browser.fixture.ts';
import { takeStreamSlot, takeSlot, type Slot } from './slots.ts';

const url = 'http://durable.test/api/chat';
const never = new AbortController().signal;

beforeEach(() => void stubPage({ locks: createLocks() }));
afterEach(() => vi.unstubAllGlobals());

it('three subscriptions stay connected, and the others take turns', async () => {
  const lasting: Slot[] = [];
  for (let n = 0; n < 3; n++) lasting.push(await takeSlot(url, never));
  expect(lasting.map(({ isTimeSlice }) => isTimeSlice)).toEqual([false, false, false]);
  const turns: string[] = [];
  const first = await takeSlot(url, never);
  expect(first.isTimeSlice).toBe(true);
  const waiting = ['second', 'third'].map(async (name) => {
    const slot = await takeSlot(url, never);
    turns.push(name);
    return slot;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(turns).toEqual([]);
  first.release();
  (await waiting[0]!).release();
  (await waiting[1]!).release();
  expect(turns).toEqual(['second', 'third']);
  for (const { release } of lasting) release();
});

it('a returned slot is free; a waiting caller can give up', async () => {
  const slots = [];
  for (let n = 0; n < 4; n++) slots.push(await takeSlot(url, never));
  const leaving = new AbortController();
  const waiting = takeSlot(url, leaving.signal);
  setTimeout(() => leaving.abort(), 10);
  await expect(waiting).rejects.toThrow('abort');
  slots[0]!.release();
  const again = await takeSlot(url, never);
  expect(again.isTimeSlice).toBe(false);
  for (const { release } of [...slots, again]) release();
});

it('a page reads the POST of one send at a time, and of none while subscriptions need the connections', async () => {
  const first = await takeStreamSlot(url, systemRuntime);
  expect(first).toBeDefined();
  expect(await takeStreamSlot(url, systemRuntime)).toBeUndefined();
  first?.();
  const subscriptions = [];
  for (let n = 0; n < 3; n++) subscriptions.push(await takeSlot(url, never));
  expect(subscriptions.map(({ isTimeSlice }) => isTimeSlice)).toEqual([false, false, false]);
  expect(await takeStreamSlot(url, systemRuntime)).toBeUndefined();
  subscriptions.pop()?.release();
  const second = await takeStreamSlot(url, systemRuntime);
  expect(second).toBeDefined();
  // A new subscription always has a slot.
  const slice = await takeSlot(url, never);
  expect(slice.isTimeSlice).toBe(true);
  for (const release of [second, slice.release, ...subscriptions.map(({ release }) => release)]) release?.();
});

it('without a page, as on a server, slots are unlimited', async () => {
  vi.unstubAllGlobals();
  const taken = await Promise.all(Array.from({ length: 10 }, () => takeStreamSlot(url, systemRuntime)));
  expect(taken.every((release) => release !== undefined)).toBe(true);
});
