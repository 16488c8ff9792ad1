// @vitest-environment jsdom
// On a durable route useDurableChat behaves like useChat: every test here runs with both hooks.

import { type UIMessageChunk } from 'ai';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import type { Handler } from '../index.ts';
import { scriptedModel } from '../testing/scripted-model.ts';
import { textOf } from '../test/fixtures/tab.fixture.ts';
import { modelHandler } from '../test/fixtures/world.fixture.ts';
import {
  hooks,
  isAi7,
  cleanUp,
  mount,
  network,
  sse,
  answer,
  said,
  plain,
  durable,
  gate,
  streamOf,
  type Message,
  type Options,
} from '../test/fixtures/hooks.fixture.tsx';
import type { UseDurableChatHelpers } from './use-durable-chat.ts';

describe.each(Object.entries(hooks))('%s on a durable route', (name, hook) => {
  const echo: Handler = async (request) => {
    const { messages } = (await request.json()) as { messages: Message[] };
    return sse(answer(`to ${textOf(messages.at(-1))}`));
  };
  /** Resolves when the hook is rendered and, if there is a session, connected. */
  async function mounted(options: Options) {
    const view = mount(hook, options);
    const chat = () => view.chat as Partial<UseDurableChatHelpers<Message>>;
    await expect.poll(() => chat().id).toBeDefined();
    await expect.poll(() => chat().connection ?? 'connected').toBe('connected');
    return view;
  }

  it('messages: are shown, sent, and continued', async () => {
    const { fetch, posts } = durable(echo);
    const messages = [said('u', 'user', 'one'), said('a', 'assistant', 'two')];
    const view = await mounted({ id: 's', messages, fetch });
    expect(view.chat.messages).toEqual(messages);
    await view.chat.sendMessage({ text: 'three' });
    await view.ready();
    await expect.poll(view.texts).toEqual(['one', 'two', 'three', 'to three']);
    expect(posts()[0]?.body).toMatchObject({ messages: [...messages, { role: 'user' }] });
  });

  // The hook calls generateId even if the chat has an id.
  it('generateId: makes the id of a chat without one, and of its messages', async () => {
    const { fetch } = durable(echo);
    let ids = 0;
    const view = await mounted({ generateId: () => `id-${++ids}`, fetch });
    expect(view.chat.id).toBe('id-1');
    await view.chat.sendMessage({ text: 'hello' });
    await expect.poll(() => view.chat.messages[0]?.id).toMatch(/^id-/);
    let named = 0;
    const other = await mounted({ id: 'named', generateId: () => `id-${++named}`, fetch });
    await other.chat.sendMessage({ text: 'hello' });
    await expect.poll(() => other.chat.messages[0]?.id).toBe('id-1');
  });

  it('edits: sendMessage({ messageId }), and setMessages(edited) + regenerate(), are answered', async () => {
    const { fetch, world } = durable(echo);
    const view = await mounted({ id: 's', fetch });
    for (const text of ['one', 'two']) {
      await view.chat.sendMessage({ text });
      await expect.poll(() => view.texts().at(-1)).toBe(`to ${text}`);
      await view.ready();
    }
    const second = () => view.chat.messages.findLast(({ role }) => role === 'user')!;
    await view.chat.sendMessage({ messageId: second().id, text: 'edited' });
    await view.ready();
    await expect.poll(view.texts).toEqual(['one', 'to one', 'edited', 'to edited']);
    const edited = { ...second(), parts: [{ type: 'text' as const, text: 'edited again' }] };
    view.chat.setMessages((all) => [...all.slice(0, 2), edited]);
    await view.chat.regenerate();
    await view.ready();
    const texts = ['one', 'to one', 'edited again', 'to edited again'];
    await expect.poll(view.texts).toEqual(texts);
    await world.settled();
    const kept = await world.chat.session('s').read();
    expect(kept.messages.map(textOf)).toEqual(texts);
  });

  it('a message with a known id and other text is an error, and changes nothing', async () => {
    const { fetch, world } = durable(echo);
    const view = await mounted({ id: 's', fetch });
    const say = (text: string) =>
      view.chat.sendMessage({ id: 'mine', role: 'user', parts: [{ type: 'text', text }] });
    await say('one');
    await expect.poll(view.texts).toEqual(['one', 'to one']);
    await view.ready();
    await say('other');
    await view.failed();
    expect(view.chat.error?.message).toContain('id');
    await world.settled();
    const kept = await world.chat.session('s').read();
    expect(kept.messages.map(textOf)).toEqual(['one', 'to one']);
  });

  it('onData: is called once for each data part, in order, transient ones too', async () => {
    const { fetch } = durable(() =>
      sse([
        { type: 'start', messageId: 'a' },
        { type: 'data-weather', id: 'w', data: { degrees: 1 } },
        { type: 'data-weather', data: { degrees: 2 }, transient: true },
        { type: 'data-weather', id: 'w', data: { degrees: 3 } },
        { type: 'finish' },
      ]),
    );
    const degrees: number[] = [];
    const view = await mounted({ id: 's', fetch, onData: ({ data }) => degrees.push(data.degrees) });
    await view.chat.sendMessage({ text: 'hello' });
    await view.ready();
    await expect.poll(() => view.chat.messages[1]?.parts).toMatchObject([{ data: { degrees: 3 } }]);
    expect(degrees).toEqual([1, 2, 3]);
  });

  it('onFinish: once, with the message, the list and the reason', async () => {
    const { fetch } = durable(echo);
    const onFinish = vi.fn<NonNullable<Options['onFinish']>>();
    const view = await mounted({ id: 's', fetch, onFinish });
    await view.chat.sendMessage({ text: 'hello' });
    await view.ready();
    expect(onFinish).toHaveBeenCalledTimes(1);
    const [event] = onFinish.mock.calls[0]!;
    expect(event).toMatchObject({
      isAbort: false,
      isError: false,
      isDisconnect: false,
      finishReason: 'stop',
    });
    expect(textOf(event.message)).toBe('to hello');
    expect(event.messages.map(textOf)).toEqual(['hello', 'to hello']);
  });

  it('onFinish: isAbort in the tab that stopped', async () => {
    const { fetch } = durable(modelHandler(scriptedModel()));
    const onFinish = vi.fn<NonNullable<Options['onFinish']>>();
    const onError = vi.fn<NonNullable<Options['onError']>>();
    const view = await mounted({ id: 's', fetch, onFinish, onError });
    const sent = view.chat.sendMessage({ text: 'count to 100 at 100/s' });
    await expect.poll(() => view.texts()[1] ?? '').toContain('5');
    await view.chat.stop();
    await sent;
    await view.ready();
    expect(onFinish).toHaveBeenCalledTimes(1);
    expect(onFinish.mock.calls[0]?.[0]).toMatchObject({ isAbort: true, isError: false, isDisconnect: false });
    expect(onError).not.toHaveBeenCalled();
  });

  it('stop: resolves if there is nothing to stop, also before the first message', async () => {
    const { fetch } = durable(echo);
    const view = await mounted({ id: 's', fetch });
    await view.chat.stop();
    await view.chat.sendMessage({ text: 'hello' });
    await expect.poll(view.texts).toEqual(['hello', 'to hello']);
    await view.chat.stop();
    await view.ready();
    expect(view.texts()).toEqual(['hello', 'to hello']);
  });

  it('onError, clearError: the refusal of the route is the error, and the next send is accepted', async () => {
    let refuse = true;
    const { fetch, posts } = durable((request, context) =>
      refuse ? new Response('No credit.', { status: 402 }) : echo(request, context),
    );
    const onError = vi.fn<NonNullable<Options['onError']>>();
    const view = await mounted({ id: 's', fetch, onError });
    await view.chat.sendMessage({ text: 'hello' });
    await view.failed().catch((e) => {
      console.log(view.states, onError.mock.calls, posts());
      throw e;
    });
    expect(view.chat.error?.message).toBe('No credit.');
    expect(onError.mock.calls.map(([{ message }]) => message)).toEqual(['No credit.']);
    await expect.poll(view.texts).toEqual(['hello']);
    view.chat.clearError();
    await view.ready();
    expect(view.chat.error).toBeUndefined();
    refuse = false;
    await view.chat.regenerate();
    await view.ready();
    await expect.poll(view.texts).toEqual(['hello', 'to hello']);
    expect(onError).toHaveBeenCalledTimes(1);
  });

  // The refused run is followed like another viewer's: its empty end clears the error.
  (name === 'useDurableChat' ? it : it.skip)(
    'onError: a refusal stays the error when the report of the end of its run is late',
    async () => {
      const route = durable(() => new Response('No credit.', { status: 402 }));
      const late = gate();
      const view = await mounted({
        id: 's',
        async fetch(input, init) {
          const response = await route.fetch(input, init);
          if (init?.method === 'POST' || !response.body) return response;
          const decoder = new TextDecoder();
          const slow = new TransformStream<Uint8Array, Uint8Array>({
            async transform(bytes, controller) {
              if (decoder.decode(bytes).includes('"run-end"')) await late.opened;
              controller.enqueue(bytes);
            },
          });
          return new Response(response.body.pipeThrough(slow), response);
        },
      });
      const { session } = view.chat as UseDurableChatHelpers<Message>;
      await view.chat.sendMessage({ text: 'hello' });
      await expect.poll(() => session.getSnapshot().runs.length).toBe(1);
      late.open();
      await expect.poll(() => session.getSnapshot().runs.length).toBe(0);
      await view.render({});
      expect(view.chat.error?.message).toBe('No credit.');
      expect(view.chat.status).toBe('error');
    },
  );

  // The run is followed a second time, from its start, while it has not ended.
  it('an error chunk is the error, and the parts before it stay', async () => {
    const { fetch } = durable(() =>
      sse([...[...answer('so far')].slice(0, 3), { type: 'error', errorText: 'It broke.' }]),
    );
    const onError = vi.fn<NonNullable<Options['onError']>>();
    const onFinish = vi.fn<NonNullable<Options['onFinish']>>();
    const view = await mounted({ id: 's', fetch, onError, onFinish });
    await view.chat.sendMessage({ text: 'hello' });
    await view.failed();
    expect(onError.mock.calls.map(([{ message }]) => message)).toEqual(['It broke.']);
    expect(onFinish.mock.calls.map(([{ isError }]) => isError)).toEqual([true]);
    await expect.poll(view.texts).toEqual(['hello', 'so far']);
    expect(view.chat.status).toBe('error');
  });

  // Like after an error chunk: while the run continues it is followed again, to the same error.
  it.each([
    ['dataPartSchemas', { type: 'data-weather', data: { degrees: 'many' } }],
    ['messageMetadataSchema', { type: 'message-metadata', messageMetadata: { mood: 5 } }],
  ] as const)('%s: an invalid chunk is one error, although the answer continues', async (_, chunk) => {
    const { fetch } = durable(() => {
      async function* chunks(): AsyncGenerator<UIMessageChunk> {
        const [start, ...text] = answer('text');
        yield start!;
        yield chunk;
        await rest.opened;
        yield* text;
      }
      return sse(chunks());
    });
    const rest = gate();
    const weather = z.object({ degrees: z.number() });
    const onError = vi.fn<NonNullable<Options['onError']>>();
    const view = await mounted({
      id: 's',
      fetch,
      onError,
      // The older SDK finds them by the whole name.
      dataPartSchemas: { weather, 'data-weather': weather } as NonNullable<Options['dataPartSchemas']>,
      messageMetadataSchema: z.object({ mood: z.string() }),
    });
    await view.chat.sendMessage({ text: 'hello' });
    await view.failed();
    expect(onError.mock.calls[0]?.[0].message).toMatch(/^Type validation failed/);
    rest.open();
    await expect.poll(() => view.chat.status).toBe('error');
    expect(onError).toHaveBeenCalledTimes(1);
  });

  it('setMessages: the list that it sets is shown, and the next send continues from it', async () => {
    const { fetch } = durable(echo);
    const view = await mounted({ id: 's', fetch });
    await view.chat.sendMessage({ text: 'one' });
    await view.ready();
    await view.chat.sendMessage({ text: 'two' });
    await view.ready();
    view.chat.setMessages((messages) => messages.slice(0, 2));
    await expect.poll(view.texts).toEqual(['one', 'to one']);
    await view.chat.sendMessage({ text: 'three' });
    await view.ready();
    await expect.poll(view.texts).toEqual(['one', 'to one', 'three', 'to three']);
  });

  it('id: a new id is another chat, with the messages and callbacks of its render', async () => {
    const { fetch, posts } = durable(echo);
    const finished: string[] = [];
    const view = await mounted({ id: 'one', fetch, onFinish: () => finished.push('one') });
    await view.chat.sendMessage({ text: 'hello' });
    await view.ready();
    const messages = [said('u', 'user', 'old'), said('a', 'assistant', 'older')];
    await view.render({ id: 'two', messages, onFinish: () => finished.push('two') });
    expect(view.chat.id).toBe('two');
    await expect.poll(view.texts).toEqual(['old', 'older']);
    await view.chat.sendMessage({ text: 'again' });
    await view.ready();
    await expect.poll(view.texts).toEqual(['old', 'older', 'again', 'to again']);
    expect(finished).toEqual(['one', 'two']);
    expect(posts().map(({ body }) => (body as { id: string }).id)).toEqual(['one', 'two']);
  });

  it('callbacks: the latest ones are called, also during an answer', async () => {
    const { fetch } = durable(() => {
      async function* chunks(): AsyncGenerator<UIMessageChunk> {
        yield { type: 'start', messageId: 'a' };
        yield { type: 'data-weather', data: { degrees: 1 } };
        await rest.opened;
        yield { type: 'data-weather', data: { degrees: 2 } };
        yield { type: 'error', errorText: 'It broke.' };
      }
      return sse(chunks());
    });
    const rest = gate();
    const calls: string[] = [];
    const callbacks = (round: number): Partial<Options> => ({
      onData: ({ data }) => calls.push(`data ${data.degrees} in ${round}`),
      onError: () => calls.push(`error in ${round}`),
      onFinish: () => calls.push(`finish in ${round}`),
    });
    const view = await mounted({ id: 's', fetch, ...callbacks(1) });
    const sent = view.chat.sendMessage({ text: 'hello' });
    await expect.poll(() => calls.length).toBe(1);
    await view.render(callbacks(2));
    rest.open();
    await sent;
    expect(calls).toEqual(['data 1 in 1', 'data 2 in 2', 'error in 2', 'finish in 2']);
  });

  describe.skipIf(!isAi7)('experimental_queue', () => {
    // The SDK's stop only closes the connection, and the run continues.
    it('experimental_sendQueuedMessageNow: stops the answer, then sends', async () => {
      const model = scriptedModel();
      const { fetch, world } = durable(modelHandler(model));
      const view = await mounted({ id: 's', fetch, experimental_queue: true });
      void view.chat.sendMessage({ text: 'count to 100 at 100/s' });
      await expect.poll(() => view.texts()[1] ?? '').toContain('2');
      void view.chat.sendMessage({ text: 'count to 2' });
      await expect.poll(() => view.chat.experimental_queuedMessages.length).toBe(1);
      await view.chat.experimental_sendQueuedMessageNow(view.chat.experimental_queuedMessages[0]!.id);
      await view.ready();
      await expect.poll(() => view.texts()[3]).toBe('1 2');
      expect(view.texts()[1]).not.toContain('100');
      if (name === 'useDurableChat') expect(model.calls.map(({ aborted }) => aborted)).toEqual([true, false]);
      await world.settled();
    });
  });
});

