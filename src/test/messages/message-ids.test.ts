// generateId: the ids of the messages that the server makes, everywhere and in the SDK's callbacks.

import * as ai7 from 'ai';
import type { UIMessage, UIMessageChunk } from 'ai';
import * as ai6 from 'ai6';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DurableChatOptions, Handler, HandlerRun } from '../../index.ts';
import type { ErrorBody } from '../../protocol/errors.ts';
import { createChaos } from '../../testing/chaos.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { memoryChannel } from '../../channel/memory.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { openTab } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, sendBody } from '../fixtures/world.fixture.ts';

const url = 'http://durable.test/api/chat';
const { stores } = useStores();
let sessions = 0;
const newSession = () => `ids ${++sessions}`;
const uuid = /^[\da-f]{8}-([\da-f]{4}-){3}[\da-f]{12}$/;
const chunks: UIMessageChunk[] = [
  { type: 'start', messageId: 'of the stream' },
  { type: 'text-start', id: '0' },
  { type: 'text-delta', id: '0', delta: 'answer' },
  { type: 'tool-input-available', toolCallId: 'c', toolName: 'ask', input: {} },
  { type: 'finish' },
];

describe.each(stores)('generateId, on %s', (_, openStore) => {
  it("gives ids to the server's messages everywhere, and not to runs or existing messages", async () => {
    const sessionId = newSession();
    const runs: HandlerRun[] = [];
    const produce = chunkHandler(() => chunks);
    const handler: Handler = (request, context) => {
      runs.push(context.run);
      return produce(request, context);
    };
    const ends: (string | undefined)[] = [];
    const world = createWorld(openStore()(), handler, {
      generateId: () => crypto.randomUUID(),
      onRunEnd: ({ message }) => void ends.push(message?.id),
    });
    const tab = openTab(world.client(), sessionId);
    await tab.chat.sendMessage({ text: 'one' });
    await tab.chat.sendMessage({ text: 'two' });
    const last = tab.chat.messages.at(-1)!;
    // Continues the existing message.
    await tab.chat.addToolOutput({ tool: 'ask', toolCallId: 'c', output: 1 });
    await tab.chat.sendMessage();
    await world.settled();
    const ids = runs.map(({ messageId }) => messageId);
    expect(ids.length).toBe(3);
    for (const id of ids) expect(id).toMatch(uuid);
    expect(new Set(ids).size).toBe(2);
    expect(ids[2]).toBe(last.id);
    for (const { id } of runs) expect(id).toMatch(/^[\w-]{16}$/);
    const { messages } = await world.chat.session(sessionId).read();
    expect(messages.flatMap(({ id, role }) => (role === 'assistant' ? id : []))).toEqual(ids.slice(0, 2));
    expect(ends).toEqual(ids);
    await expect.poll(() => tab.chat.messages).toEqual(messages);
    tab.close();
  });
});

function open(options: Omit<DurableChatOptions, 'channel'>, channel = memoryChannel()) {
  const world = createWorld(
    channel,
    chunkHandler(() => chunks),
    options,
  );
  return {
    world,
    post: (sessionId: string, text: string) =>
      world.routes.POST(new Request(url, { method: 'POST', body: sendBody(sessionId, text) })),
  };
}

async function isRefused(response: Response): Promise<void> {
  expect(response.status).toBe(500);
  const { error } = (await response.json()) as ErrorBody;
  expect(error.code).toBe('config');
  expect(error.message).toContain('generateId');
}

describe('generateId', () => {
  it('an invalid id refuses the send, and leaves nothing', async () => {
    const strings = fc.oneof(
      fc.constantFrom('', 'x'.repeat(257), 'line\nbreak', '\ud83d', 'nul\u0000'),
      fc.anything().filter((value) => typeof value !== 'string'),
    );
    await fc.assert(
      fc.asyncProperty(strings, async (value) => {
        let next: unknown = value;
        const { world, post } = open({ generateId: () => next as string });
        const sessionId = newSession();
        await isRefused(await post(sessionId, 'one'));
        expect((await world.chat.session(sessionId).read()).messages).toEqual([]);
        next = 'a good one';
        await (await post(sessionId, 'one')).text();
        await world.settled();
        const { messages } = await world.chat.session(sessionId).read();
        expect(messages.map(({ id }) => id)).toEqual(['user-one', 'a good one']);
      }),
      { numRuns: 30 },
    );
  });

  it('an id that another message of the session has refuses the send', async () => {
    for (const id of ['always the same', 'user-one']) {
      const { world, post } = open({ generateId: () => id });
      const sessionId = newSession();
      if (id === 'user-one') {
        await isRefused(await post(sessionId, 'one'));
        continue;
      }
      await (await post(sessionId, 'one')).text();
      await world.settled();
      await isRefused(await post(sessionId, 'two'));
      expect((await world.chat.session(sessionId).read()).messages.map((one) => one.id)).toEqual([
        'user-one',
        id,
      ]);
    }
  });

  it('gives an id to an answer that passes through while the store is down', async () => {
    const chaos = createChaos(memoryChannel());
    chaos.storeFaults({ kind: 'refuse' });
    const { post } = open({ generateId: () => 'mine', onStoreDown: 'passthrough' }, chaos.channel);
    expect(await (await post(newSession(), 'one')).text()).toContain('"messageId":"mine"');
  });
});

