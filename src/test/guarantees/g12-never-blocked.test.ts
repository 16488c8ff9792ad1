// G12: a request that the network holds and applies after its sender has given up blocks no session.

import type { UIMessage, UIMessageChunk } from 'ai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import type { DurableChatOptions } from '../../index.ts';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import { keysOf } from '../../channel/upstash/keys.ts';
import { startUpstashServer, type FaultRequest, type UpstashServer } from '../../testing/upstash-server.ts';
import { textOf } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';
import { answerOf } from '../fixtures/answers.fixture.ts';

let server: UpstashServer;
beforeAll(async () => {
  server = await startUpstashServer();
});
afterAll(() => server.close());

const url = 'http://durable.test/api/chat';
const say: UIMessageChunk[] = answerOf('answered');
const open = (options: Omit<DurableChatOptions, 'channel'> = {}) => {
  const channel = upstashChannel({ url: server.url, token: server.token, timeoutMs: 500 });
  return {
    channel,
    world: createWorld(
      channel,
      chunkHandler(() => say),
      { leaseMs: 1_000, ...options },
    ),
  };
};
const post = (world: World, body: string) => world.routes.POST(new Request(url, { method: 'POST', body }));
const textsOf = async (world: World, sessionId: string) =>
  (await world.chat.session(sessionId).read()).messages.map((message) => textOf(message));

/** Whether a request appends the start of a run. */
const isStart = ({ commands }: FaultRequest) =>
  commands.some(([name, ...args]) => name === 'XADD' && args.some((arg) => arg.includes(' start"')));

/** An edit of the first message, as the SDK posts it. */
const edit = (sessionId: string) =>
  JSON.stringify({
    ...(JSON.parse(sendBody(sessionId, 'changed', 'user-one')) as object),
    messageId: 'user-one',
  });

it.each([
  ['a new session’s first send', [], sendBody('first', 'late')],
  ['a send', ['one'], sendBody('second', 'late')],
  ['an edit', ['one', 'two'], edit('third')],
])('the start of %s that is applied after its sender gave up is void as a whole', async (_, said, body) => {
  const { channel, world } = open();
  const { id: sessionId } = JSON.parse(body) as { id: string };
  for (const text of said) await (await post(world, sendBody(sessionId, text))).text();
  await world.settled();
  const before = await textsOf(world, sessionId);

  const release = server.faults.inject({ kind: 'hold' }, { match: isStart });
  expect((await post(world, body)).status).toBe(503);
  // The answer reports that the run has ended.
  await world.settled();
  const keysOf = async () => (await channel.readLog(sessionId, '')).map(({ key }) => key);
  const given = await keysOf();
  expect(given.at(-1)).toMatch(/ end$/);
  release();
  await expect.poll(keysOf).toContain(given.at(-1)!.replace('end', 'start'));

  // Every process shows no active run.
  const elsewhere = open().world;
  const came = (await keysOf()).length;
  for (const _ of [1, 2]) {
    expect(await textsOf(elsewhere, sessionId)).toEqual(before);
    expect((await elsewhere.chat.session(sessionId).read()).runs).toEqual([]);
  }
  expect((await keysOf()).length).toBe(came);
  expect(
    await elsewhere.chat
      .session(sessionId)
      .stop()
      .catch(({ code }: { code: string }) => code),
  ).toEqual(said.length === 0 ? 'not_found' : { stopped: [], alreadyEnded: [], pending: [] });
  // The same send can be posted again, and is answered.
  await (await post(elsewhere, body)).text();
  await elsewhere.settled();
  expect((await textsOf(elsewhere, sessionId)).slice(-2)).toEqual([
    body.includes('changed') ? 'changed' : 'late',
    'answered',
  ]);
});

