import { expect, it, onTestFinished, vi } from 'vitest';
import { systemRuntime } from '../../lib/runtime.ts';
import type { SseEvent } from '../../protocol/sse.ts';
import { SharedGet, type SessionCursor, type SubscribeOptions } from './shared-get.ts';
import { noSlot } from './slots.ts';

interface Opened extends SubscribeOptions {
  readonly places: readonly SessionCursor[];
  readonly end: (again: boolean) => void;
}

/** A shared GET with the test as its server. The newest connection is the last. */
function opened({ takeSlot = noSlot } = {}) {
  const connections: Opened[] = [];
  const seen: [readonly string[], SseEvent | undefined][] = [];
  const shared = { isUnshared: true };
  const get = new SharedGet({
    runtime: systemRuntime,
    takeSlot,
    subscribe: (places, options) =>
      new Promise((resolve, reject) => {
        options.signal.addEventListener('abort', () => reject(options.signal.reason as Error));
        connections.push({ places, ...options, end: resolve });
      }),
    onEvent: (sessionIds, event) => void seen.push([sessionIds, event]),
    isUnshared: () => shared.isUnshared,
  });
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  const join = (sessionId: string, after?: string) => get.join({ sessionId, after }, () => undefined);
  const run = () => get.run(leaving.signal);
  return {
    get,
    connections,
    seen,
    shared,
    join,
    run,
    latest: () => connections.at(-1)!,
    leave: () => leaving.abort(),
  };
}

const frame = (id: string | undefined, type = 'reset'): SseEvent => ({
  data: JSON.stringify({ type }),
  ...(id !== undefined && { id }),
});

async function begun(options?: Parameters<typeof opened>[0]) {
  const all = opened(options);
  all.join('a');
  const ended = all.run();
  ended.catch(() => {});
  await expect.poll(() => all.connections.length).toBe(1);
  return { ...all, ended };
}

it('a session that joins restarts the GET, with each session at its own cursor', async () => {
  const { latest, connections, join } = await begun();
  latest().onEvent();
  latest().onEvent(frame('a1'), 'a');
  join('b', 'b7');
  await expect.poll(() => connections.length).toBe(2);
  expect(connections[0]!.signal.aborted).toBe(true);
  expect(latest().places).toEqual([
    { sessionId: 'a', after: 'a1' },
    { sessionId: 'b', after: 'b7' },
  ]);
});

it('a GET that is being opened gets its response before it restarts, however many sessions join', async () => {
  const { latest, connections, join, seen } = await begun();
  for (const id of ['b', 'c', 'd']) join(id);
  latest().onEvent();
  await expect.poll(() => connections.length).toBe(2);
  expect(latest().places.map(({ sessionId }) => sessionId)).toEqual(['a', 'b', 'c', 'd']);
  expect(seen).toEqual([]);
});

it('the frames of an incomplete group come again', async () => {
  const { latest, connections, join } = await begun();
  latest().onEvent(frame('a1'), 'a');
  latest().onEvent(frame(undefined), 'a');
  join('b');
  await expect.poll(() => connections.length).toBe(2);
  expect(latest().places[0]).toEqual({ sessionId: 'a', after: 'a1' });
});

it('a later subscriber of a session gets a snapshot if it lacks frames, and none otherwise', async () => {
  const { get, latest, connections, join } = await begun();
  latest().onEvent(frame('a1'), 'a');
  const snapshot = { type: 'snapshot', messages: [] } as never;
  expect(join('a', 'a1')).toBeUndefined();
  expect(get.join({ sessionId: 'a', after: 'a0' }, () => snapshot)).toEqual({
    data: JSON.stringify(snapshot),
    id: 'a1',
  });
  expect(connections.length).toBe(1);
  // No tab has the session from there: the server sends a snapshot, to all.
  join('a', 'a0');
  await expect.poll(() => connections.length).toBe(2);
  expect(latest().places).toEqual([{ sessionId: 'a', after: undefined }]);
  // Half a group has come. No subscriber can join between its frames.
  latest().onEvent(frame(undefined), 'a');
  join('a');
  await expect.poll(() => connections.length).toBe(3);
});