/** The API that both versions have, with the types of one. */
type Sdk = Pick<typeof ai7, 'convertToModelMessages' | 'streamText'>;
type Result = ReturnType<typeof ai7.streamText>;
type Ids = Pick<ai7.UIMessageStreamOptions<UIMessage>, 'generateMessageId' | 'originalMessages'>;

/** How an app makes its stream. `onEnd` gets the id that the SDK's callback gets. */
const ways: [
  name: string,
  sdk: Sdk,
  streamOf: (result: Result, ids: Ids, onEnd: (id: string) => void) => unknown,
][] = [
  [
    'ai 6',
    ai6 as unknown as Sdk,
    (result, ids, onEnd) =>
      result.toUIMessageStream({ ...ids, onFinish: ({ responseMessage }) => onEnd(responseMessage.id) }),
  ],
  [
    'ai 7',
    ai7,
    ({ stream }, ids, onEnd) =>
      ai7.toUIMessageStream({ stream, ...ids, onEnd: ({ responseMessage }) => onEnd(responseMessage.id) }),
  ],
];

describe.each(ways)("the ids in the SDK's callbacks, on %s", (_, sdk, streamOf) => {
  /** One turn: a new answer, or the rest of the message `there`, whose tool call has an output now. */
  async function turn(continued: boolean, idsFor: (run: HandlerRun, messages: UIMessage[]) => Ids) {
    const sessionId = newSession();
    const seen: { runId?: string; stream?: string; text?: unknown } = {};
    const call = { type: 'tool-ask', toolCallId: 'c', input: {} } as const;
    const there = (part: UIMessage['parts'][number]): UIMessage => ({
      id: 'there',
      role: 'assistant',
      parts: [part],
    });
    const asked = JSON.parse(sendBody(sessionId, 'one')) as { messages: UIMessage[] };
    const world = createWorld(
      memoryChannel(),
      async (request, { run }) => {
        const { messages } = (await request.json()) as { messages: UIMessage[] };
        seen.runId = run.messageId;
        const result = sdk.streamText({
          model: scriptedModel({ script: () => ['hello'], chunksPerSecond: Infinity }),
          messages: await sdk.convertToModelMessages(messages),
          onFinish: ({ response }) => void (seen.text = response.messages.map((one) => Object.keys(one))),
        });
        return streamOf(result, idsFor(run, messages), (id) => (seen.stream = id));
      },
      {
        generateId: () => 'made by the server',
        loadMessages: () =>
          continued ? [...asked.messages, there({ ...call, state: 'input-available' })] : [],
      },
    );
    const messages = continued ? [there({ ...call, state: 'output-available', output: 1 })] : asked.messages;
    const body = JSON.stringify({ ...asked, messages });
    const response = await world.routes.POST(new Request(url, { method: 'POST', body }));
    expect(await response.text()).toContain('hello');
    await world.settled();
    const kept = (await world.chat.session(sessionId).read()).messages;
    const id = continued ? 'there' : 'made by the server';
    expect(kept.map((one) => one.id)).toEqual(['user-one', id]);
    expect(seen.runId).toBe(id);
    // The callback of streamText gets model messages, which have no id.
    expect(seen.text).toEqual([['role', 'content']]);
    return seen.stream;
  }

  it('no id, unless the app passes one', async () => {
    expect(await turn(false, () => ({}))).toBe('');
    expect(await turn(true, () => ({}))).toBe('');
    expect(await turn(false, (_run, originalMessages) => ({ originalMessages }))).toBe('');
  });

  it('with generateMessageId: () => run.messageId, the id that all viewers have', async () => {
    const generate = (run: HandlerRun) => ({ generateMessageId: () => run.messageId });
    expect(await turn(false, generate)).toBe('made by the server');
    expect(await turn(true, generate)).toBe('there');
  });

  it('the same with originalMessages, which makes a continued message complete', async () => {
    const generate = (run: HandlerRun, originalMessages: UIMessage[]) => ({
      originalMessages,
      generateMessageId: () => run.messageId,
    });
    expect(await turn(false, generate)).toBe('made by the server');
    expect(await turn(true, generate)).toBe('there');
  });
});