it.each(['clear', 'delete-message&messageId=user-one'])(
  'a deletion (%s) that is applied after its sender gave up removes nothing that came later',
  async (what) => {
    const { channel, world } = open();
    const sessionId = `late ${what}`;
    await (await post(world, sendBody(sessionId, 'one'))).text();
    await world.settled();
    const isDeletion = ({ commands }: FaultRequest) =>
      commands.some(
        ([name, ...args]) => name === 'XADD' && args.some((arg) => arg.includes('message-delete')),
      );
    const release = server.faults.inject({ kind: 'hold' }, { match: isDeletion });
    const query = `id=${encodeURIComponent(sessionId)}&durable=${what}`;
    const refused = await world.routes.DELETE(new Request(`${url}?${query}`, { method: 'DELETE' }));
    expect(refused.status).toBe(503);
    await (await post(world, edit(sessionId))).text();
    await world.settled();
    release();
    const keysOf = async () => (await channel.readLog(sessionId, '')).map(({ key }) => key);
    await expect.poll(async () => (await keysOf()).at(-1)).toMatch(/ delete$/);
    expect(await textsOf(open().world, sessionId)).toEqual(['changed', 'answered']);
    // A second request deletes.
    await world.chat.session(sessionId).clear();
    expect(await textsOf(open().world, sessionId)).toEqual([]);
  },
);

it.each([
  ['mark', 'XADD', '"deleted"'],
  ['removal', 'XTRIM', ':log'],
])(
  'a deletion of the session whose %s is applied after its sender gave up removes nothing that came later',
  async (_, command, part) => {
    const { channel, world } = open();
    const sessionId = `deleted late ${command}`;
    await (await post(world, sendBody(sessionId, 'one'))).text();
    await world.settled();
    const match = ({ commands }: FaultRequest) =>
      commands.some(([name, ...args]) => name === command && args.join(' ').includes(part));
    const release = server.faults.inject({ kind: 'hold' }, { match });
    await expect(world.chat.session(sessionId).delete()).rejects.toMatchObject({ code: 'store_failed' });
    await (await post(world, sendBody(sessionId, 'two'))).text();
    await world.settled();
    // The mark renews the log's time, the removal its beginning.
    const { log } = keysOf('dc', sessionId);
    await server.command('PERSIST', log);
    const hasLanded = async () =>
      command === 'XADD'
        ? Number(await server.command('TTL', log)) > 0
        : (await channel.readLog(sessionId, ''))[0]?.key === 'deleted';
    expect(await hasLanded()).toBe(false);
    release();
    await expect.poll(hasLanded).toBe(true);
    expect((await textsOf(open().world, sessionId)).slice(-2)).toEqual(['two', 'answered']);
    await world.chat.session(sessionId).delete();
    expect(await textsOf(open().world, sessionId)).toEqual([]);
  },
);

it('G12: a clear at the same moment as a send clears the sent message too', async () => {
  const { channel } = open();
  const sessionId = 'meets';
  const elsewhere = open().world;
  let meets = true;
  const append: Channel['append'] = async (id, entry, options) => {
    if (entry.key.endsWith(' delete') && meets) {
      meets = false;
      await (await post(elsewhere, sendBody(sessionId, 'two'))).text();
      await elsewhere.settled();
    }
    return channel.append(id, entry, options);
  };
  const { chat } = createWorld(
    { ...channel, append },
    chunkHandler(() => say),
  );
  await (await post(elsewhere, sendBody(sessionId, 'one'))).text();
  await elsewhere.settled();
  await chat.session(sessionId).clear();
  expect(meets).toBe(false);
  expect(await textsOf(elsewhere, sessionId)).toEqual([]);
});

