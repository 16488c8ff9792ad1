// Sends at the same moment: one send is one run, however often and in whatever order it is posted (G5), and none is refused
// because of the others (G12).

import type { UIMessage } from 'ai';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { memoryChannel } from '../../channel/memory.ts';
import { encodeCursor } from '../../protocol/cursor.ts';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { startUpstashServer, type UpstashServer } from '../../testing/upstash-server.ts';
import { createWorld, modelHandler } from '../fixtures/world.fixture.ts';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));

let server: UpstashServer;
beforeAll(async () => {
  server = await startUpstashServer();
});
afterAll(() => server.close());

const user = (id: string): UIMessage => ({
  id,
  role: 'user',
  parts: [{ type: 'text', text: `count to 3 (${id})` }],
});

/** The channel with a delay before each request to the store. */
function delayed(channel: Channel, delays: readonly number[]): Channel {
  let count = 0;
  const slow =
    <A extends unknown[], R>(method: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await new Promise((resolve) => setTimeout(resolve, delays[count++ % delays.length]));
      return method(...args);
    };
  return { ...channel, reserve: slow(channel.reserve), append: slow(channel.append) };
}

const post = fc.record({
  /** Which of the client's messages it sends. The earlier ones stand before it. */
  message: fc.nat(2),
  /** Milliseconds after the previous POST. */
  after: fc.nat(4),
});

describe.each([
  { name: 'memory', open: () => memoryChannel(), runs: 20 },
  { name: 'Upstash', open: () => upstashChannel({ url: server.url, token: server.token }), runs: 8 },
])('sends at the same moment, on $name', ({ name, open, runs }) => {
  it.each(['text', 'all', 'none'] as const)(
    `G5: each becomes one run that answers it, and none removes another, with seed %s (seed ${seed})`,
    { timeout: 60_000 },
    async (seeding) => {
      const channel = open();
      let count = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(post, { minLength: 2, maxLength: 6 }),
          fc.array(fc.nat(6), { minLength: 3, maxLength: 7 }),
          async (posts, delays) => {
            const id = `${name} ${seeding} ${seed} ${++count}`;
            const model = scriptedModel({ chunksPerSecond: 2_000 });
            const world = createWorld(delayed(channel, delays), modelHandler(model), { seed: seeding });
            const messages = ['a', 'b', 'c'].map(user);
            const responses = await Promise.all(
              posts.map(async ({ message, after }, index) => {
                const before = posts.slice(0, index).reduce((sum, one) => sum + one.after, after);
                await new Promise((resolve) => setTimeout(resolve, before));
                const body = JSON.stringify({ id, messages: messages.slice(0, message + 1) });
                const response = await world.routes.POST(
                  new Request('http://durable.test/api/chat', { method: 'POST', body }),
                );
                const text = await response.text();
                return {
                  message,
                  status: response.status,
                  text,
                  runId: response.headers.get('x-durable-run'),
                };
              }),
            );
            await world.settled();
            expect(responses.map(({ status, text }) => (status === 200 ? '' : text)).join('')).toBe('');
            const log = await channel.readLog(id, '');
            const sent = [...new Set(posts.map(({ message }) => message))];
            const read = await world.chat.session(id).read();
            for (const message of sent) {
              const runIds = new Set(
                responses.flatMap((one) => (one.message === message ? [one.runId] : [])),
              );
              expect(runIds.size).toBe(1);
              expect(read.messages.filter((one) => one.id === messages[message]!.id)).toHaveLength(1);
            }
            const answers = read.messages.filter(({ role }) => role === 'assistant');
            expect(answers, JSON.stringify(log)).toHaveLength(sent.length);
          },
        ),
        { seed, numRuns: runs, endOnFailure: true },
      );
    },
  );

  it('G12: 12 sends with changes, to two servers, all count, and so do their changes', async () => {
    const channel = open();
    const id = `${name} changes ${seed}`;
    const model = scriptedModel({ chunksPerSecond: 10_000 });
    const worlds = [1, 2].map(() => createWorld(channel, modelHandler(model), { seed: 'all' }));
    const old = Array.from({ length: 12 }, (_, index) => user(`old ${index}`));
    const send = async (body: object, index = 0) => {
      const request = new Request('http://durable.test/api/chat', {
        method: 'POST',
        body: JSON.stringify({ id, ...body }),
      });
      const response = await worlds[index % 2]!.routes.POST(request);
      return { status: response.status, text: await response.text() };
    };
    await send({ messages: [...old, user('first')] });
    await worlds[0]!.settled();
    const seen = encodeCursor(id, { log: (await channel.readLog(id, '')).at(-1)!.id, runs: {} });
    const responses = await Promise.all(
      old.map((message, index) =>
        send({ messages: [user(`new ${index}`)], changes: { seen, removed: [message.id] } }, index),
      ),
    );
    for (const { status, text } of responses) expect(status, text).toBe(200);
    for (const world of worlds) await world.settled();
    const { messages } = await worlds[0]!.chat.session(id).read();
    const ids = messages.flatMap((one) => (one.role === 'user' ? one.id : []));
    expect(ids.toSorted()).toEqual(['first', ...old.map((_, index) => `new ${index}`)].toSorted());
  }, 60_000);
});
