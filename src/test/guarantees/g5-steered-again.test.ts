// G5: a message that steered a running answer is one send, however often it is posted.

import type { UIMessageChunk } from 'ai';
import { expect, it } from 'vitest';
import { useStores } from '../fixtures/stores.fixture.ts';
import { chunkHandler, createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';

const { stores } = useStores();
const url = 'http://durable.test/api/chat';
const post = (world: World, sessionId: string, text: string, name?: string) =>
  world.routes.POST(
    new Request(url, {
      method: 'POST',
      body: sendBody(sessionId, text),
      headers: name === undefined ? {} : { 'idempotency-key': name },
    }),
  );

it.each(stores.flatMap(([name, open]) => [['k'], [undefined]].map(([key]) => [name, key, open] as const)))(
  'G5: on %s, a steered message that is posted again (key %s) runs nothing and removes nothing',
  async (name, key, open) => {
    const sessionId = `steered again ${name} ${key}`;
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    let calls = 0;
    const say = (text: string): UIMessageChunk[] => [
      { type: 'text-start', id: '0' },
      { type: 'text-delta', id: '0', delta: text },
      { type: 'text-end', id: '0' },
    ];
    const world = createWorld(
      open()(),
      async (request, context) => {
        const call = ++calls;
        const answer = chunkHandler(async function* () {
          yield { type: 'start' };
          if (call === 1) {
            await released;
            await context.run.takeMessages();
          }
          yield* say(`answer ${call}`);
        });
        return answer(request, context);
      },
      { whenBusy: 'steer' },
    );
    const first = await post(world, sessionId, 'one');
    const steered = await post(world, sessionId, 'two', key);
    await expect
      .poll(async () => (await world.chat.session(sessionId).read()).runs.map(({ status }) => status))
      .toEqual(['running', 'queued']);
    release();
    await Promise.all([first.text(), steered.text()]);
    for (const text of ['three', 'four']) await (await post(world, sessionId, text)).text();
    await world.settled();
    const { messages } = await world.chat.session(sessionId).read();
    expect(messages.map(({ id }) => id).filter((id) => id.startsWith('user'))).toHaveLength(4);
    expect(calls).toBe(3);

    const again = await post(world, sessionId, 'two', key);
    expect(again.status).toBe(200);
    expect(again.headers.get('x-durable-run')).toBe(steered.headers.get('x-durable-run'));
    await again.text();
    await world.settled();
    expect((await world.chat.session(sessionId).read()).messages).toEqual(messages);
    expect(calls).toBe(3);
    // The answer contains the message, so that a withdrawal is refused.
    const runId = steered.headers.get('x-durable-run')!;
    const withdrawal = new Request(`${url}?id=${sessionId}&durable=withdraw&runId=${runId}`, {
      method: 'DELETE',
    });
    expect((await world.routes.DELETE(withdrawal)).status).toBe(409);
  },
);
