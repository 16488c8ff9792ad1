// @vitest-environment jsdom
// What useChat does, useDurableChat does: every test here runs with both hooks.

import { useChat, type UseChatHelpers } from '@ai-sdk/react';
import * as ai from 'ai';
import { DefaultChatTransport, type UIMessage, type UIMessageChunk } from 'ai';
import { createRoot } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { memoryChannel } from '../channel/memory.ts';
import type { Handler } from '../index.ts';
import { scriptedModel } from '../testing/scripted-model.ts';
import { textOf } from '../testing/tab.fixture.ts';
import { createWorld, modelHandler } from '../testing/world.fixture.ts';
import {
  useDurableChat,
  type UseDurableChatHelpers,
  type UseDurableChatOptions,
} from './use-durable-chat.ts';

type Message = UIMessage<{ mood: string }, { weather: { degrees: number } }>;
type Options = UseDurableChatOptions<Message>;
type Helpers = Omit<UseChatHelpers<Message>, 'stop'> & { stop(): Promise<unknown> };
type Hook = (options: Options) => Helpers;

const hooks: Record<'useChat' | 'useDurableChat', Hook> = {
  useChat({ api, headers, body, credentials, fetch, prepareSendMessagesRequest, ...options }) {
    const request = { api, headers, body, credentials, fetch, prepareSendMessagesRequest };
    // Left out and undefined are the same to it.
    const transport = options.transport ?? new DefaultChatTransport<Message>(request as object);
    return useChat<Message>({ ...options, transport });
  },
  useDurableChat: (options) => useDurableChat<Message>(options),
};

const isAi7 = 'toUIMessageStream' in ai;

/** Everything to undo after a test. */
const cleanUp: (() => void | Promise<void>)[] = [];
const rejections: unknown[] = [];
const onRejection = (reason: unknown) => void rejections.push(reason);
beforeEach(() => void process.on('unhandledRejection', onRejection));
afterEach(async () => {
  for (const undo of cleanUp.splice(0).toReversed()) await undo();
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', onRejection);
  expect(rejections.splice(0)).toEqual([]);
});

/** Renders a component with the hook. */
function mount(hook: Hook, first: Options) {
  const root = createRoot(document.createElement('div'));
  let options = first;
  let latest: Helpers | undefined;
  let rendered: Options | undefined;
  const states: string[] = [];
  function View({ options: given }: { options: Options }) {
    latest = hook(given);
    rendered = given;
    const { status, error, messages } = latest;
    const state = `${status} ${messages.map(({ role }) => role).join()} ${error?.message ?? ''}`.trim();
    if (states.at(-1) !== state) states.push(state);
    return null;
  }
  root.render(<View options={options} />);
  cleanUp.push(() => root.unmount());
  return {
    /** Distinct renders, oldest first: status, roles of the messages, error. */
    states,
    get chat() {
      if (!latest) throw new Error('It has not rendered yet.');
      return latest;
    },
    texts: () => latest?.messages.map(textOf) ?? [],
    ready: () => expect.poll(() => latest?.status).toBe('ready'),
    failed: () => expect.poll(() => latest?.status).toBe('error'),
    async render(change: Partial<Options>) {
      options = { ...options, ...change };
      root.render(<View options={options} />);
      await expect.poll(() => rendered).toBe(options);
    },
    unmount: () => root.unmount(),
  };
}

