// A durable chat and its network in one process: real routes, real client code, and connections that a test
// can cut at any byte.

import {
  convertToModelMessages,
  streamText,
  type LanguageModel,
  type UIMessage,
  type UIMessageChunk,
} from 'ai';
import type { Channel } from '../channel/channel.ts';
import {
  createDurableChat,
  type DurableChat,
  type DurableChatOptions,
  type Handler,
  type Routes,
} from '../index.ts';
import { breakAfter } from './drop-at.ts';

export interface Network {
  /** A `fetch` for one client; its connections are its own. */
  client(): Client;
}

export interface Client {
  readonly fetch: typeof fetch;
  /** Every request so far, newest last. */
  readonly requests: { readonly method: string; readonly url: string }[];
  /** Breaks every open connection; new ones are refused while `refuse` is set. */
  cut(): void;
  /** The server behind it is gone: requests under way fail too, and every later one. */
  crash(): void;
  refuse: boolean;
  /** Called for each request: whether the server gets it and the answer does not come back. */
  lose: (method: string) => boolean;
  /** Connections that are open now. */
  readonly open: number;
  /** Called for each new response: how many bytes it may carry before it breaks; undefined for no limit. */
  limit: (method: string) => number | undefined;
}

export interface World {
  readonly chat: DurableChat;
  readonly routes: Routes;
  client(): Client;
  /** Resolves once every accepted run has ended. */
  settled(): Promise<void>;
}

export function createWorld(
  channel: Channel,
  handler: Handler,
  options: Omit<DurableChatOptions, 'channel'> = {},
): World {
  const work = new Set<Promise<unknown>>();
  const chat = createDurableChat({
    channel,
    onError: () => {},
    waitUntil: (promise) => {
      work.add(promise);
      void promise.finally(() => work.delete(promise)).catch(() => {});
    },
    ...options,
  });
  const routes = chat.route(handler);
  return {
    chat,
    routes,
    client: () => createClient((request) => routes[request.method as keyof Routes](request)),
    async settled() {
      while (work.size > 0) await Promise.allSettled(work);
    },
  };
}

/** A client of whatever answers its requests. */
export function createClient(
  respond: (request: Request) => Promise<Response>,
  base = 'http://durable.test',
): Client {
  const breakers = new Set<() => void>();
  const failures = new Set<() => void>();
  const client: Client = {
    requests: [],
    refuse: false,
    lose: () => false,
    get open() {
      return breakers.size;
    },
    limit: () => undefined,
    cut() {
      for (const breakConnection of [...breakers]) breakConnection();
    },
    crash() {
      client.refuse = true;
      client.cut();
      for (const fail of [...failures]) fail();
    },
    async fetch(input, init) {
      // Callers of this fetch pass a path and an init.
      const url = new URL(input as string, base);
      const method = init?.method ?? 'GET';
      client.requests.push({ method, url: url.pathname + url.search });
      if (client.refuse) throw new TypeError('fetch failed');
      init?.signal?.throwIfAborted();
      const { signal, ...rest } = init ?? {};
      const lost = client.lose(method);
      const answer = respond(new Request(url, rest));
      if (lost) {
        await (await answer).body?.cancel();
        throw new TypeError('fetch failed');
      }
      const response = await unlessFailed(answer, signal ?? undefined, failures);
      if (!response.body) return response;
      const limit = client.limit(method);
      const body = limit === undefined ? response.body : breakAfter(response.body, limit);
      return new Response(wire(body, signal ?? undefined, breakers), response);
    },
  };
  return client;
}

/** The answer, unless `signal` aborts first or the server is gone. */
async function unlessFailed(
  answer: Promise<Response>,
  signal: AbortSignal | undefined,
  failures: Set<() => void>,
): Promise<Response> {
  let fail: () => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = () => reject(signal?.aborted ? (signal.reason as Error) : new TypeError('fetch failed'));
  });
  failures.add(fail);
  signal?.addEventListener('abort', fail);
  try {
    return await Promise.race([answer, failed]);
  } finally {
    failures.delete(fail);
    signal?.removeEventListener('abort', fail);
  }
}

/** A body that can break: on abort, or on a cut. */
function wire(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal | undefined,
  breakers: Set<() => void>,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let breakConnection: () => void = () => {};
  return new ReadableStream<Uint8Array>({
    start(controller) {
      breakConnection = () => {
        breakers.delete(breakConnection);
        controller.error(signal?.aborted ? signal.reason : new TypeError('network error'));
        void reader.cancel().catch(() => {});
      };
      breakers.add(breakConnection);
      signal?.addEventListener('abort', () => breakers.has(breakConnection) && breakConnection());
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (!breakers.has(breakConnection)) return;
      if (done) {
        breakers.delete(breakConnection);
        return controller.close();
      }
      controller.enqueue(value);
    },
    cancel() {
      breakers.delete(breakConnection);
      void reader.cancel().catch(() => {});
    },
  });
}

/** The usual handler, in the form that `ai` 6 and 7 share. */
export function modelHandler(model: LanguageModel): Handler {
  return async (request) => {
    const { messages } = (await request.json()) as { messages: UIMessage[] };
    const result = streamText({
      model,
      messages: await convertToModelMessages(messages),
      abortSignal: request.signal,
    });
    return result.toUIMessageStreamResponse();
  };
}

/** A handler that answers with these chunks, in batches as they come out of `next`. */
export function chunkHandler(
  produce: (signal: AbortSignal) => AsyncIterable<UIMessageChunk> | Iterable<UIMessageChunk>,
): Handler {
  return (request) => {
    const iterable = produce(request.signal);
    const iterator =
      Symbol.asyncIterator in iterable ? iterable[Symbol.asyncIterator]() : iterable[Symbol.iterator]();
    return new ReadableStream<UIMessageChunk>({
      async pull(controller) {
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    });
  };
}

/** A POST body as the AI SDK makes it. */
export function sendBody(id: string, text: string, messageId = `user-${text}`): string {
  return JSON.stringify({
    id,
    trigger: 'submit-message',
    messages: [{ id: messageId, role: 'user', parts: [{ type: 'text', text }] }],
  });
}
