// Races between two requests, two instances, or a request and a failing store.

import type { UIMessage, UIMessageChunk } from 'ai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { memoryChannel } from '../../channel/memory.ts';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { Frame } from '../../protocol/frames.ts';
import { startUpstashServer, type UpstashServer } from '../../testing/upstash-server.ts';
import { chunkHandler, createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';
import { answerOf } from '../fixtures/answers.fixture.ts';

let server: UpstashServer;
beforeAll(async () => {
  server = await startUpstashServer();
});
afterAll(() => server.close());

const url = 'http://durable.test/api/chat';
const post = (world: World, body: string, headers: Record<string, string> = {}) =>
  world.routes.POST(new Request(url, { method: 'POST', body, headers }));
const subscribe = (world: World, signal?: AbortSignal) =>
  world.routes.GET(new Request(`${url}?id=s`, signal ? { signal } : {}));
const say = (text = 'hello'): UIMessageChunk[] => answerOf(text);
const ask = (...ids: string[]): UIMessageChunk[] => [
  { type: 'start' },
  ...ids.map((toolCallId): UIMessageChunk => {
    return { type: 'tool-input-available', toolCallId, toolName: 'ask', input: {} };
  }),
  { type: 'finish' },
];
const output = (value: unknown) => ({ state: 'output-available', output: value }) as const;

/** Handlers that give these answers, one after the other. */
const answers = (...all: UIMessageChunk[][]) => {
  let calls = 0;
  return Object.assign(
    chunkHandler(() => all[calls++] ?? say()),
    { calls: () => calls },
  );
};

async function settle(world: World, response: Response): Promise<UIMessage[]> {
  await response.text();
  await world.settled();
  return (await world.chat.session('s').read()).messages;
}

/** The body of a client that has answered a call of the last message. */
function answered(messages: readonly UIMessage[], toolCallId: string): string {
  const copy = structuredClone(messages) as UIMessage[];
  const call = copy.at(-1)!.parts.find((part) => 'toolCallId' in part && part.toolCallId === toolCallId);
  Object.assign(call!, output(1));
  return JSON.stringify({ id: 's', trigger: 'submit-message', messages: copy });
}

/** A store on which `race` happens right before the entry of a run, or before the entry with that key. */
function racing(store: Channel): {
  channel: Channel;
  race: (between: () => Promise<unknown>, key?: string) => void;
} {
  let between: (() => Promise<unknown>) | undefined;
  let before: string | undefined;
  const channel: Channel = {
    ...store,
    async append(sessionId, entry, options) {
      const now = between;
      const isNow = before === undefined ? options.lease?.type === 'take' : entry.key === before;
      if (isNow && now) {
        between = undefined;
        await now();
      }
      return store.append(sessionId, entry, options);
    },
  };
  return {
    channel,
    race(next, key) {
      between = next;
      before = key;
    },
  };
}

it('G10: a body with very many messages is refused before it is processed', async () => {
  const world = createWorld(memoryChannel(), answers());
  const messages = Array.from({ length: 40_000 }, (_, index) => ({
    id: `m${index}`,
    role: 'user',
    parts: [{ type: 'text', text: '' }],
  }));
  const { status } = await post(world, JSON.stringify({ id: 's', messages }));
  expect(status).toBe(413);
});

it('G10: a viewer that left before its response does not count', async () => {
  const world = createWorld(memoryChannel(), answers(), { limits: { viewersPerSession: 1 } });
  const leaving = new AbortController();
  const left = subscribe(world, leaving.signal);
  leaving.abort();
  // A server does not read a response that no client waits for.
  await left;
  const status = async () => {
    const response = await subscribe(world);
    await response.body?.cancel();
    return response.status;
  };
  await expect.poll(status).toBe(200);
});

it('G8: a send that was refused, and whose run was stored all the same, can be sent again', async () => {
  const store = memoryChannel();
  let down = false;
  let failures = 0;
  const reach = () => {
    if (down) throw new DurableChatError('store_failed', 'The store is away.');
  };
  const channel: Channel = {
    ...store,
    async reserve(...args) {
      reach();
      return store.reserve(...args);
    },
    async close(...args) {
      reach();
      return store.close(...args);
    },
    async append(sessionId, entry, options) {
      reach();
      const entries = await store.append(sessionId, entry, options);
      if (options.lease?.type !== 'take' || failures++ > 0) return entries;
      down = true;
      throw new DurableChatError('store_failed', 'The reply was lost.');
    },
  };
  const world = createWorld(channel, answers());
  expect((await post(world, sendBody('s', 'hi'))).status).toBe(503);
  down = false;
  // A retry at once can meet the rest of the first attempt, and gets a 409.
  const again = await post(world, sendBody('s', 'hi'));
  expect(await again.text()).toMatch(/"type":"(error|finish)"/);
  await world.settled();
  const messages = await settle(world, await post(world, sendBody('s', 'hi')));
  expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant']);
});

it('G5: a continuation that is posted again with its key, after its run has ended, is the same run', async () => {
  const handler = answers(ask('c1'), say());
  const world = createWorld(memoryChannel(), handler);
  const messages = await settle(world, await post(world, sendBody('s', 'hi')));
  const body = answered(messages, 'c1');
  for (const _ of [1, 2]) await settle(world, await post(world, body, { 'idempotency-key': 'k1' }));
  expect(handler.calls()).toBe(2);
});

it('a tool outcome at the same moment as a deletion does not begin the session again', async () => {
  const store = memoryChannel();
  const channel: Channel = {
    ...store,
    async append(sessionId, entry, options) {
      if (entry.key.includes(' output ')) await store.delete(sessionId);
      return store.append(sessionId, entry, options);
    },
  };
  const world = createWorld(channel, answers(ask('c1')));
  const [, message] = await settle(world, await post(world, sendBody('s', 'hi')));
  const answer = { messageId: message!.id, toolCallId: 'c1', outcome: output('secret') };
  await expect(world.chat.session('s').addToolOutcome(answer)).rejects.toMatchObject({ code: 'conflict' });
  expect((await world.chat.session('s').read()).messages).toEqual([]);
  await expect(world.chat.session('s').stop()).rejects.toMatchObject({ code: 'not_found' });
});

it('a send at the same moment as a deletion is a 409, and when posted again it reads no deleted message', async () => {
  const store = memoryChannel();
  let deletes = false;
  const channel: Channel = {
    ...store,
    async append(sessionId, entry, options) {
      if (deletes && options.lease?.type === 'take') await store.delete(sessionId);
      return store.append(sessionId, entry, options);
    },
  };
  const read: UIMessage[][] = [];
  const world = createWorld(channel, async (request, context) => {
    read.push(((await request.json()) as { messages: UIMessage[] }).messages);
    return chunkHandler(() => say())(request, context);
  });
  await settle(world, await post(world, sendBody('s', 'secret')));
  deletes = true;
  expect((await post(world, sendBody('s', 'next'))).status).toBe(409);
  deletes = false;
  const messages = await settle(world, await post(world, sendBody('s', 'next')));
  expect(read.map((history) => history.map(({ id }) => id))).toEqual([['user-secret'], ['user-next']]);
  expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant']);
});

it.each(['a continuation', 'the next message'])(
  'a tool outcome that is accepted while %s is being accepted stays',
  async (what) => {
    const store = memoryChannel();
    const { channel, race } = racing(store);
    const world = createWorld(channel, answers(ask('c1', 'c2'), say()));
    const messages = await settle(world, await post(world, sendBody('s', 'hi')));
    const elsewhere = createWorld(store, answers()).chat.session('s');
    const answer = { messageId: messages[1]!.id, toolCallId: 'c2', outcome: output(2) };
    race(async () => expect(await elsewhere.addToolOutcome(answer)).toBeDefined());
    const body = what === 'a continuation' ? answered(messages, 'c1') : sendBody('s', 'next');
    const after = await settle(world, await post(world, body));
    const call = expect.objectContaining({
      toolCallId: 'c2',
      state: 'output-available',
      output: 2,
    }) as unknown;
    expect(after[1]?.parts).toContainEqual(call);
  },
);

it('earlier messages of a client do not count in a session that another send has begun meanwhile', async () => {
  const store = memoryChannel();
  const { channel, race } = racing(store);
  const world = createWorld(channel, answers());
  const elsewhere = createWorld(store, answers());
  race(() => post(elsewhere, sendBody('s', 'theirs')), 'seed ');
  const messages = ['our past', 'ours'].map((id) => ({
    id,
    role: 'user',
    parts: [{ type: 'text', text: id }],
  }));
  const response = await post(world, JSON.stringify({ id: 's', messages }));
  await elsewhere.settled();
  const all = await settle(world, response);
  expect(all.flatMap(({ id, role }) => (role === 'user' ? id : []))).toEqual(['user-theirs', 'ours']);
});

it('G5: of two sends with `reject` at the same moment one is answered, and nothing of the other is kept', async () => {
  const store = memoryChannel();
  const { channel, race } = racing(store);
  const world = createWorld(channel, answers(), { whenBusy: 'reject' });
  const held: { answer?: () => void } = {};
  const holding = chunkHandler(async function* () {
    yield { type: 'start' };
    await new Promise<void>((resolve) => (held.answer = resolve));
    yield* say().slice(1);
  });
  const elsewhere = createWorld(store, holding, { whenBusy: 'reject' });
  const abort = new AbortController();
  const seen: Frame[] = [];
  const watching = (async () => {
    for await (const { frame } of elsewhere.chat.session('s').follow({ signal: abort.signal }))
      seen.push(frame);
  })();
  let winner: Response | undefined;
  race(async () => (winner = await post(elsewhere, sendBody('s', 'first'))));
  expect((await post(world, sendBody('s', 'second'))).status).toBe(409);
  held.answer!();
  const messages = await settle(elsewhere, winner!);
  expect(messages.map(({ id, role }) => (role === 'user' ? id : role))).toEqual(['user-first', 'assistant']);
  await expect.poll(() => seen.some(({ type }) => type === 'run-end')).toBe(true);
  abort.abort();
  await watching;
  expect(JSON.stringify(seen)).not.toContain('user-second');
  // It can be sent now.
  const later = createWorld(store, answers(), { whenBusy: 'reject' });
  const all = await settle(later, await post(later, sendBody('s', 'second')));
  expect(all.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
});

it('G6: an answer that is larger than one request to the store ends, and the next run works', async () => {
  const image = (index: number): UIMessageChunk => ({
    type: 'file',
    mediaType: 'image/png',
    url: `data:image/png;base64,${String(index).repeat(2_000_000)}`,
  });
  let calls = 0;
  const handler = chunkHandler(async function* () {
    if (calls++ > 0) return yield* say();
    yield { type: 'start' };
    for (let index = 0; index < 6; index++) {
      yield image(index);
      // Each in a request of its own.
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    yield { type: 'finish' };
  });
  const world = createWorld(upstashChannel({ url: server.url, token: server.token }), handler);
  await settle(world, await post(world, sendBody('s', 'one')));
  const messages = await settle(world, await post(world, sendBody('s', 'two')));
  expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
  expect(messages[1]?.parts.filter(({ type }) => type === 'file').length).toBeLessThan(6);
});

it('G11: a queued run whose question was removed never calls the handler, even if its stop is late', async () => {
  let letFirstEnd = () => {};
  let letStop = () => {};
  const firstMayEnd = new Promise<void>((resolve) => (letFirstEnd = resolve));
  const mayStop = new Promise<void>((resolve) => (letStop = resolve));
  const store = memoryChannel();
  const channel: Channel = {
    ...store,
    async append(sessionId, entry, options) {
      if (entry.key.endsWith(' stop')) await mayStop;
      return store.append(sessionId, entry, options);
    },
  };
  const histories: string[][] = [];
  const world = createWorld(channel, async (request, context) => {
    const { messages } = (await request.json()) as { messages: UIMessage[] };
    histories.push(messages.map(({ id }) => id));
    const isFirst = histories.length === 1;
    return chunkHandler(async function* () {
      yield { type: 'start' };
      if (isFirst) await firstMayEnd;
      yield* say().slice(1);
    })(request, context);
  });
  const first = await post(world, sendBody('s', 'one', 'u1'));
  const { runs } = await world.chat.session('s').read();
  const second = await post(world, sendBody('s', 'two', 'u2'));
  const again = post(
    world,
    JSON.stringify({
      id: 's',
      trigger: 'regenerate-message',
      messageId: runs[0]!.messageId,
      messages: [{ id: 'u1', role: 'user', parts: [{ type: 'text', text: 'one' }] }],
    }),
  );
  const session = world.chat.session('s');
  await expect.poll(async () => (await session.read()).runs.length).toBe(3);
  letFirstEnd();
  await first.text();
  // Its turn has come, and its stop is not in the log yet.
  await expect
    .poll(async () => (await session.read()).runs[0]?.runId)
    .toBe(second.headers.get('x-durable-run'));
  await new Promise((resolve) => setTimeout(resolve, 100));
  letStop();
  await Promise.all([second.text(), again.then((response) => response.text())]);
  expect(histories).toEqual([['u1'], ['u1']]);
  expect((await session.read()).messages.map(({ id }) => id)[0]).toBe('u1');
});