interface Request {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: unknown;
  readonly credentials: RequestCredentials | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A network with one route; it writes down what is asked. */
function network(routes: Record<string, (request: globalThis.Request) => Response | Promise<Response>>) {
  const requests: Request[] = [];
  return {
    requests,
    posts: () => requests.filter(({ method }) => method === 'POST'),
    fetch: async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
      const method = init.method ?? 'GET';
      const url = input as string; // both hooks pass their api as it was given
      const { signal, ...rest } = init;
      requests.push({
        method,
        url,
        headers: Object.fromEntries(new Headers(init.headers)),
        body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined,
        credentials: init.credentials,
        signal: signal ?? undefined,
      });
      signal?.throwIfAborted();
      const route = routes[method] ?? (() => new Response(null, { status: 405 }));
      const aborted = new Promise<never>((_, reject) => {
        signal?.addEventListener('abort', () => {
          reject(new DOMException('This operation was aborted', 'AbortError'));
        });
      });
      aborted.catch(() => {});
      const request = new Request(new URL(url, 'http://parity.test'), rest);
      const response = await Promise.race([route(request), aborted]);
      if (!response.body) return response;
      const reader = response.body.getReader();
      const stream = new ReadableStream<Uint8Array>({
        async pull(controller) {
          const { done, value } = await Promise.race([reader.read(), aborted]).catch((error: unknown) => {
            void reader.cancel().catch(() => {});
            throw error;
          });
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: () => reader.cancel().catch(() => {}),
      });
      return new Response(stream, response);
    },
  };
}

function streamOf<T>(values: Iterable<T> | AsyncIterable<T>): ReadableStream<T> {
  async function* all() {
    yield* values;
  }
  const iterator = all();
  return new ReadableStream<T>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

/** A plain route: what `toUIMessageStreamResponse` makes of these chunks. */
function sse(chunks: Iterable<UIMessageChunk> | AsyncIterable<UIMessageChunk>): Response {
  async function* lines() {
    for await (const chunk of chunks) yield `data: ${JSON.stringify(chunk)}\n\n`;
    yield 'data: [DONE]\n\n';
  }
  return new Response(streamOf(lines()).pipeThrough(new TextEncoderStream()), {
    headers: { 'content-type': 'text/event-stream' },
  });
}

function* answer(text: string, messageId = `answer-${text}`): Generator<UIMessageChunk> {
  yield { type: 'start', messageId };
  yield { type: 'text-start', id: '1' };
  yield { type: 'text-delta', id: '1', delta: text };
  yield { type: 'text-end', id: '1' };
  yield { type: 'finish', finishReason: 'stop' };
}

const said = (id: string, role: 'user' | 'assistant', text: string): Message => ({
  id,
  role,
  parts: [{ type: 'text', text }],
});

function plain(answers: (request: globalThis.Request) => Response | Promise<Response>) {
  return network({ POST: answers });
}

function durable(handler: Handler) {
  const world = createWorld(memoryChannel(), handler);
  cleanUp.push(() => world.settled());
  return {
    ...network({ GET: world.routes.GET, POST: world.routes.POST, DELETE: world.routes.DELETE }),
    world,
  };
}

/** A promise that the test resolves. */
function gate() {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  cleanUp.push(() => open());
  return { opened, open };
}

describe.each(Object.entries(hooks))('%s on a durable route', (name, hook) => {
  /** What the durable hook does otherwise; the reason stands before it. */
  /** The one thing that is meant to differ. */
  const differs = name === 'useDurableChat' ? it.fails : it;
  const echo: Handler = async (request) => {
    const { messages } = (await request.json()) as { messages: Message[] };
    return sse(answer(`to ${textOf(messages.at(-1))}`));
  };
  /** Rendered, and, where there is a session, connected. */
  async function mounted(options: Options) {
    const view = mount(hook, options);
    const chat = () => view.chat as Partial<UseDurableChatHelpers<Message>>;
    await expect.poll(() => chat().id).toBeDefined();
    await expect.poll(() => chat().connection ?? 'connected').toBe('connected');
    return view;
  }

  it('messages: shows them, sends them, and goes on from them', async () => {
    const { fetch, posts } = durable(echo);
    const messages = [said('u', 'user', 'one'), said('a', 'assistant', 'two')];
    const view = await mounted({ id: 's', messages, fetch });
    expect(view.chat.messages).toEqual(messages);
    await view.chat.sendMessage({ text: 'three' });
    await view.ready();
    await expect.poll(view.texts).toEqual(['one', 'two', 'three', 'to three']);
    expect(posts()[0]?.body).toMatchObject({ messages: [...messages, { role: 'user' }] });
  });

  // The hook makes an id for the chat even when it is given one.
  it('generateId: names the chat that has no id, and what is sent', async () => {
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

  it('onData: every data part once and in order, transient ones too', async () => {
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

  it('stop: with nothing to stop it resolves, before the first message too', async () => {
    const { fetch } = durable(echo);
    const view = await mounted({ id: 's', fetch });
    await view.chat.stop();
    await view.chat.sendMessage({ text: 'hello' });
    await expect.poll(view.texts).toEqual(['hello', 'to hello']);
    await view.chat.stop();
    await view.ready();
    expect(view.texts()).toEqual(['hello', 'to hello']);
  });

  it('onError, clearError: what the route answers is the error, and the next send goes through', async () => {
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
    'onError: a refusal stays the error when the session tells late of the end of its run',
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
  it('an error chunk is the error, and what came before it stays', async () => {
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

  // As for an error chunk: as long as the run goes on it is followed again, to the same error.
  it.each([
    ['dataPartSchemas', { type: 'data-weather', data: { degrees: 'many' } }],
    ['messageMetadataSchema', { type: 'message-metadata', messageMetadata: { mood: 5 } }],
  ] as const)('%s: what does not fit is one error, though the answer goes on', async (_, chunk) => {
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
      // The older SDK looks them up by the whole name.
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

  // The log knows nothing of it: what was taken away comes back with the next send.
  differs('setMessages: what it sets is shown, and is what the next send goes on from', async () => {
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

  it('resumeStream: nothing to resume changes nothing', async () => {
    const { fetch, world } = durable(echo);
    const view = await mounted({ id: 's', fetch });
    await view.chat.sendMessage({ text: 'one' });
    await expect.poll(view.texts).toEqual(['one', 'to one']);
    await view.ready();
    await world.settled();
    const before = [...view.states];
    await view.chat.resumeStream();
    await view.render({});
    expect(view.states).toEqual(before);
    expect(view.texts()).toEqual(['one', 'to one']);
  });

  it('id: another one is another chat, with the messages and callbacks of its render', async () => {
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

  it('callbacks: the latest ones are called, in the middle of an answer too', async () => {
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
    it('keeps what is sent meanwhile, and sends it when the answer is there', async () => {
      const { fetch, posts } = durable(modelHandler(scriptedModel()));
      const view = await mounted({ id: 's', fetch, experimental_queue: true });
      void view.chat.sendMessage({ text: 'count to 20 at 100/s' });
      await expect.poll(() => view.texts()[1] ?? '').toContain('2');
      void view.chat.sendMessage({ text: 'count to 2' });
      void view.chat.sendMessage({ text: 'count to 3' });
      await expect.poll(() => view.chat.experimental_queuedMessages.map(textOf)).toHaveLength(2);
      view.chat.experimental_removeQueuedMessage(view.chat.experimental_queuedMessages[1]!.id);
      expect(posts().length).toBe(1);
      await expect.poll(() => view.texts()[3]).toBe('1 2');
      await view.ready();
      expect(view.chat.experimental_queuedMessages).toEqual([]);
      expect(view.texts()).toEqual([
        'count to 20 at 100/s',
        expect.stringMatching(/20$/),
        'count to 2',
        '1 2',
      ]);
    });

    // The SDK's own stop is a closed connection; the run goes on.
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

  // They are read once, when the session is made.
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

  // `credentials` are 'same-origin' where nothing was given.
  it('prepareSendMessagesRequest is given what the SDK gives it', async () => {
    const given: unknown[] = [];
    const request = await posted({
      headers: { 'x-user': 'u' },
      prepareSendMessagesRequest(options) {
        given.push(options);
        return { api: '/api/prepared', body: { mine: 1 }, headers: { 'x-mine': '1' }, credentials: 'omit' };
      },
    });
    // Left out and undefined are the same.
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
  it('asks for nothing itself, and stops, resumes and goes away as that transport does', async () => {
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

  // It is read once, when the chat is made.
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

describe('against a route that is not durable', () => {
  type Step = (view: ReturnType<typeof mount>) => Promise<unknown>;
  type Answers = (request: globalThis.Request, nth: number) => Response | Promise<Response>;
  const text = (request: globalThis.Request) => sse(answer(`to ${request.method}`));
  const send: Step = async (view) => {
    await view.chat.sendMessage({ text: 'hello' });
    await expect.poll(() => view.chat.status).toMatch(/ready|error/);
  };
  const cases: Record<string, { answers: Answers; steps: readonly Step[] }> = {
    'two sends and a regenerate': {
      answers: text,
      steps: [send, send, (view) => view.chat.regenerate()],
    },
    'an edit': {
      answers: text,
      steps: [
        send,
        send,
        (view) => view.chat.sendMessage({ messageId: view.chat.messages[0]!.id, text: 'hello again' }),
      ],
    },
    'a refusal, then a success': {
      answers: (request, nth) => (nth === 0 ? new Response('No credit.', { status: 402 }) : text(request)),
      steps: [send, async (view) => view.chat.clearError(), (view) => view.chat.regenerate()],
    },
    'an error chunk': {
      answers: () => sse([...[...answer('so far')].slice(0, 3), { type: 'error', errorText: 'It broke.' }]),
      steps: [send],
    },
    'no network': {
      answers: () => Promise.reject(new TypeError('fetch failed')),
      steps: [send],
    },
    'a stream that breaks': {
      answers() {
        async function* broken(): AsyncGenerator<UIMessageChunk> {
          yield* [...answer('so far')].slice(0, 3);
          throw new TypeError('network error');
        }
        return sse(broken());
      },
      steps: [send],
    },
    'a stream that ends in the middle': {
      answers: () => sse([...answer('so far')].slice(0, 3)),
      steps: [send],
    },
    'an answer that is no stream': {
      answers: () => new Response('<html>', { headers: { 'content-type': 'text/html' } }),
      steps: [send],
    },
    'an answer without a body': { answers: () => new Response(null, { status: 204 }), steps: [send] },
    'a chunk of no known type': {
      answers: () => sse([{ type: 'start' }, { type: 'nonsense' } as never]),
      steps: [send],
    },
    'messages that the app sets': {
      answers: text,
      steps: [
        send,
        async (view) => view.chat.setMessages([said('u', 'user', 'old'), said('a', 'assistant', 'older')]),
        send,
      ],
    },
    'a stop in the middle': {
      answers: () => sse(endless()),
      steps: [
        async (view) => {
          const sent = view.chat.sendMessage({ text: 'hello' });
          await expect.poll(() => view.texts()[1]).toBe('so far');
          // Whether it resolves is a case of its own.
          await view.chat.stop().catch(() => {});
          await sent;
        },
      ],
    },
    'a stop before the answer has begun': {
      answers: () => new Promise(() => {}),
      steps: [
        async (view) => {
          const sent = view.chat.sendMessage({ text: 'hello' });
          await expect.poll(() => view.chat.status).toBe('submitted');
          void view.chat.stop().catch(() => {});
          await view.ready();
          await sent;
        },
      ],
    },
    'a stop with nothing to stop': {
      answers: text,
      steps: [send, (view) => view.chat.stop()],
    },
  };
  async function* endless(): AsyncGenerator<UIMessageChunk> {
    yield* [...answer('so far')].slice(0, 3);
    await new Promise(() => {});
  }

  /** What a hook asks for and shows. */
  async function trace(hook: Hook, { answers, steps }: (typeof cases)[string]) {
    let nth = 0;
    let ids = 0;
    const events: string[] = [];
    const server = network({
      POST: (request) => answers(request, nth++),
    });
    const view = mount(hook, {
      id: 's',
      fetch: server.fetch,
      generateId: () => `id-${ids++}`,
      onError: ({ name, message }) => events.push(`error ${name} ${message}`),
      onFinish: ({ isAbort, isDisconnect, isError }) =>
        events.push(`finish ${JSON.stringify({ isAbort, isDisconnect, isError })}`),
    });
    await expect.poll(() => view.states.length).toBe(1);
    ids = 0;
    for (const step of steps) {
      await step(view);
      // React renders a moment after the chat has changed.
      await view.render({});
    }
    return {
      posts: server.posts().map(({ method, url, body, signal, ...request }) => {
        // Whether it is sent is a case of its own.
        const { 'idempotency-key': _key, ...headers } = request.headers;
        return { method, url, headers, body, aborted: signal?.aborted ?? false };
      }),
      others: server.requests.filter(({ method }) => method !== 'POST'),
      states: view.states,
      messages: view.chat.messages.map(({ role, parts }) => ({ role, parts })),
      events,
    };
  }

  const all = Object.entries(cases);
  it.each(all)('%s: the same requests, states and callbacks', compare);
  async function compare(_: string, scenario: (typeof cases)[string]): Promise<void> {
    const plainly = await trace(hooks.useChat, scenario);
    const durably = await trace(hooks.useDurableChat, scenario);
    expect({ ...durably, others: [] }).toEqual(plainly);
    const { others } = durably;
    // One request may ask whether there is a session.
    expect(others.slice(1)).toEqual([]);
    expect(others.map(({ method }) => method)).toEqual(others.length === 0 ? [] : ['GET']);
  }

  // A regeneration and an edit carry an `idempotency-key`, which other origins have to allow.
  it('it sends no header that useChat does not send', async () => {
    const { fetch, posts } = plain(text);
    const view = mount(hooks.useDurableChat, { id: 's', fetch });
    await expect.poll(() => view.states.length).toBe(1);
    await view.chat.sendMessage({ text: 'hello' });
    await view.chat.regenerate();
    await expect.poll(view.texts).toEqual(['hello', 'to POST']);
    const sent = { 'content-type': 'application/json' };
    expect(posts().map(({ headers }) => headers)).toEqual([sent, sent]);
  });

  // What the app leaves out is added.
  it('it sends the body that the app prepares as it is', async () => {
    const { fetch, posts } = plain(text);
    const view = mount(hooks.useDurableChat, {
      id: 's',
      fetch,
      prepareSendMessagesRequest: ({ messages }) => ({ body: { prompt: textOf(messages.at(-1)) } }),
    });
    await expect.poll(() => view.states.length).toBe(1);
    await view.chat.sendMessage({ text: 'hello' });
    expect(posts().map(({ body }) => body)).toEqual([{ prompt: 'hello' }]);
  });

  // The hook of the older SDK lets it run.
  const unmounting = Object.entries(hooks).filter(([name]) => isAi7 || name !== 'useChat');
  it.each(unmounting)('%s: unmounted in the middle, it closes the connection', async (_, hook) => {
    const { fetch, posts } = plain(() => sse(endless()));
    const view = mount(hook, { id: 's', fetch });
    await expect.poll(() => view.states.length).toBe(1);
    void view.chat.sendMessage({ text: 'hello' });
    await expect.poll(() => view.texts()[1]).toBe('so far');
    view.unmount();
    await expect.poll(() => posts()[0]?.signal?.aborted).toBe(true);
  });

  it.each<[string, () => Response]>([
    ['404', () => new Response('Not found', { status: 404 })],
    ['405', () => new Response(null, { status: 405 })],
  ])('it asks for a session once, and gives up, when GET answers %s', givesUp);
  // Only a status of 4xx ends the attempts.
  it.each<[string, () => Response]>([
    ['a page', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
    ['204', () => new Response(null, { status: 204 })],
  ])('it asks for a session once, and gives up, when GET answers %s', givesUp);
  async function givesUp(_: string, get: () => Response): Promise<void> {
    const { fetch, requests } = network({ GET: get, POST: text });
    const onError = vi.fn<NonNullable<Options['onError']>>();
    const view = mount(hooks.useDurableChat, { id: 's', fetch, onError });
    const chat = () => view.chat as UseDurableChatHelpers<Message>;
    await expect.poll(() => view.states.length).toBe(1);
    await expect.poll(() => chat().connection).toBe('closed');
    await view.chat.sendMessage({ text: 'hello' });
    await expect.poll(view.texts).toEqual(['hello', 'to POST']);
    expect(requests.map(({ method }) => method)).toEqual(['GET', 'POST']);
    expect(onError).not.toHaveBeenCalled();
  }
});
