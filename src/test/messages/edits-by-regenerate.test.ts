// A user message that was edited during an answer: however it was edited, it belongs to the run that was sent
// with it last has it.

import type { ModelMessage, UIMessage, UIMessageChunk } from 'ai';
import { expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import type { DurableChatOptions } from '../../index.ts';
import { createWorld } from '../fixtures/world.fixture.ts';

const user = (id: string, text = id): UIMessage => ({ id, role: 'user', parts: [{ type: 'text', text }] });
const ways = [
  ['an edit', { messageId: 'u2' }],
  ['a regeneration that edits', { trigger: 'regenerate-message' }],
] as const;

/** A session whose first answer is held, with a second message that `way` has edited. */
async function edited(way: object, options: Omit<DurableChatOptions, 'channel'> = {}) {
  const held: { finish?: () => void } = {};
  const mayFinish = new Promise<void>((resolve) => (held.finish = resolve));
  const histories: string[][] = [];
  const taken: ModelMessage[] = [];
  const world = createWorld(
    memoryChannel(),
    async (request, { run }) => {
      const { messages } = (await request.json()) as { messages: UIMessage[] };
      histories.push(messages.map(({ id }) => id));
      const isFirst = histories.length === 1;
      return new ReadableStream<UIMessageChunk>({
        async start(controller) {
          controller.enqueue({ type: 'start' });
          if (isFirst) await mayFinish;
          if (isFirst) taken.push(...(await run.takeMessages()));
          controller.enqueue({ type: 'text-start', id: '0' });
          controller.enqueue({ type: 'text-delta', id: '0', delta: 'answer' });
          controller.enqueue({ type: 'text-end', id: '0' });
          controller.enqueue({ type: 'finish' });
          controller.close();
        },
      });
    },
    options,
  );
  const session = world.chat.session('s');
  const post = async (body: object) => {
    const response = await world.routes.POST(
      new Request('http://durable.test/api/chat', {
        method: 'POST',
        body: JSON.stringify({ id: 's', ...body }),
      }),
    );
    expect(response.status).toBe(200);
    void response.text();
    return response.headers.get('x-durable-run')!;
  };
  await post({ messages: [user('u1')] });
  await expect.poll(() => histories.length).toBe(1);
  await post({ messages: [user('u2')] });
  const runId = await post({ messages: [user('u2', 'edited')], ...way });
  return {
    session,
    runId,
    histories,
    taken,
    async end() {
      held.finish!();
      await world.settled();
      return (await session.read()).messages.map(({ id, role }) => (role === 'user' ? id : role));
    },
  };
}

it.each(ways)(
  'deleting a message that %s wrote means that its run never calls the handler',
  async (_, way) => {
    const { session, histories, end } = await edited(way);
    const deleted = session.deleteMessage('u2');
    await expect.poll(async () => (await session.read()).messages).toEqual([user('u1')]);
    expect(await end()).toEqual(['u1', 'assistant']);
    await deleted;
    expect(histories).toEqual([['u1']]);
  },
);

it.each(ways)('withdrawing the run of %s takes its message with it', async (_, way) => {
  const { session, runId, histories, end } = await edited(way);
  await session.withdraw({ runId });
  expect(await end()).toEqual(['u1', 'assistant']);
  expect(histories).toEqual([['u1']]);
});

it.each(ways)('a message that %s wrote steers the running answer', async (_, way) => {
  const { histories, taken, end } = await edited(way, { whenBusy: 'steer' });
  expect(await end()).toEqual(['u1', 'assistant', 'u2']);
  expect(JSON.stringify(taken)).toContain('edited');
  expect(histories).toEqual([['u1']]);
});
