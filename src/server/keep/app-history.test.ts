import type { UIMessage, UIMessageChunk } from 'ai';
import { describe, expect, it, vi } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import type { DurableChatOptions, RunEnd } from '../../index.ts';
import type { ErrorBody } from '../../protocol/errors.ts';
import { useStores } from '../../test/fixtures/stores.fixture.ts';
import { openTab, textOf } from '../../test/fixtures/tab.fixture.ts';
import { createWorld, sendBody, type World } from '../../test/fixtures/world.fixture.ts';

const url = 'http://durable.test/api/chat';
const { stores } = useStores();
let sessions = 0;
const newSession = () => `kept ${++sessions}`;
const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 15_000 });

const user = (text: string): UIMessage => ({
  id: `user-${text}`,
  role: 'user',
  parts: [{ type: 'text', text }],
});
const kept: UIMessage[] = [
  user('before'),
  { id: 'answer-before', role: 'assistant', parts: [{ type: 'text', text: 'kept', state: 'done' }] },
];

/** Answers with the number of its messages; "wait" waits until it is stopped, "break" fails with an error. */
function open(channel: Channel, options: Omit<DurableChatOptions, 'channel'> = {}): World {
  return createWorld(
    channel,
    async (request) => {
      const { messages } = (await request.json()) as { messages: UIMessage[] };
      const asked = textOf(messages.at(-1));
      return new ReadableStream<UIMessageChunk>({
        async start(controller) {
          controller.enqueue({ type: 'start' });
          controller.enqueue({ type: 'text-start', id: '0' });
          controller.enqueue({ type: 'text-delta', id: '0', delta: `given ${messages.length}` });
          if (asked === 'wait')
            await new Promise((resolve) => request.signal.addEventListener('abort', resolve));
          if (asked === 'break') controller.enqueue({ type: 'error', errorText: 'broken' });
          controller.enqueue({ type: 'finish' });
          controller.close();
        },
      });
    },
    options,
  );
}

const post = ({ routes }: World, sessionId: string, text: string) =>
  routes.POST(new Request(url, { method: 'POST', body: sendBody(sessionId, text) }));
const get = ({ routes }: World, sessionId: string) =>
  routes.GET(new Request(`${url}?id=${encodeURIComponent(sessionId)}`));

async function textsOf({ chat }: World, sessionId: string): Promise<string[]> {
  return (await chat.session(sessionId).read()).messages.map((message) => textOf(message));
}

async function framesOf(channel: Channel, sessionId: string) {
  return (await channel.readLog(sessionId, '')).flatMap(({ frames }) => frames);
}

