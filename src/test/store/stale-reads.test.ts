// G1 on a store with stale replicas: what a plain read does not show yet is neither taken for complete nor for
// gone.

import type { UIMessageChunk } from 'ai';
import { expect, it } from 'vitest';
import type { Frame } from '../../protocol/frames.ts';
import type { ViewerFrame } from '../../server/follow/viewer.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { openTab, textOf } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';

const { stores, server } = useStores();
const openStore = stores.find(([name]) => name === 'upstash')![1];
const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 15_000 });

const beginning: UIMessageChunk[] = [
  { type: 'start' },
  { type: 'text-start', id: '0' },
  ...['a', 'b', 'c', 'd'].map((delta): UIMessageChunk => ({ type: 'text-delta', id: '0', delta })),
];
const rest: UIMessageChunk[] = [
  ...['e', 'f', 'g', 'h', 'i'].map((delta): UIMessageChunk => ({ type: 'text-delta', id: '0', delta })),
  { type: 'data-once', data: 'seen', transient: true },
  { type: 'text-end', id: '0' },
  { type: 'finish' },
];

/** Emits the beginning, and the rest when it is released. */
function setUp(id: string) {
  const open = openStore();
  let goOn: () => void = () => {};
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  async function* speak() {
    yield* beginning;
    await gate;
    yield* rest;
  }
  const createServer = () => createWorld(open(), chunkHandler(speak), { flushIntervalMs: 5 });
  const world = createServer();
  const post = (on = world) =>
    on.routes.POST(new Request('http://durable.test/api/chat', { method: 'POST', body: sendBody(id, 'go') }));
  return { world, createServer, goOn: () => goOn(), post };
}

function watch({ chat }: World, id: string, after?: string) {
  const seen: ViewerFrame[] = [];
  const leaving = new AbortController();
  const options = { signal: leaving.signal, ...(after !== undefined && { after }) };
  const done = (async () => {
    for await (const frame of chat.session(id).follow(options)) seen.push(frame);
  })();
  const frames = (): Frame[] => seen.map(({ frame }) => frame);
  return {
    frames,
    has: (type: Frame['type']) => frames().some((frame) => frame.type === type),
    chunks: () => frames().flatMap((frame) => (frame.type === 'chunks' ? frame.chunks : [])),
    cursor: () => seen.findLast(({ cursor }) => cursor !== undefined)?.cursor,
    async close() {
      leaving.abort();
      await done;
    },
  };
}

/** Plain reads of what has this in its key see nothing, until the result is called. */
const behind = (part: string) =>
  server().faults.inject(
    { kind: 'stale' },
    { match: ({ commands }) => commands.some(([, key]) => key?.includes(part) ?? false) },
  );

async function seenInPart(id: string) {
  const here = setUp(id);
  const first = watch(here.world, id);
  await eventually(() => first.has('snapshot')).toBe(true);
  const response = await here.post();
  await eventually(first.chunks).toMatchObject(beginning);
  const cursor = first.cursor()!;
  await first.close();
  here.goOn();
  await response.text();
  await here.world.settled();
  return { ...here, cursor };
}

it('G1: a viewer that resumes after the end gets the rest of a run although reads are stale', async () => {
  const { createServer, cursor } = await seenInPart('stale-resumed');
  const catchUp = behind('stale-resumed}:run');
  const viewer = watch(createServer(), 'stale-resumed', cursor);
  await eventually(() => viewer.has('run-end')).toBe(true);
  expect(viewer.chunks()).toEqual(rest);
  expect(viewer.has('reset')).toBe(false);
  await viewer.close();
  catchUp();
});

it('G1: viewers get all of a run although wake-ups are lost and reads are stale', async () => {
  const id = 'stale-watched';
  const here = setUp(id);
  const there = here.createServer();
  const viewer = watch(there, id);
  const once: unknown[] = [];
  const tab = openTab(there.client(), id, { onData: (part) => once.push(part) });
  await eventually(() => viewer.has('snapshot')).toBe(true);
  const response = await here.post();
  await eventually(() => textOf(tab.chat.messages[1])).toBe('abcd');
  const catchUp = behind(`${id}}:run`);
  const lose = server().faults.inject(
    { kind: 'drop-publish' },
    { match: ({ commands }) => commands.some(([, , value]) => value?.includes('"type":"chunks"') ?? false) },
  );
  here.goOn();
  await response.text();
  await eventually(() => viewer.has('run-end')).toBe(true);
  expect(viewer.chunks()).toMatchObject([...beginning, ...rest]);
  expect(viewer.has('reset')).toBe(false);
  await eventually(() => tab.chat.status).toBe('ready');
  expect(textOf(tab.chat.messages[1])).toBe('abcdefghi');
  expect(once).toMatchObject([{ type: 'data-once', data: 'seen' }]);
  lose();
  catchUp();
  tab.close();
  await viewer.close();
});

it('a viewer that missed chunks which are gone gets a reset, and its snapshot has the message', async () => {
  const id = 'stale-gone';
  const { world, createServer, cursor } = await seenInPart(id);
  const keys = (await server().command('KEYS', `dc:{${id}}:run:*`)) as string[];
  for (const key of keys) await server().command('DEL', key);
  const viewer = watch(createServer(), id, cursor);
  await eventually(() => viewer.frames().map(({ type }) => type)).toEqual(['reset', 'snapshot']);
  const { messages } = await world.chat.session(id).read();
  expect(messages.map(textOf)).toEqual(['go', 'abcdefghi']);
  expect(viewer.frames()[1]).toMatchObject({ messages, runs: [] });
  await viewer.close();
});

it('G1: a send that is posted again is answered with all of its run although reads are stale', async () => {
  const { createServer, post } = await seenInPart('stale-again');
  const catchUp = behind('stale-again}:run');
  const again = await (await post(createServer())).text();
  for (const chunk of [...beginning, ...rest].slice(1))
    expect(again.split(JSON.stringify(chunk)).length).toBe(2);
  catchUp();
});

it('a known cursor and a known session are found although reads are stale', async () => {
  const id = 'stale-log';
  const { createServer, cursor } = await seenInPart(id);
  const catchUp = behind(`${id}}:log`);
  const resumed = watch(createServer(), id, cursor);
  await eventually(() => resumed.has('run-end')).toBe(true);
  expect([resumed.has('reset'), resumed.chunks()]).toEqual([false, rest]);
  await resumed.close();
  const joined = watch(createServer(), id);
  await eventually(() => joined.frames().length).toBe(1);
  expect(joined.frames()).toMatchObject([{ type: 'snapshot', messages: [{}, {}] }]);
  // An entry that a wake-up announces is read at once, and not when the replica has it.
  await createServer().chat.session(id).delete();
  await eventually(() => joined.frames().at(-1)).toMatchObject({ type: 'snapshot', messages: [] });
  await joined.close();
  catchUp();
});