it('G12: late entries do not bring a deleted session back: its beginning, and a send', async () => {
  const sessionId = 'deleted';
  const kept = [{ id: 'secret', role: 'user' as const, parts: [{ type: 'text' as const, text: 'secret' }] }];
  const { channel, world } = open({ loadMessages: () => kept });
  const elsewhere = open({ loadMessages: () => [] }).world;
  const isSeed = ({ commands }: FaultRequest) =>
    commands.some(([name, ...args]) => name === 'XADD' && args.some((arg) => arg.includes('"secret"')));
  const keysOf = async () => (await channel.readLog(sessionId, '')).map(({ key }) => key);

  for (const [isLate, late] of [
    [isSeed, () => post(world, sendBody(sessionId, 'one'))],
    [isStart, () => post(elsewhere, sendBody(sessionId, 'one'))],
  ] as const) {
    const release = server.faults.inject({ kind: 'hold' }, { match: isLate });
    expect((await late()).status).toBe(503);
    await world.settled();
    await elsewhere.settled();
    await elsewhere.chat.session(sessionId).delete();
    expect(await keysOf()).toEqual(['deleted']);
    release();
    await expect.poll(async () => (await keysOf()).length).toBeGreaterThan(1);
    const { messages, runs } = await elsewhere.chat.session(sessionId).read();
    expect([messages, runs]).toEqual([[], []]);
  }

  // Like any deleted session, it begins with the messages of loadMessages, and is answered.
  expect(await textsOf(world, sessionId)).toEqual(['secret']);
  await (await post(world, sendBody(sessionId, 'two'))).text();
  await world.settled();
  expect(await textsOf(elsewhere, sessionId)).toEqual(['secret', 'two', 'answered']);
});

it('G12: a send whose session is deleted at the same moment is a 409, and can be posted again', async () => {
  const { channel, world } = open();
  const sessionId = 'deleted meanwhile';
  await (await post(world, sendBody(sessionId, 'one'))).text();
  await world.settled();
  let isHeld = false;
  const match = (request: FaultRequest) => isStart(request) && (isHeld = true);
  const release = server.faults.inject({ kind: 'hold' }, { match, times: 1 });
  const sent = post(world, sendBody(sessionId, 'two'));
  await expect.poll(() => isHeld).toBe(true);
  await channel.delete(sessionId);
  release();
  expect((await sent).status).toBe(409);
  expect(await textsOf(world, sessionId)).toEqual([]);
  await (await post(world, sendBody(sessionId, 'two'))).text();
  await world.settled();
  expect(await textsOf(world, sessionId)).toEqual(['two', 'answered']);
});

it('G12: loadMessages is called again when the session is deleted while it loads', async () => {
  const sessionId = 'deleted while loading';
  const { channel } = open();
  let text = 'before';
  const { world } = open({
    loadMessages: async () => {
      const loaded = [{ id: 'kept', role: 'user' as const, parts: [{ type: 'text' as const, text }] }];
      if (text === 'before') await channel.delete(sessionId);
      text = 'after';
      return loaded;
    },
  });
  expect(await textsOf(world, sessionId)).toEqual(['after']);
});

it('G12: the outcome of a tool call counts although its session is deleted meanwhile, and loadMessages has the call', async () => {
  const { channel } = open();
  const sessionId = 'answered';
  const call = { type: 'tool-ask', toolCallId: 'c', state: 'input-available', input: {} };
  const kept = { id: 'a', role: 'assistant', parts: [call] } as UIMessage;
  const loadMessages = () => [kept];
  const elsewhere = open({ loadMessages }).world;
  const append: Channel['append'] = async (id, entry, options) => {
    if (entry.key === 'a c output named') {
      await channel.delete(sessionId);
      await elsewhere.chat.session(sessionId).read();
    }
    return channel.append(id, entry, options);
  };
  const { chat } = createWorld(
    { ...channel, append },
    chunkHandler(() => say),
    { loadMessages },
  );
  const outcome = { state: 'output-available', output: 7 } as const;
  const answer = () =>
    chat.session(sessionId).addToolOutcome({ messageId: 'a', toolCallId: 'c', outcome, outcomeId: 'named' });
  const answered = { ...kept, parts: [{ ...call, ...outcome }] };
  await chat.session(sessionId).read();
  expect(await answer()).toEqual(answered);
  // Given again, it is the same one.
  expect(await answer()).toEqual(answered);
  expect((await elsewhere.chat.session(sessionId).read()).messages).toEqual([answered]);
});