describe.each(stores)('loadMessages, on %s', (_, openStore) => {
  it('begins an empty session, once, for a reader, a viewer and a send, and never replaces messages', async () => {
    const begin: ((world: World, sessionId: string) => Promise<unknown>)[] = [
      (world, sessionId) => world.chat.session(sessionId).read(),
      async (world, sessionId) => (await get(world, sessionId)).body!.cancel(),
      async (world, sessionId) => (await post(world, sessionId, 'now')).text(),
      (world, sessionId) =>
        Promise.all(Array.from({ length: 5 }, () => world.chat.session(sessionId).read())),
    ];
    for (const first of begin) {
      const sessionId = newSession();
      const loadMessages = vi.fn(async () => kept);
      const world = open(openStore()(), { loadMessages });
      await first(world, sessionId);
      await world.settled();
      const sent = first === begin[2] ? ['now', 'given 3'] : [];
      expect(await textsOf(world, sessionId)).toEqual(['before', 'kept', ...sent]);
      await (await post(world, sessionId, 'next')).text();
      await world.settled();
      const answer = `given ${3 + sent.length}`;
      expect(await textsOf(world, sessionId)).toEqual(['before', 'kept', ...sent, 'next', answer]);
      expect(loadMessages.mock.calls).toEqual([[{ sessionId }]]);
    }
  });

  it('overrides earlier messages of a client, also if it returns none', async () => {
    for (const loaded of [kept, [], null, undefined]) {
      const sessionId = newSession();
      const world = open(openStore()(), { loadMessages: () => loaded });
      const { messages, ...rest } = JSON.parse(sendBody(sessionId, 'now')) as { messages: UIMessage[] };
      const forged = { id: 'forged', role: 'assistant', parts: [{ type: 'text', text: 'forged' }] };
      const body = (more: unknown[]) => JSON.stringify({ ...rest, messages: more });
      const routes = (text: string) => world.routes.POST(new Request(url, { method: 'POST', body: text }));
      const continued = await routes(body([...messages, forged]));
      expect([loaded, continued.status]).toEqual([loaded, 404]);
      await (await routes(body([user('invented'), forged, ...messages]))).text();
      await world.settled();
      const before = loaded?.map((message) => textOf(message)) ?? [];
      expect(await textsOf(world, sessionId)).toEqual([...before, 'now', `given ${before.length + 1}`]);
    }
  });

  it('a failure is a typed error without its text, and the next request calls it again', async () => {
    const sessionId = newSession();
    const told: unknown[] = [];
    let fails = true;
    const world = open(openStore()(), {
      onError: (error) => told.push(error),
      loadMessages: async () => {
        if (fails) throw new Error('a very private sentence');
        return kept;
      },
    });
    for (const answer of [await get(world, sessionId), await post(world, sessionId, 'now')]) {
      expect(answer.status).toBe(500);
      const { error } = (await answer.json()) as ErrorBody;
      expect(error.code).toBe('handler_failed');
      expect(error.message).not.toContain('private');
    }
    expect(told.length).toBe(2);
    fails = false;
    expect((await post(world, sessionId, 'now')).status).toBe(200);
    await world.settled();
    expect(await textsOf(world, sessionId)).toEqual(['before', 'kept', 'now', 'given 3']);
  });

  it('an open and a reloaded tab of an expired session show its messages, and continue with them', async () => {
    const sessionId = newSession();
    const shared = openStore({ ttl: 3 });
    const database: UIMessage[] = [];
    const options: Omit<DurableChatOptions, 'channel'> = {
      loadMessages: () => database,
      onRunEnd: ({ messages }) => void database.splice(0, database.length, ...messages),
    };
    const world = open(shared(), options);
    const tab = openTab(world.client(), sessionId);
    await tab.chat.sendMessage({ text: 'one' });
    await world.settled();
    const [, answer] = database;
    expect(database.map((message) => textOf(message))).toEqual(['one', 'given 1']);
    // The stored text differs, so that the test can tell it from the text that the tab still shows.
    database[1] = { ...answer!, metadata: { loaded: true } };
    const probe = shared();
    await eventually(() => probe.readLog(sessionId, '')).toEqual([]);
    const reloaded = openTab(open(shared(), options).client(), sessionId);
    await eventually(() => reloaded.chat.messages).toEqual(database);
    await eventually(() => tab.chat.messages).toEqual(database);
    await reloaded.chat.sendMessage({ text: 'two' });
    const texts = ['one', 'given 1', 'two', 'given 3'];
    for (const { chat } of [tab, reloaded]) {
      await eventually(() => chat.messages.map((message) => textOf(message))).toEqual(texts);
    }
    tab.close();
    reloaded.close();
  });
});

