// Removed messages stay removed: an edit or a regeneration from an older list does not bring them back.

import type { UIMessage, UIMessageChunk } from 'ai';
import { expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { chunkHandler, createWorld, sendBody } from '../fixtures/world.fixture.ts';
import { answerOf } from '../fixtures/answers.fixture.ts';

const say: UIMessageChunk[] = answerOf('answer');
const regenerate = 'regenerate-message';

/** A session with two turns, [u1, a1, u2, a2], and the histories that its handler read. */
async function open(keeps = false) {
  const histories: string[][] = [];
  const produce = chunkHandler(() => say);
  const world = createWorld(
    memoryChannel(),
    async (request, context) => {
      const { messages } = (await request.json()) as { messages: UIMessage[] };
      histories.push(messages.map(({ id }) => id));
      return produce(request, context);
    },
    keeps
      ? { loadMessages: () => [{ id: 'a0', role: 'assistant', parts: [{ type: 'text', text: 'Hi' }] }] }
      : {},
  );
  const session = world.chat.session('s');
  async function post(body: string | object): Promise<number> {
    const text = typeof body === 'string' ? body : JSON.stringify({ id: 's', ...body });
    const response = await world.routes.POST(
      new Request('http://durable.test/api/chat', { method: 'POST', body: text }),
    );
    await response.text();
    await world.settled();
    return response.status;
  }
  for (const id of ['u1', 'u2']) await post(sendBody('s', id, id));
  const { messages } = await session.read();
  return { session, histories, post, messages, left: async () => (await session.read()).messages };
}

it('after a clear neither an edit nor a regeneration brings a message back', async () => {
  const { session, histories, post, messages, left } = await open();
  const [u1, a1, u2, a2] = messages;
  await session.clear();
  for (const body of [
    { messageId: 'u1', messages: [u1] },
    { trigger: regenerate, messages: [u1] },
    { trigger: regenerate, messages: [u1, a1] },
    { trigger: regenerate, messageId: a2!.id, messages: [u1, a1, u2] },
  ]) {
    expect(await post(body)).toBe(409);
  }
  expect(await left()).toEqual([]);
  expect(histories.length).toBe(2);
  // A message that the session never had can only be a new one.
  expect(await post({ trigger: regenerate, messages: [{ ...u1, id: 'u3' }] })).toBe(200);
});

it('after its deletion neither an edit nor a regeneration brings a message back', async () => {
  const { session, histories, post, messages, left } = await open();
  const [u1, a1, u2, a2] = messages;
  for (const { id } of [u2!, a2!]) await session.deleteMessage(id);
  for (const body of [
    { messageId: 'u2', messages: [u1, a1, u2] },
    { trigger: regenerate, messages: [u1, a1, u2] },
    { trigger: regenerate, messageId: a2!.id, messages: [u1, a1, u2] },
  ]) {
    expect(await post(body)).toBe(409);
  }
  expect(await left()).toEqual([u1, a1]);
  expect(histories.length).toBe(2);
});

it('an answer without a message before it cannot be regenerated', async () => {
  const { histories, post, messages, left } = await open(true);
  const [a0] = messages;
  expect(a0?.id).toBe('a0');
  for (const body of [
    { trigger: regenerate, messages: [a0], messageId: 'a0' },
    { trigger: regenerate, messages: [messages[1]], messageId: 'a0' },
  ]) {
    expect(await post(body)).toBe(409);
  }
  expect(await left()).toEqual(messages);
  expect(histories.length).toBe(2);
});

it('a waiting regeneration whose question is deleted never calls the handler', async () => {
  let finish = () => {};
  const mayFinish = new Promise<void>((resolve) => (finish = resolve));
  const histories: string[][] = [];
  const world = createWorld(memoryChannel(), async (request) => {
    const { messages } = (await request.json()) as { messages: UIMessage[] };
    histories.push(messages.map(({ id }) => id));
    return new ReadableStream<UIMessageChunk>({
      async start(controller) {
        controller.enqueue(say[0]!);
        await mayFinish;
        for (const chunk of say.slice(1)) controller.enqueue(chunk);
        controller.close();
      },
    });
  });
  const post = async (body: string) =>
    (await world.routes.POST(new Request('http://durable.test/api/chat', { method: 'POST', body }))).text();
  const answers = [post(sendBody('s', 'u1', 'u1'))];
  const session = world.chat.session('s');
  await expect.poll(() => histories.length).toBe(1);
  const [first] = (await session.read()).runs;
  const messages = [{ id: 'u1', role: 'user', parts: [{ type: 'text', text: 'u1' }] }];
  const again = { id: 's', trigger: regenerate, messageId: first!.messageId, messages };
  answers.push(post(JSON.stringify(again)));
  await expect.poll(async () => (await session.read()).runs.length).toBe(2);
  await session.deleteMessage('u1').catch(() => {});
  finish();
  await Promise.all(answers);
  await world.settled();
  for (const history of histories) expect(history).toEqual(['u1']);
});
