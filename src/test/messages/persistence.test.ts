// The SDK's persistence guide (docs: chatbot message persistence) on a durable route, as the README describes it.

import { convertToModelMessages, DefaultChatTransport, streamText, type UIMessage } from 'ai';
import { describe, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import type { DurableChatOptions } from '../../index.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { openTab, PlainChat, textOf } from '../fixtures/tab.fixture.ts';
import { createWorld } from '../fixtures/world.fixture.ts';

/** A conversation in the app's database from before it used durable-chat. */
const kept: UIMessage[] = [
  { id: 'k1', role: 'user', parts: [{ type: 'text', text: 'My name is Ada.' }], metadata: { at: 1 } },
  {
    id: 'k2',
    role: 'assistant',
    parts: [
      { type: 'tool-greet', toolCallId: 'c', state: 'output-available', input: {}, output: 'Good day' },
      { type: 'data-mood', data: 'glad' },
      { type: 'text', text: 'Hello Ada.' },
    ],
  },
];

function setUp(database: 'posted' | 'loaded') {
  const chats = new Map<string, string>([['chat', JSON.stringify(kept)]]);
  const loadChat = (id: string) => JSON.parse(chats.get(id) ?? '[]') as UIMessage[];
  const saveChat = (id: string, messages: readonly UIMessage[]) =>
    void chats.set(id, JSON.stringify(messages));
  const model = scriptedModel({ chunksPerSecond: Infinity, script: () => ['I remember.'] });
  const options: DurableChatOptions = {
    onRunEnd: ({ sessionId, messages }) => saveChat(sessionId, messages),
    ...(database === 'loaded' && { loadMessages: ({ sessionId }) => loadChat(sessionId) }),
  };
  const world = createWorld(
    memoryChannel(),
    async (request) => {
      const { messages } = (await request.json()) as { messages: UIMessage[] };
      return streamText({
        model,
        messages: await convertToModelMessages(messages),
      }).toUIMessageStreamResponse();
    },
    options,
  );
  return { world, model, loadChat, prompt: () => JSON.stringify(model.calls.at(-1)?.prompt) };
}

describe("the SDK's persistence example keeps its context", () => {
  it.each([
    ['the page loads the chat and the client posts it', 'posted'],
    ['the route loads it', 'loaded'],
  ] as const)('with the hook, when %s', async (_, database) => {
    const { world, loadChat, prompt } = setUp(database);
    const tab = openTab(world.client(), 'chat', { messages: loadChat('chat') });
    await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
    for (const text of ['Who am I?', 'And who are you?']) {
      await tab.chat.sendMessage({ text });
      await world.settled();
      for (const known of ['My name is Ada.', 'Hello Ada.', 'Good day']) expect(prompt()).toContain(known);
    }
    const { messages } = await world.chat.session('chat').read();
    expect(messages.slice(0, 2)).toEqual(kept);
    expect(loadChat('chat')).toEqual(messages);
    await expect.poll(() => tab.chat.messages).toEqual(messages);
    expect(messages.slice(2).map(textOf)).toEqual([
      'Who am I?',
      'I remember.',
      'And who are you?',
      'I remember.',
    ]);
    tab.close();
  });

  it('with useChat that posts its last message alone, when the route loads the chat', async () => {
    const { world, loadChat, prompt } = setUp('loaded');
    const chat = new PlainChat({
      id: 'chat',
      messages: loadChat('chat'),
      transport: new DefaultChatTransport({
        api: '/api/chat',
        fetch: world.client().fetch,
        prepareSendMessagesRequest: ({ messages, id }) => ({ body: { message: messages.at(-1), id } }),
      }),
    });
    await chat.sendMessage({ text: 'Who am I?' });
    await world.settled();
    expect(prompt()).toContain('Hello Ada.');
    expect(loadChat('chat')).toEqual(chat.messages);
    expect(chat.messages.slice(0, 2)).toEqual(kept);
  });
});
