import { Redis } from '@upstash/redis';
import type { UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import type { DurableChatOptions } from '../../index.ts';
import type { Frame } from '../../protocol/frames.ts';
import { deletedEntry } from '../../protocol/entries.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { openTab, textOf } from '../fixtures/tab.fixture.ts';
import { createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';
import type { ViewerFrame } from '../../server/follow/viewer.ts';

const url = 'http://durable.test/api/chat';
const { stores, server } = useStores();
let sessions = 0;

/** Answers "fine". A message that asks to wait is answered when it is stopped. */
function open(channel: Channel, options: Omit<DurableChatOptions, 'channel'> = {}): World {
  return createWorld(
    channel,
    async (request) => {
      const waits = (await request.clone().text()).includes('wait');
      return new ReadableStream<UIMessageChunk>({
        async start(controller) {
          controller.enqueue({ type: 'start' });
          controller.enqueue({ type: 'text-start', id: '0' });
          controller.enqueue({ type: 'text-delta', id: '0', delta: 'fine' });
          if (waits) await new Promise((resolve) => request.signal.addEventListener('abort', resolve));
          controller.enqueue({ type: 'finish' });
          controller.close();
        },
      });
    },
    options,
  );
}

async function send(world: World, sessionId: string, text: string): Promise<void> {
  const response = await world.routes.POST(
    new Request(url, { method: 'POST', body: sendBody(sessionId, text) }),
  );
  expect(response.status).toBe(200);
  await response.text();
  await world.settled();
}

function watch({ chat }: World, sessionId: string, after?: string) {
  const seen: ViewerFrame[] = [];
  const leaving = new AbortController();
  const done = (async () => {
    const options = { signal: leaving.signal, ...(after !== undefined && { after }) };
    for await (const frame of chat.session(sessionId).follow(options)) seen.push(frame);
  })();
  return {
    types: () => seen.map(({ frame }) => frame.type),
    snapshots: () =>
      seen.flatMap(({ frame }) =>
        frame.type === 'snapshot' ? [frame.messages.map((message) => textOf(message))] : [],
      ),
    frames: (): Frame[] => seen.map(({ frame }) => frame),
    cursor: () => seen.findLast(({ cursor }) => cursor !== undefined)?.cursor,
    async close() {
      leaving.abort();
      await done;
    },
  };
}

async function textsOf({ chat }: World, sessionId: string): Promise<string[]> {
  return (await chat.session(sessionId).read()).messages.map((message) => textOf(message));
}

const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 15_000 });

describe.each(stores)('a session that has expired, on %s', (store, openStore) => {
  it('each send renews it; after its end it is empty, and its viewers see that', async () => {
    const sessionId = `expiry ${++sessions}`;
    const shared = openStore({ ttl: 3 });
    const [here, there] = [open(shared()), open(shared())];
    await send(here, sessionId, 'one');
    const started = Date.now();
    const viewer = watch(there, sessionId);
    await eventually(viewer.snapshots).toEqual([['one', 'fine']]);
    const cursor = viewer.cursor()!;
    await new Promise((resolve) => setTimeout(resolve, 1_700));
    await send(here, sessionId, 'two');
    await new Promise((resolve) => setTimeout(resolve, 1_700));
    const texts = await textsOf(here, sessionId);
    // On a slow machine the session may have expired already.
    if (Date.now() - started < 4_500) expect(texts).toEqual(['one', 'fine', 'two', 'fine']);
    await eventually(() => textsOf(here, sessionId)).toEqual([]);
    // The other process has the old log in memory until it reads again, which a joining viewer causes.
    const joining = watch(there, sessionId);
    for (const { snapshots } of [viewer, joining]) await eventually(() => snapshots().at(-1)).toEqual([]);
    await joining.close();
    expect(await textsOf(there, sessionId)).toEqual([]);
    expect(viewer.types().slice(-2)).toEqual(['reset', 'snapshot']);
    await viewer.close();
    // A cursor of the old log.
    const late = watch(there, sessionId, cursor);
    await eventually(late.types).toEqual(['reset', 'snapshot']);
    expect(late.snapshots()).toEqual([[]]);
    await late.close();
  });

  it('begins again with the next send, also in a process that has the old log in memory', async () => {
    const sessionId = `expiry ${++sessions}`;
    const shared = openStore({ ttl: 3 });
    const [here, there] = [open(shared()), open(shared())];
    await send(here, sessionId, 'one');
    const [near, far] = [watch(here, sessionId), watch(there, sessionId)];
    const [own, other] = [openTab(here.client(), sessionId), openTab(there.client(), sessionId)];
    for (const tab of [own, other]) {
      await eventually(() => tab.chat.messages.map(textOf)).toEqual(['one', 'fine']);
    }
    await eventually(far.types).toEqual(['snapshot']);
    // No viewer makes these processes read.
    const probe = shared();
    await eventually(() => probe.readLog(sessionId, '')).toEqual([]);
    await send(here, sessionId, 'two');
    for (const viewer of [near, far]) {
      await eventually(() => viewer.types().includes('reset')).toBe(true);
      const { messages } = viewer.frames().findLast((frame) => frame.type === 'snapshot')!;
      expect(messages.map(textOf)).not.toContain('one');
    }
    for (const tab of [own, other]) {
      await eventually(() => tab.chat.messages.map(textOf)).toEqual(['two', 'fine']);
      tab.close();
    }
    await near.close();
    await far.close();
  });

  it('leaves no key without an expiry', async () => {
    if (store !== 'upstash') return;
    const sessionId = `expiry${++sessions}`;
    const world = open(openStore({ ttl: 1 })());
    await send(world, sessionId, 'one');
    const redis = new Redis({ url: server().url, token: server().token });
    const left = () => redis.keys(`*${sessionId}*`);
    for (const key of await left()) expect(await redis.ttl(key)).toBeGreaterThan(-1);
    // A stop that comes too late.
    await eventually(() => redis.exists(`dc:{${sessionId}}:log`)).toBe(0);
    await expect(world.chat.session(sessionId).stop()).rejects.toMatchObject({ code: 'not_found' });
    await eventually(async () => (await left()).filter((key) => !key.includes(':send:'))).toEqual([]);
  });
});

