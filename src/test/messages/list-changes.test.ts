// Messages that an app removed from its chat's list, or edited there, travel with the next send (`changes`).

import type { UIMessage, UIMessageChunk } from 'ai';
import { expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { memoryChannel } from '../../channel/memory.ts';
import { DurableChatError, type DurableChatOptions } from '../../index.ts';
import { systemRuntime, type Runtime } from '../../lib/runtime.ts';
import { encodeCursor } from '../../protocol/cursor.ts';
import { createWorld } from '../fixtures/world.fixture.ts';

const user = (id: string, text = id): UIMessage => ({ id, role: 'user', parts: [{ type: 'text', text }] });
const textOf = ({ parts }: UIMessage) =>
  parts.flatMap((part) => (part.type === 'text' ? part.text : [])).join();

/** A session with two turns, [u1, a1, u2, a2]. `held` keeps the next answer open until it is called. */
async function open(options: Omit<DurableChatOptions, 'channel'> = {}) {
  const store = memoryChannel();
  let between: (() => Promise<unknown>) | undefined;
  let isDown = false;
  const channel: Channel = {
    ...store,
    async reserve(...args) {
      if (isDown) throw new DurableChatError('store_failed', 'Down.');
      return store.reserve(...args);
    },
    async append(sessionId, entry, how) {
      const now = how.lease?.type === 'take' ? between : undefined;
      if (now) between = undefined;
      await now?.();
      return store.append(sessionId, entry, how);
    },
  };
  const bodies: { messages: UIMessage[] }[] = [];
  let hold: Promise<void> | undefined;
  const world = createWorld(
    channel,
    async (request) => {
      bodies.push((await request.json()) as { messages: UIMessage[] });
      const held = hold;
      hold = undefined;
      return new ReadableStream<UIMessageChunk>({
        async start(controller) {
          controller.enqueue({ type: 'start' });
          controller.enqueue({ type: 'text-start', id: '0' });
          controller.enqueue({ type: 'text-delta', id: '0', delta: `answer ${bodies.length}` });
          const stopped = new Promise((resolve) => request.signal.addEventListener('abort', resolve));
          await (held && Promise.race([held, stopped]));
          controller.enqueue({ type: 'text-end', id: '0' });
          controller.enqueue({ type: request.signal.aborted ? 'abort' : 'finish' });
          controller.close();
        },
      });
    },
    options,
  );
  const session = world.chat.session('s');
  const begin = (body: object) =>
    world.routes.POST(
      new Request('http://durable.test/api/chat', {
        method: 'POST',
        body: JSON.stringify({ id: 's', ...body }),
      }),
    );
  async function post(body: object): Promise<number> {
    const response = await begin(body);
    await response.text();
    await world.settled();
    return response.status;
  }
  for (const id of ['u1', 'u2']) await post({ messages: [user(id)] });
  const [, a1, , a2] = (await session.read()).messages.map(({ id }) => id) as [
    string,
    string,
    string,
    string,
  ];
  return {
    session,
    begin,
    post,
    a1,
    a2,
    store,
    settled: () => world.settled(),
    /** The messages of the last call of the handler. */
    read: () => bodies.at(-1)!.messages.map((message) => textOf(message)),
    lastBody: () => bodies.at(-1)!,
    calls: () => bodies.length,
    ids: async () => (await session.read()).messages.map(({ id }) => id),
    texts: async () => (await session.read()).messages.map((message) => textOf(message)),
    holdNext() {
      let release = () => {};
      hold = new Promise<void>((resolve) => (release = resolve));
      return release;
    },
    between: (next: () => Promise<unknown>) => void (between = next),
    goDown: () => void (isDown = true),
    /** The cursor of an up-to-date viewer. */
    async seen(): Promise<string> {
      for await (const { cursor } of session.follow()) if (cursor !== undefined) return cursor;
      throw new Error('No frame came.');
    },
  };
}

it('after setMessages([]) the model does not read the old messages', async () => {
  const { post, read, ids, texts, seen, a1, a2, lastBody } = await open();
  const changes = { seen: await seen(), removed: ['u1', a1, 'u2', a2] };
  expect(await post({ messages: [user('u3')], changes })).toBe(200);
  expect(read()).toEqual(['u3']);
  expect(lastBody()).not.toHaveProperty('changes');
  expect(await texts()).toEqual(['u3', 'answer 3']);
  expect((await ids())[0]).toBe('u3');
});

it('a removal in the middle deletes only that message; unknown ids are ignored', async () => {
  const { post, read, ids, seen, a1, a2 } = await open();
  const changes = { seen: await seen(), removed: [a1, 'stranger'], edited: [user('other')] };
  expect(await post({ messages: [user('u3')], changes })).toBe(200);
  expect(read()).toEqual(['u1', 'u2', 'answer 2', 'u3']);
  expect((await ids()).slice(0, 4)).toEqual(['u1', 'u2', a2, 'u3']);
});

it('an edited message is read and stored as edited, and reported to the app with the new one', async () => {
  const stored: string[] = [];
  const { post, read, texts, seen } = await open({
    onMessage: ({ message }) => void stored.push(textOf(message)),
  });
  const changes = { seen: await seen(), edited: [user('u1', 'edited')] };
  expect(await post({ messages: [user('u3')], changes })).toBe(200);
  expect(read()).toEqual(['edited', 'answer 1', 'u2', 'answer 2', 'u3']);
  expect((await texts())[0]).toBe('edited');
  expect(stored).toEqual(['u1', 'u2', 'edited', 'u3']);
});

it('later messages and edits of another tab stay', async () => {
  const { post, texts, seen, a1, a2 } = await open();
  const old = await seen();
  await post({ messages: [user('u3')] });
  await post({ messages: [user('u4')], changes: { seen: await seen(), edited: [user('u1', 'edited')] } });
  const removed = ['u1', a1, 'u2', a2, 'u3', 'u4'];
  expect(await post({ messages: [user('u5')], changes: { seen: old, removed } })).toBe(200);
  expect(await texts()).toEqual(['edited', 'u3', 'answer 3', 'u4', 'answer 4', 'u5', 'answer 5']);
});

it('an edit of another tab between the plan and the append stays too', async () => {
  const { post, texts, seen, between } = await open();
  const cursor = await seen();
  const other = { seen: cursor, edited: [user('u1', 'edited')] };
  between(() => post({ messages: [user('u3')], changes: other }));
  const changes = { seen: cursor, removed: ['u1', 'u2'] };
  expect(await post({ messages: [user('u4')], changes })).toBe(200);
  expect(await texts()).toEqual(['edited', 'answer 1', 'answer 2', 'u3', 'answer 3', 'u4', 'answer 4']);
});

it('a run that writes a removed message is stopped, also if it ends before the send', async () => {
  for (const isOver of [false, true]) {
    const { session, begin, post, read, ids, seen, holdNext, settled } = await open();
    const release = holdNext();
    const running = await begin({ messages: [user('u3')] });
    const { runs } = await session.read();
    const removed = [...(await ids()), runs[0]!.messageId];
    const changes = { seen: await seen(), removed };
    if (isOver) release();
    if (isOver) await running.text();
    if (isOver) await settled();
    expect(await post({ messages: [user('u4')], changes })).toBe(200);
    await running.text().catch(() => {});
    await settled();
    expect(read()).toEqual(['u4']);
    expect((await ids())[0]).toBe('u4');
    expect((await session.read()).runs).toEqual([]);
  }
});

it('a list that ends with a question is answered again by a regeneration', async () => {
  const { post, read, texts, seen, a1, a2 } = await open();
  const changes = { seen: await seen(), removed: [a1, 'u2', a2] };
  expect(await post({ trigger: 'regenerate-message', messages: [user('u1')], changes })).toBe(200);
  expect(read()).toEqual(['u1']);
  expect(await texts()).toEqual(['u1', 'answer 3']);
});

it('a refused send removes nothing', async () => {
  const { post, ids, seen, a1, calls } = await open({ limits: { messageBytes: 200 } });
  const before = await ids();
  const changes = { seen: await seen(), removed: [a1] };
  expect(await post({ messages: [user('u3', 'x'.repeat(300))], changes })).toBe(413);
  const edited = [user('u1', 'x'.repeat(300))];
  expect(await post({ messages: [user('u3')], changes: { ...changes, edited } })).toBe(413);
  expect(await ids()).toEqual(before);
  expect(calls()).toBe(2);
});

it('invalid changes are a 400', async () => {
  const { post, ids, seen, a1 } = await open();
  const before = await ids();
  const cursor = await seen();
  const assistant = { id: a1, role: 'assistant', parts: [] };
  const unreadable = { ...user('u1'), parts: [{ type: 'file', mediaType: 'text/plain' }] };
  for (const changes of [
    {},
    { seen: 'nonsense' },
    { seen: cursor, removed: 'u1' },
    { seen: cursor, removed: ['\u0000'] },
    { seen: cursor, removed: Array.from({ length: 10_001 }, (_, index) => `m${index}`) },
    { seen: cursor, edited: [assistant] },
    { seen: cursor, edited: [unreadable] },
  ]) {
    expect(await post({ messages: [user('u3')], changes })).toBe(400);
  }
  expect(await post({ id: 'other', messages: [user('u3')], changes: { seen: cursor } })).toBe(400);
  expect(await ids()).toEqual(before);
});

it('while the store is down, removed messages of loadMessages are not read either', async () => {
  const kept = [user('k1'), user('k2')];
  const { begin, read, seen, goDown } = await open({
    loadMessages: () => kept,
    onStoreDown: 'passthrough',
  });
  const changes = { seen: await seen(), removed: ['k1'] };
  goDown();
  await (await begin({ messages: [user('u3')], changes })).text();
  expect(read()).toEqual(['k2', 'u3']);
});

const answer = (id: string): UIMessage => ({ ...user(id), role: 'assistant' });

it.each<[string, object, string[]]>([
  ['a new message', { messages: [user('k5')] }, ['k1', 'k2', 'k3', 'k4', 'k5']],
  [
    'a regeneration of the last answer',
    { trigger: 'regenerate-message', messageId: 'k4', messages: [user('k3')] },
    ['k1', 'k2', 'k3'],
  ],
  [
    'a regeneration of an earlier answer',
    { trigger: 'regenerate-message', messageId: 'k2', messages: [user('k1')] },
    ['k1'],
  ],
  ['a regeneration without an id', { trigger: 'regenerate-message', messages: [user('k1')] }, ['k1']],
  [
    'a regeneration of an edited message',
    { trigger: 'regenerate-message', messageId: 'k4', messages: [user('k1', 'new')] },
    ['new'],
  ],
  [
    'a regeneration of what the app does not have',
    { trigger: 'regenerate-message', messageId: 'a5', messages: [user('k5')] },
    ['k1', 'k2', 'k3', 'k4', 'k5'],
  ],
  ['an edit of the last message', { messageId: 'k3', messages: [user('k3', 'new')] }, ['k1', 'k2', 'new']],
  ['an edit of an earlier message', { messageId: 'k1', messages: [user('k1', 'new')] }, ['new']],
  [
    'a new message with edited ones',
    { messages: [user('k5')], changes: { edited: [user('k1', 'new'), user('k2', 'forged'), user('x')] } },
    ['new', 'k2', 'k3', 'k4', 'k5'],
  ],
  [
    'a removed and edited message',
    { messages: [user('k5')], changes: { removed: ['k1'], edited: [user('k1', 'new')] } },
    ['k2', 'k3', 'k4', 'k5'],
  ],
  [
    'an edit of a message that is also removed',
    {
      messageId: 'k3',
      messages: [user('k3', 'new')],
      changes: { removed: ['k3'], edited: [user('k3', 'x')] },
    },
    ['k1', 'k2', 'new'],
  ],
])(
  'while the store is down, %s reads the conversation of loadMessages as the log would',
  async (_, body, expected) => {
    const kept = [user('k1'), answer('k2'), user('k3'), answer('k4')];
    const { begin, read, seen, goDown } = await open({
      loadMessages: () => kept,
      onStoreDown: 'passthrough',
    });
    const changes = 'changes' in body && { changes: { seen: await seen(), ...(body.changes as object) } };
    goDown();
    await (await begin({ ...body, ...changes })).text();
    expect(read()).toEqual(expected);
  },
);

it.each([
  // The app's own messages begin the session, and the client has not seen that beginning.
  { from: 'loadMessages', kept: [user('u1'), user('u2')], read: ['u1', 'u2', 'u3'] },
  // The client posts its list as it is after its changes.
  { from: 'the client', kept: undefined, read: ['u1 edited', 'u3'] },
])('changes have no effect on a session that has expired and begins with $from', async ({ kept, read }) => {
  let past = 0;
  const runtime: Runtime = { ...systemRuntime, monotonic: () => systemRuntime.monotonic() + past };
  const channel = memoryChannel({ ttl: 60 }, runtime);
  const bodies: { messages: UIMessage[] }[] = [];
  const { routes, chat, settled } = createWorld(
    channel,
    async (request) => {
      bodies.push((await request.json()) as { messages: UIMessage[] });
      return new ReadableStream<UIMessageChunk>({
        start(controller) {
          controller.enqueue({ type: 'start' });
          controller.close();
        },
      });
    },
    kept ? { loadMessages: () => kept } : {},
    runtime,
  );
  async function send(body: object): Promise<void> {
    const request = new Request('http://durable.test/api/chat', {
      method: 'POST',
      body: JSON.stringify({ id: 's', ...body }),
    });
    const response = await routes.POST(request);
    expect(response.status, await response.text()).toBe(200);
    await settled();
  }
  await send({ messages: [user('u1'), user('u2'), user('old')] });
  const seen = encodeCursor('s', { log: (await channel.readLog('s', '')).at(-1)!.id, runs: {} });
  past += 61_000;
  expect(await channel.readLog('s', '')).toEqual([]);
  const edited = user('u1', 'u1 edited');
  await send({ messages: [edited, user('u3')], changes: { seen, removed: ['u2', 'old'], edited: [edited] } });
  expect(bodies.at(-1)!.messages.map(textOf)).toEqual(read);
  const { messages } = await chat.session('s').read();
  expect(messages.filter(({ role }) => role === 'user').map(textOf)).toEqual(read);
});
