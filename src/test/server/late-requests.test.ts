// G12: a request that the network holds, and applies after its sender has given up, blocks nothing.

import type { UIMessageChunk } from 'ai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import { startUpstashServer, type FaultRequest, type UpstashServer } from '../../testing/upstash-server.ts';
import { textOf } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';

let server: UpstashServer;
beforeAll(async () => {
  server = await startUpstashServer();
});
afterAll(() => server.close());

const url = 'http://durable.test/api/chat';
const say: UIMessageChunk[] = [
  { type: 'start' },
  { type: 'text-start', id: '0' },
  { type: 'text-delta', id: '0', delta: 'answered' },
  { type: 'text-end', id: '0' },
  { type: 'finish' },
];
const open = () => {
  const channel = upstashChannel({ url: server.url, token: server.token, timeoutMs: 500 });
  return {
    channel,
    world: createWorld(
      channel,
      chunkHandler(() => say),
      { leaseMs: 1_000 },
    ),
  };
};
const post = (world: World, body: string) => world.routes.POST(new Request(url, { method: 'POST', body }));
const textsOf = async (world: World, session: string) =>
  (await world.chat.session(session).read()).messages.map((message) => textOf(message));

/** Whether a request appends the start of a run. */
const isStart = ({ commands }: FaultRequest) =>
  commands.some(([name, ...args]) => name === 'XADD' && args.some((arg) => arg.includes(' start"')));

/** An edit of the first message, as the SDK posts it. */
const edit = (session: string) =>
  JSON.stringify({
    ...(JSON.parse(sendBody(session, 'changed', 'user-one')) as object),
    messageId: 'user-one',
  });

it.each([
  ['a new session’s first send', [], sendBody('first', 'late')],
  ['a send', ['one'], sendBody('second', 'late')],
  ['an edit', ['one', 'two'], edit('third')],
])(
  'the start of %s that is held for longer than its sender waits is void as a whole',
  async (_, said, body) => {
    const { channel, world } = open();
    const { id: session } = JSON.parse(body) as { id: string };
    for (const text of said) await (await post(world, sendBody(session, text))).text();
    await world.settled();
    const before = await textsOf(world, session);

    const release = server.faults.inject({ kind: 'hold' }, { match: isStart });
    expect((await post(world, body)).status).toBe(503);
    // It says of the run that it is over.
    await world.settled();
    const keysOf = async () => (await channel.readLog(session, '')).map(({ key }) => key);
    const given = await keysOf();
    expect(given.at(-1)).toMatch(/ end$/);
    release();
    await expect.poll(keysOf).toContain(given.at(-1)!.replace('end', 'start'));

    // Whoever looks, wherever, finds nothing to do.
    const elsewhere = open().world;
    const came = (await keysOf()).length;
    for (const _ of [1, 2]) {
      expect(await textsOf(elsewhere, session)).toEqual(before);
      expect((await elsewhere.chat.session(session).read()).runs).toEqual([]);
    }
    expect((await keysOf()).length).toBe(came);
    expect(
      await elsewhere.chat
        .session(session)
        .stop()
        .catch(({ code }: { code: string }) => code),
    ).toEqual(said.length === 0 ? 'not_found' : { stopped: [], alreadyEnded: [], pending: [] });
    // The send can be made again as it was, and is answered.
    await (await post(elsewhere, body)).text();
    await elsewhere.settled();
    expect((await textsOf(elsewhere, session)).slice(-2)).toEqual([
      body.includes('changed') ? 'changed' : 'late',
      'answered',
    ]);
  },
);
