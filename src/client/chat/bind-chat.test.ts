import type { ChatTransport, UIMessage } from 'ai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import { PlainChat, textOf } from '../../test/fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type Client, type World } from '../../test/fixtures/world.fixture.ts';
import { bindChat, type BindChatOptions } from './bind-chat.ts';
import { numbers } from '../../test/fixtures/answers.fixture.ts';

describe('bindChat', () => {
  let model: ScriptedModel;
  let world: World;
  let mayStop: boolean;
  let client: Client;
  let errors: string[];
  const closing: (() => void)[] = [];

  beforeEach(() => {
    model = scriptedModel();
    mayStop = true;
    world = createWorld(memoryChannel(), modelHandler(model), {
      authorize: ({ action }) => action !== 'stop' || mayStop,
    });
    client = world.client();
    errors = [];
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) close();
    await world.settled();
  });

  function bind(options: BindChatOptions<UIMessage> = {}) {
    return bindChat<UIMessage, PlainChat>(
      {
        id: 's',
        fetch: client.fetch,
        retryDelay: () => 5,
        onError: ({ message }) => errors.push(message),
        ...options,
      },
      (init) => new PlainChat(init),
    );
  }
  function open(options?: BindChatOptions<UIMessage>) {
    const bound = bind(options);
    closing.push(bound.connect());
    return bound;
  }
  const aborted = () => model.calls.map((call) => call.aborted);

  it('G3: chat.stop() stops the run on the server', async () => {
    const { chat } = open();
    const sent = chat.sendMessage({ text: 'count to 1000 at 100/s' });
    await expect.poll(() => textOf(chat.messages[1])).toContain('5');
    expect(await chat.stop()).toBeUndefined();
    await sent;
    expect(aborted()).toEqual([true]);
    await world.settled();
    const { messages } = await world.chat.session('s').read();
    await expect.poll(() => chat.messages).toEqual(messages);
    expect(chat.status).toBe('ready');
  });

  it('G3: a chat that is not connected stops the run as well', async () => {
    const { chat } = bind();
    void chat.sendMessage({ text: 'count to 1000 at 100/s' });
    await expect.poll(() => textOf(chat.messages[1])).toContain('5');
    await chat.stop();
    expect(aborted()).toEqual([true]);
  });

  it('stop() returns the receipt that chat.stop() does not, and rejects where chat.stop() calls onError', async () => {
    const { chat, stop } = open();
    void chat.sendMessage({ text: 'count to 40 at 100/s' });
    await expect.poll(() => textOf(chat.messages[1])).toContain('5');
    mayStop = false;
    await expect(stop()).rejects.toMatchObject({ code: 'forbidden' });
    await chat.stop();
    expect(errors).toHaveLength(2);
    expect(new Set(errors).size).toBe(1);
    mayStop = true;
    await expect.poll(() => textOf(chat.messages[1])).toBe(numbers(40));
    void chat.sendMessage({ text: 'count to 1000 at 100/s' });
    await expect.poll(() => textOf(chat.messages[3])).toContain('5');
    expect((await stop()).stopped).toHaveLength(1);
    expect(aborted()).toEqual([false, true]);
  });

  // The older SDK has no `dispose`.
  it.skipIf(!('dispose' in PlainChat.prototype || 'dispose' in new PlainChat({})))(
    'G2: dispose disconnects the chat, and stops nothing',
    async () => {
      const { chat } = open();
      void chat.sendMessage({ text: 'count to 40 at 100/s' });
      await expect.poll(() => textOf(chat.messages[1])).toContain('5');
      await (chat as PlainChat & { dispose(): Promise<void> }).dispose();
      await world.settled();
      expect(aborted()).toEqual([false]);
      expect(client.requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
    },
  );

  it('G2: a chat is connected until the last of its users has left, and then stops nothing', async () => {
    const { chat, connect, session } = bind();
    const first = connect();
    const second = connect();
    void chat.sendMessage({ text: 'count to 60 at 100/s' });
    await expect.poll(() => textOf(chat.messages[1])).toContain('5');
    first();
    first();
    await expect.poll(() => textOf(chat.messages[1])).toContain('15');
    expect([chat.status, session.getSnapshot().connection]).toEqual(['streaming', 'connected']);
    second();
    await expect.poll(() => chat.status).toBe('ready');
    closing.push(connect());
    await expect.poll(() => textOf(chat.messages[1])).toBe(numbers(60));
    expect(aborted()).toEqual([false]);
  });

  it('calls a function of options at each request, and creates a missing id', async () => {
    let tenant = 'one';
    const asked: unknown[] = [];
    const { chat, session } = bindChat<UIMessage, PlainChat>(
      () => ({
        generateId: () => 'made',
        body: { tenant },
        fetch: (input, init) => {
          if (init?.method === 'POST') asked.push(JSON.parse(init.body as string));
          return client.fetch(input, init);
        },
      }),
      (init) => new PlainChat(init),
    );
    expect([chat.id, session.id]).toEqual(['made', 'made']);
    tenant = 'two';
    await chat.sendMessage({ text: 'count to 2' });
    expect(asked).toMatchObject([{ id: 'made', tenant: 'two' }]);
  });

  it("does not change the functions of a chat with the app's own transport", async () => {
    let signal: AbortSignal | undefined;
    const transport: ChatTransport<UIMessage> = {
      sendMessages: async ({ abortSignal }) => {
        signal = abortSignal;
        return new ReadableStream();
      },
      reconnectToStream: async () => null,
    };
    const { chat } = open({ transport });
    void chat.sendMessage({ text: 'hello' });
    await expect.poll(() => signal).toBeDefined();
    await chat.stop();
    expect(signal?.aborted).toBe(true);
    expect(client.requests).toEqual([]);
  });
});