describe.each(Object.entries(hooks))('%s: the options of its requests', (name, hook) => {
  const posted = async (options: Options, change?: Partial<Options>) => {
    const { fetch, posts } = plain(() => sse(answer('there')));
    const view = mount(hook, { id: 's', fetch, ...options });
    await expect.poll(() => view.states.length).toBe(1);
    if (change) await view.render(change);
    await view.chat.sendMessage({ text: 'hello' }, { body: { extra: 1 }, headers: { 'x-extra': '1' } });
    await expect.poll(view.texts).toEqual(['hello', 'there']);
    expect(posts().length).toBe(1);
    return posts()[0]!;
  };
  const wanted = {
    headers: { 'x-user': 'u', 'x-extra': '1', 'content-type': 'application/json' },
    body: { tenant: 't', extra: 1, id: 's', trigger: 'submit-message', messages: [{ role: 'user' }] },
    credentials: 'include',
  };

  it.each<[string, Options]>([
    ['values', { headers: { 'x-user': 'u' }, body: { tenant: 't' }, credentials: 'include' }],
    [
      'functions',
      { headers: () => ({ 'x-user': 'u' }), body: () => ({ tenant: 't' }), credentials: () => 'include' },
    ],
    [
      'promises',
      {
        headers: Promise.resolve({ 'x-user': 'u' }),
        body: Promise.resolve({ tenant: 't' }),
        credentials: Promise.resolve('include' as const),
      },
    ],
    [
      'functions with promises, and Headers',
      {
        headers: async () => new Headers({ 'x-user': 'u' }),
        body: async () => ({ tenant: 't' }),
        credentials: async () => 'include' as const,
      },
    ],
  ])('headers, body and credentials as %s', async (_, options) => {
    expect(await posted({ api: '/api/other?a=b', ...options })).toMatchObject({
      ...wanted,
      url: '/api/other?a=b',
    });
  });

  it.each<[string, Options]>([
    ['values', { headers: { 'x-user': 'u' }, body: { tenant: 't' }, credentials: 'include' }],
    [
      'functions',
      { headers: () => ({ 'x-user': 'u' }), body: () => ({ tenant: 't' }), credentials: () => 'include' },
    ],
  ])('headers, body and credentials that have changed since the first render: %s', async (_, change) => {
    const first: Options = { headers: { 'x-user': 'old' }, body: { tenant: 'old' }, credentials: 'omit' };
    expect(await posted(first, change)).toMatchObject(wanted);
  });

  // They are read once, when the session is created.
  it('api, fetch and prepareSendMessagesRequest that have changed since the first render', async () => {
    const old = plain(() => sse(answer('there')));
    const current = plain(() => sse(answer('there')));
    const view = mount(hook, { id: 's', api: '/api/old', fetch: old.fetch });
    await expect.poll(() => view.states.length).toBe(1);
    await view.render({
      api: '/api/new',
      fetch: current.fetch,
      prepareSendMessagesRequest: ({ api }) => ({ api: `${api}/prepared`, body: { prepared: true } }),
    });
    await view.chat.sendMessage({ text: 'hello' });
    await expect.poll(view.texts).toEqual(['hello', 'there']);
    expect(old.posts()).toEqual([]);
    expect(current.posts()).toMatchObject([{ url: '/api/new/prepared', body: { prepared: true } }]);
  });

  // The default of `credentials` is 'same-origin'.
  it('prepareSendMessagesRequest gets the same arguments as from the SDK', async () => {
    const given: unknown[] = [];
    const request = await posted({
      headers: { 'x-user': 'u' },
      prepareSendMessagesRequest(options) {
        given.push(options);
        return { api: '/api/prepared', body: { mine: 1 }, headers: { 'x-mine': '1' }, credentials: 'omit' };
      },
    });
    // A missing field and undefined are the same.
    expect(JSON.parse(JSON.stringify(given))).toEqual([
      {
        id: 's',
        api: '/api/chat',
        trigger: 'submit-message',
        messages: [
          { id: expect.any(String) as string, role: 'user', parts: [{ type: 'text', text: 'hello' }] },
        ],
        body: { extra: 1 },
        headers: { 'x-user': 'u', 'x-extra': '1' },
      },
    ]);
    expect(request).toMatchObject({ url: '/api/prepared', body: { mine: 1 }, credentials: 'omit' });
    expect(request.headers).toEqual({ 'content-type': 'application/json', 'x-mine': '1' });
  });
});

