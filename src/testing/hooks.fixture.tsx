// Both hooks, rendered side by side on routes that write down what is asked of them.

import { useChat, type UseChatHelpers } from '@ai-sdk/react';
import * as ai from 'ai';
import { DefaultChatTransport, type UIMessage, type UIMessageChunk } from 'ai';
import { createRoot } from 'react-dom/client';
import { afterEach, beforeEach, expect } from 'vitest';
import { memoryChannel } from '../channel/memory.ts';
import type { Handler } from '../index.ts';
import { textOf } from './tab.fixture.ts';
import { createWorld, type World } from './world.fixture.ts';
import { useDurableChat, type UseDurableChatOptions } from '../react/use-durable-chat.ts';

export type Message = UIMessage<{ mood: string }, { weather: { degrees: number } }>;
export type Options = UseDurableChatOptions<Message>;
export type Helpers = Omit<UseChatHelpers<Message>, 'stop'> & { stop(): Promise<unknown> };
export type Hook = (options: Options) => Helpers;

export const hooks: Record<'useChat' | 'useDurableChat', Hook> = {
  useChat({ api, headers, body, credentials, fetch, prepareSendMessagesRequest, ...options }) {
    const request = { api, headers, body, credentials, fetch, prepareSendMessagesRequest };
    // Left out and undefined are the same to it.
    const transport = options.transport ?? new DefaultChatTransport<Message>(request as object);
    return useChat<Message>({ ...options, transport });
  },
  useDurableChat: (options) => useDurableChat<Message>(options),
};

export const isAi7: boolean = 'toUIMessageStream' in ai;

/** Everything to undo after a test. */
export const cleanUp: (() => void | Promise<void>)[] = [];
const rejections: unknown[] = [];
const onRejection = (reason: unknown) => void rejections.push(reason);
beforeEach(() => void process.on('unhandledRejection', onRejection));
afterEach(async () => {
  for (const undo of cleanUp.splice(0).toReversed()) await undo();
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', onRejection);
  expect(rejections.splice(0)).toEqual([]);
});

export interface View {
  /** Distinct renders, oldest first: status, roles of the messages, error. */
  readonly states: string[];
  readonly chat: Helpers;
  texts(): string[];
  ready(): Promise<void>;
  failed(): Promise<void>;
  render(change: Partial<Options>): Promise<void>;
  unmount(): void;
}

/** Renders a component with the hook. */
export function mount(hook: Hook, first: Options): View {
  const root = createRoot(document.createElement('div'));
  let options = first;
  let latest: Helpers | undefined;
  let rendered: Options | undefined;
  const states: string[] = [];
  function Component({ options: given }: { options: Options }) {
    latest = hook(given);
    rendered = given;
    const { status, error, messages } = latest;
    const state = `${status} ${messages.map(({ role }) => role).join()} ${error?.message ?? ''}`.trim();
    if (states.at(-1) !== state) states.push(state);
    return null;
  }
  root.render(<Component options={options} />);
  cleanUp.push(() => root.unmount());
  return {
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
      root.render(<Component options={options} />);
      await expect.poll(() => rendered).toBe(options);
    },
    unmount: () => root.unmount(),
  };
}

export interface Request {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: unknown;
  readonly credentials: RequestCredentials | undefined;
  readonly signal: AbortSignal | undefined;
}

type Answer = (request: globalThis.Request) => Response | Promise<Response>;

export interface Network {
  readonly requests: Request[];
  posts(): Request[];
  readonly fetch: typeof fetch;
}

/** A network with one route; it writes down what is asked. */
export function network(routes: Record<string, Answer>): Network {
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

export function streamOf<T>(values: Iterable<T> | AsyncIterable<T>): ReadableStream<T> {
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
export function sse(chunks: Iterable<UIMessageChunk> | AsyncIterable<UIMessageChunk>): Response {
  async function* lines() {
    for await (const chunk of chunks) yield `data: ${JSON.stringify(chunk)}\n\n`;
    yield 'data: [DONE]\n\n';
  }
  return new Response(streamOf(lines()).pipeThrough(new TextEncoderStream()), {
    headers: { 'content-type': 'text/event-stream' },
  });
}

export function* answer(text: string, messageId = `answer-${text}`): Generator<UIMessageChunk> {
  yield { type: 'start', messageId };
  yield { type: 'text-start', id: '1' };
  yield { type: 'text-delta', id: '1', delta: text };
  yield { type: 'text-end', id: '1' };
  yield { type: 'finish', finishReason: 'stop' };
}

export const said = (id: string, role: 'user' | 'assistant', text: string): Message => ({
  id,
  role,
  parts: [{ type: 'text', text }],
});

export function plain(answers: Answer): Network {
  return network({ POST: answers });
}

export function durable(handler: Handler): Network & { readonly world: World } {
  const world = createWorld(memoryChannel(), handler);
  cleanUp.push(() => world.settled());
  return {
    ...network({ GET: world.routes.GET, POST: world.routes.POST, DELETE: world.routes.DELETE }),
    world,
  };
}

/** A promise that the test resolves. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  cleanUp.push(() => open());
  return { opened, open };
}