it('a refused session leaves the GET, and joins later as a new one', async () => {
  const { get, latest, connections, join, seen } = await begun();
  join('b');
  latest().onEvent();
  await expect.poll(() => connections.length).toBe(2);
  latest().onEvent(frame('b1'), 'b');
  latest().onEvent(frame(undefined, 'refused'), 'b');
  expect(seen.at(-1)).toEqual([['b'], frame(undefined, 'refused')]);
  get.leave('b');
  join('b', 'b1');
  await expect.poll(() => connections.length).toBe(3);
  expect(latest().places[1]).toEqual({ sessionId: 'b', after: 'b1' });
});

it('a session without subscribers is disconnected after a while', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const all = opened();
  const { get, latest, connections, join } = all;
  join('a');
  join('b');
  all.run().catch(() => {});
  await vi.advanceTimersByTimeAsync(0);
  latest().onEvent();
  get.leave('b');
  await vi.advanceTimersByTimeAsync(9_000);
  expect(connections.length).toBe(1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(latest().places.map(({ sessionId }) => sessionId)).toEqual(['a']);
});

it('ends with its connection', async () => {
  for (const again of [true, false]) {
    const { latest, ended } = await begun();
    latest().end(again);
    expect(await ended).toBe(again);
  }
});

it('G1: keeps its name while it is not shared, and changes it when a POST breaks off or others need the chunks', async () => {
  const { get, latest, connections, join, shared } = await begun();
  expect(get.nameForPost('a')).toBeUndefined();
  latest().onEvent();
  const name = get.nameForPost('a');
  expect(name).toMatch(/^[\w-]{1,64}$/);
  expect(latest().subscriptionId).toBe(name);
  expect(get.nameForPost('other')).toBeUndefined();
  // Another session of this page.
  join('b');
  await expect.poll(() => connections.length).toBe(2);
  expect(latest().subscriptionId).toBe(name);
  latest().onEvent();
  // The POST is still being read.
  get.rename(name!);
  await expect.poll(() => connections.length).toBe(3);
  expect(latest().subscriptionId).toMatch(/^[\w-]+$/);
  expect(latest().subscriptionId).not.toBe(name);
  latest().onEvent();
  // The POST reports its end again, under a name that no longer exists.
  get.rename(name!);
  expect(get.nameForPost('b')).toBe(latest().subscriptionId);
  shared.isUnshared = false;
  get.checkShared();
  await expect.poll(() => connections.length).toBe(4);
  expect(latest().subscriptionId).toBeUndefined();
  latest().onEvent();
  expect(get.nameForPost('a')).toBeUndefined();
});

it('continues unchanged when it is shared before any POST has named it', async () => {
  const { get, latest, connections, shared } = await begun();
  latest().onEvent();
  shared.isUnshared = false;
  get.checkShared();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(connections.length).toBe(1);
  expect(latest().signal.aborted).toBe(false);
});

it('with a shared connection, returns it when nothing comes, and continues from its cursor at its next run', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let released = 0;
  const all = opened({ takeSlot: async () => ({ isTimeSlice: true, release: () => void released++ }) });
  all.join('a');
  all.run().catch(() => {});
  await vi.advanceTimersByTimeAsync(0);
  all.latest().onEvent(frame('a1'), 'a');
  await vi.advanceTimersByTimeAsync(1_600);
  expect(all.latest().signal.aborted).toBe(true);
  expect(released).toBe(1);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(all.connections.length).toBe(2);
  expect(all.latest().places).toEqual([{ sessionId: 'a', after: 'a1' }]);
  // An answer that is being written does not keep the connection either.
  for (let n = 0; n < 12; n++) {
    all.latest().onEvent(frame(`a${2 + n}`), 'a');
    await vi.advanceTimersByTimeAsync(500);
  }
  expect(released).toBe(2);
});