describe.each(Object.entries(hooks))('%s with a transport of the app', (name, hook) => {
  it('makes no requests itself, and stops, resumes and unmounts like that transport', async () => {
    const global = network({});
    vi.stubGlobal('fetch', global.fetch);
    cleanUp.push(() => void vi.unstubAllGlobals());
    const calls: string[] = [];
    let signal: AbortSignal | undefined;
    const transport: NonNullable<Options['transport']> = {
      async sendMessages({ abortSignal }) {
        calls.push('send');
        signal = abortSignal;
        return new ReadableStream({
          start(controller) {
            for (const chunk of [...answer('there')].slice(0, 3)) controller.enqueue(chunk);
          },
        });
      },
      async reconnectToStream() {
        calls.push('reconnect');
        return null;
      },
    };
    const onError = vi.fn<NonNullable<Options['onError']>>();
    const view = mount(hook, { id: 's', transport, onError });
    await expect.poll(() => view.states.length).toBe(1);
    void view.chat.sendMessage({ text: 'hello' });
    await expect.poll(view.texts).toEqual(['hello', 'there']);
    await view.chat.stop();
    await view.ready();
    expect(signal?.aborted).toBe(true);
    await view.chat.resumeStream();
    expect(calls).toEqual(['send', 'reconnect']);
    expect(onError).not.toHaveBeenCalled();
    expect(global.requests).toEqual([]);
  });

  // It is read once, when the chat is created.
  it('takes the transport of the latest render', async () => {
    const used: string[] = [];
    const transport = (text: string): NonNullable<Options['transport']> => ({
      async sendMessages() {
        used.push(text);
        return streamOf(answer(text));
      },
      reconnectToStream: async () => null,
    });
    vi.stubGlobal('fetch', network({}).fetch);
    cleanUp.push(() => void vi.unstubAllGlobals());
    const view = mount(hook, { id: 's', transport: transport('old') });
    await expect.poll(() => view.states.length).toBe(1);
    await view.render({ transport: transport('new') });
    await view.chat.sendMessage({ text: 'hello' });
    expect(used).toEqual(['new']);
  });
});