describe.each(stores)('onRunEnd, on %s', (_, openStore) => {
  it('is called once for each end, with its reason and all messages; viewers do not see the report', async () => {
    const sessionId = newSession();
    const channel = openStore()();
    const ends: RunEnd[] = [];
    const world = open(channel, {
      authorize: () => ({ userId: 'ann' }),
      onRunEnd: (end) => void ends.push(structuredClone(end)),
    });
    const seen: string[] = [];
    const leaving = new AbortController();
    const viewer = (async () => {
      for await (const { frame } of world.chat.session(sessionId).follow({ signal: leaving.signal }))
        seen.push(frame.type);
    })();
    for (const text of ['one', 'break']) {
      await (await post(world, sessionId, text)).text();
      await world.settled();
    }
    const waiting = await post(world, sessionId, 'wait');
    await world.chat.session(sessionId).stop({ by: 'bob' });
    await waiting.text();
    await world.settled();
    const runs = (await framesOf(channel, sessionId)).flatMap((frame) =>
      frame.type === 'run-end' ? [frame.runId] : [],
    );
    const texts = ['one', 'given 1', 'break', 'given 3', 'wait', 'given 5'];
    expect(ends).toMatchObject([
      { sessionId, runId: runs[0], reason: 'finish' },
      { sessionId, runId: runs[1], reason: 'error' },
      { sessionId, runId: runs[2], reason: 'stop', by: 'bob' },
    ]);
    for (const [index, { message, messages }] of ends.entries()) {
      expect(messages.map((one) => textOf(one))).toEqual(texts.slice(0, index * 2 + 2));
      expect(message).toEqual(messages.at(-1));
    }
    await eventually(() => seen.filter((type) => type === 'run-end').length).toBe(3);
    expect(seen).not.toContain('run-saved');
    leaving.abort();
    await viewer;
    // No later request reports it again.
    const later = vi.fn();
    const other = open(channel, { onRunEnd: later });
    await (await get(other, sessionId)).body!.cancel();
    await other.chat.session(sessionId).read();
    await other.settled();
    expect(later).not.toHaveBeenCalled();
  });

  const openers: [string, (world: World, sessionId: string) => Promise<unknown>][] = [
    ['read', (world, sessionId) => world.chat.session(sessionId).read()],
    ['subscription', async (world, sessionId) => (await get(world, sessionId)).body!.cancel()],
    ['send', async (world, sessionId) => (await post(world, sessionId, 'two')).text()],
  ];
  it.each(openers)(
    'a process that dies during the report: the next %s reports again, with the same run id',
    async (_, next) => {
      const sessionId = newSession();
      const shared = openStore();
      const never = vi.fn<(end: RunEnd) => Promise<void>>(() => new Promise(() => {}));
      const dying = open(shared(), { onRunEnd: never });
      await (await post(dying, sessionId, 'one')).text();
      await eventually(() => never.mock.calls.length).toBe(1);
      const ends: RunEnd[] = [];
      const world = open(shared(), { onRunEnd: (end) => void ends.push(end) });
      await next(world, sessionId);
      await world.settled();
      await eventually(() => ends.length).toBeGreaterThanOrEqual(1);
      expect(ends[0]).toMatchObject({ runId: never.mock.calls[0]![0].runId, reason: 'finish' });
      expect(textOf(ends[0]!.message)).toBe('given 1');
      const told = ends.length;
      await world.settled();
      await world.chat.session(sessionId).read();
      await world.settled();
      expect(ends.length).toBe(told);
    },
  );

  it('a process that dies after the report, before its mark is written: reported again, and then no more', async () => {
    const sessionId = newSession();
    const shared = openStore();
    const working = shared();
    const dying: Channel = {
      ...working,
      append: (id, entry, options) =>
        entry.key.endsWith(' saved') ? new Promise(() => {}) : working.append(id, entry, options),
    };
    const first = vi.fn();
    await (await post(open(dying, { onRunEnd: first }), sessionId, 'one')).text();
    await eventually(() => first.mock.calls.length).toBe(1);
    const second = vi.fn();
    for (const times of [1, 1]) {
      const world = open(shared(), { onRunEnd: second });
      await world.chat.session(sessionId).read();
      await world.settled();
      expect(second).toHaveBeenCalledTimes(times);
    }
    expect(second.mock.calls[0]).toEqual(first.mock.calls[0]);
  });

  it('a rejection goes to onError, and the next request reports again', async () => {
    const sessionId = newSession();
    const errors: unknown[] = [];
    let fails = true;
    const onRunEnd = vi.fn(async () => {
      if (fails) throw new Error('database away');
    });
    const world = open(openStore()(), { onRunEnd, onError: (error) => errors.push(error) });
    await (await post(world, sessionId, 'one')).text();
    await world.settled();
    expect(errors).toMatchObject([{ message: 'database away' }]);
    fails = false;
    for (const times of [2, 2]) {
      await world.chat.session(sessionId).read();
      await world.settled();
      expect(onRunEnd).toHaveBeenCalledTimes(times);
    }
  });

  it('is not called for a deleted session', async () => {
    const sessionId = newSession();
    const shared = openStore();
    const onRunEnd = vi.fn();
    const [here, there] = [open(shared(), { onRunEnd }), open(shared(), { onRunEnd })];
    const waiting = await post(here, sessionId, 'wait');
    const queued = await post(here, sessionId, 'queued');
    await there.chat.session(sessionId).delete();
    for (const response of [waiting, queued]) expect(await response.text()).toContain('[DONE]');
    await here.settled();
    await there.settled();
    expect(await textsOf(here, sessionId)).toEqual([]);
    expect(onRunEnd).not.toHaveBeenCalled();
  });

  it('G6: the end of a dead run is reported by the process that ends it', async () => {
    const sessionId = newSession();
    const channel = openStore()();
    const start = {
      type: 'run-start',
      messageId: 'm',
      trigger: 'submit-message',
      at: 0,
      runId: 'dead',
      reports: ['end'],
    } as const;
    await channel.append(
      sessionId,
      { key: 'start', frames: [{ type: 'message', message: user('one') }, start] },
      {},
    );
    await channel.write(sessionId, 'dead', 0, [
      { type: 'start', messageId: 'm' },
      { type: 'text-start', id: '0' },
      { type: 'text-delta', id: '0', delta: 'half' },
    ]);
    const ends: RunEnd[] = [];
    const world = open(channel, { onRunEnd: (end) => void ends.push(end) });
    await world.chat.session(sessionId).read();
    await world.settled();
    expect(ends).toMatchObject([{ runId: 'dead', reason: 'interrupted' }]);
    expect(textOf(ends[0]!.message)).toBe('half');
  });

  it('a message that is gone by then is not reported; a withdrawn run has no end', async () => {
    const sessionId = newSession();
    const shared = openStore();
    const dying = open(shared(), { onRunEnd: () => new Promise(() => {}) });
    await (await post(dying, sessionId, 'one')).text();
    const waiting = await post(dying, sessionId, 'wait');
    const queued = await post(dying, sessionId, 'queued');
    await dying.chat.session(sessionId).withdraw({ runId: queued.headers.get('x-durable-run')! });
    const edit = { ...(JSON.parse(sendBody(sessionId, 'one')) as object), messageId: 'user-one' };
    const again = await dying.routes.POST(new Request(url, { method: 'POST', body: JSON.stringify(edit) }));
    for (const response of [waiting, queued, again]) await response.text();
    const ends: RunEnd[] = [];
    const world = open(shared(), { onRunEnd: (end) => void ends.push(end) });
    await world.chat.session(sessionId).read();
    await world.settled();
    expect(ends.map(({ message }) => message && textOf(message))).toEqual([undefined, undefined, 'given 1']);
    for (const { messages } of ends) expect(messages.map((one) => textOf(one))).toEqual(['one', 'given 1']);
  });
});