describe.each(stores)('a session that is deleted, on %s', (store, openStore) => {
  it('ends running and waiting runs, is gone in every process at once, and begins again', async () => {
    const sessionId = `deleted${++sessions}`;
    const shared = openStore();
    const [here, there] = [open(shared()), open(shared())];
    await send(here, sessionId, 'one');
    const [near, far] = [watch(here, sessionId), watch(there, sessionId)];
    const tab = openTab(there.client(), sessionId);
    const shown = () => tab.chat.messages.map(textOf);
    const post = (text: string) =>
      here.routes.POST(new Request(url, { method: 'POST', body: sendBody(sessionId, text) }));
    const answers = [await post('wait')];
    await eventually(shown).toEqual(['one', 'fine', 'wait', 'fine']);
    answers.push(await post('then'));
    await eventually(shown).toEqual(['one', 'fine', 'wait', 'fine', 'then']);
    expect((await there.chat.session(sessionId).read()).runs.map(({ status }) => status)).toEqual([
      'running',
      'queued',
    ]);

    await there.chat.session(sessionId).delete();
    for (const answer of answers) expect(await answer.text()).toContain('[DONE]');
    await here.settled();
    for (const viewer of [near, far]) {
      await eventually(() => viewer.types().slice(-2)).toEqual(['reset', 'snapshot']);
      expect(viewer.snapshots().at(-1)).toEqual([]);
      expect(viewer.frames().filter((frame) => frame.type === 'run-end')).toMatchObject([
        { reason: 'stop' },
        { reason: 'stop' },
      ]);
    }
    await eventually(() => [shown(), tab.chat.status]).toEqual([[], 'ready']);
    for (const world of [here, there]) expect(await textsOf(world, sessionId)).toEqual([]);
    if (store === 'upstash') {
      const redis = new Redis({ url: server().url, token: server().token });
      const left = await redis.keys(`*${sessionId}*`);
      expect(left).toEqual([expect.stringMatching(/:log$/)]);
      // Only the mark of the deletion stays, and it expires.
      expect(await there.chat.session(sessionId).read()).toEqual({ messages: [], runs: [] });
      expect(await redis.ttl(left[0]!)).toBeGreaterThan(0);
    }

    // A message with the same id is a new one.
    await send(here, sessionId, 'one');
    await eventually(shown).toEqual(['one', 'fine']);
    await eventually(() => far.frames().filter((frame) => frame.type === 'run-end').length).toBe(3);
    tab.close();
    await near.close();
    await far.close();
  });

  it('G6: the store refuses a producer that did not react to the deletion', async () => {
    const sessionId = `deleted ${++sessions}`;
    const channel = openStore()();
    const lease = { type: 'take', runId: 'frozen', ms: 60_000 } as const;
    const start = { type: 'run-start', messageId: 'm', trigger: 'submit-message', at: 0 } as const;
    await channel.append(sessionId, { key: 'start', frames: [{ ...start, runId: 'frozen' }] }, { lease });
    const chunk = { type: 'text-delta', id: '0', delta: 'private' } as const;
    await channel.write(sessionId, 'frozen', 0, [chunk]);
    await open(channel).chat.session(sessionId).delete();
    expect(await channel.write(sessionId, 'frozen', 1, [chunk])).toBe('closed');
    expect(await channel.readRun(sessionId, 'frozen', 0)).toEqual({
      chunks: [],
      closure: { reason: 'stop' },
    });
    expect(await channel.readLog(sessionId, '')).toMatchObject([deletedEntry]);
  });

  it('may be unknown', async () => {
    const world = open(openStore()());
    await world.chat.session(`deleted ${++sessions}`).delete();
  });

  it('during a send: the run that is being accepted ends, and leaves no key without an expiry', async () => {
    const sessionId = `deleted${++sessions}`;
    const channel = openStore()();
    const world = open(channel);
    const response = await world.routes.POST(
      new Request(url, { method: 'POST', body: sendBody(sessionId, 'wait') }),
    );
    await eventually(async () => (await textsOf(world, sessionId)).length).toBe(1);
    // Deleted only in the store: the producer gets no wake-up.
    await channel.delete(sessionId);
    expect(await response.text()).toContain('[DONE]');
    await world.settled();
    expect(await textsOf(world, sessionId)).toEqual([]);
    if (store !== 'upstash') return;
    const redis = new Redis({ url: server().url, token: server().token });
    for (const key of await redis.keys(`*${sessionId}*`)) expect(await redis.ttl(key)).toBeGreaterThan(-1);
  });
});

it('the id of a session is checked for session(id) too', async () => {
  const { chat } = open(stores[0]![1]()());
  for (const id of ['', 'a\nb', 'x'.repeat(257), '\ud83d']) {
    expect(() => chat.session(id)).toThrow(expect.objectContaining({ code: 'bad_request' }));
  }
});