it('removed messages do not come back when a server takes a session for empty', async () => {
  const [, openStore] = stores.find(([name]) => name === 'upstash')!;
  const channels = openStore();
  const sessionId = newSession();
  const first = open(channels(), { loadMessages: () => kept });
  await (await post(first, sessionId, 'one')).text();
  await first.settled();
  // An edit of the first message: all following messages are removed.
  const edit = {
    ...JSON.parse(sendBody(sessionId, 'changed', 'user-before')),
    messageId: 'user-before',
  } as object;
  await (await first.routes.POST(new Request(url, { method: 'POST', body: JSON.stringify(edit) }))).text();
  await first.settled();
  const now = ['changed', 'given 1'];
  expect(await textsOf(first, sessionId)).toEqual(now);

  const store = channels();
  let isBehind = true;
  const loadMessages = vi.fn(() => {
    isBehind = false;
    return kept;
  });
  const readLog: Channel['readLog'] = async (...args) => (isBehind ? [] : store.readLog(...args));
  const second = open({ ...store, readLog }, { loadMessages });
  expect(await textsOf(second, sessionId)).toEqual(now);
  expect(loadMessages).toHaveBeenCalledOnce();
  expect(await textsOf(first, sessionId)).toEqual(now);
  expect(await textsOf(open(channels()), sessionId)).toEqual(now);
});
