// The `fetch` of a process that reaches a simulated Upstash: a request gets its response without a socket.

import { eventOf, type Rest, type RestResponse } from '../../testing/upstash-rest.ts';
import { MAX_REQUEST_BYTES, type RestRequest } from '../../testing/upstash-request.ts';
import { notSimulated } from './command.ts';

/** What a `fetch` stands before. */
export interface FetchOptions {
  readonly rest: Rest;
  /** Runs what reaches the process. */
  readonly enter: (run: () => void) => void;
  /** Listens to a channel. Each message becomes an event; the result ends that. */
  readonly listen: (channel: string, line: Line) => () => void;
}

/** An open subscription, from the store's side. */
export interface Line {
  send(message: string): void;
  /** The body ends. */
  end(): void;
  /** The body breaks. */
  reset(): void;
}

/** @returns A function for `@upstash/redis` and for the channel's own subscriptions. It takes no `Request`. */
export function createFetch({ rest, enter, listen }: FetchOptions): typeof fetch {
  return (input, init = {}) =>
    new Promise((resolve, reject) => {
      const { signal } = init;
      if (signal?.aborted) return reject(signal.reason as Error);
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      const finish = (response: RestResponse) => {
        switch (response.kind) {
          case 'none':
            return;
          case 'broken':
            return reject(new TypeError('fetch failed'));
          case 'json':
            return resolve(responseOf(response.status, response.body, rest.headersFor('application/json')));
          case 'events': {
            if (signal?.aborted) return;
            if (response.isLost) return reject(new TypeError('fetch failed'));
            const headers = rest.headersFor('text/event-stream');
            return resolve(new Response(eventsOf(response.command, listen, signal), { headers }));
          }
          default:
            return response satisfies never;
        }
      };
      rest.respond(requestOf(input, init)).then((response) => enter(() => finish(response)), reject);
    });
}

function requestOf(input: unknown, { method = 'GET', headers, body }: RequestInit): RestRequest {
  if (typeof input !== 'string' || (body !== undefined && body !== null && typeof body !== 'string')) {
    throw notSimulated('request that is not a string');
  }
  const text = body ?? '';
  return {
    method,
    url: /^\w+:\/\/[^/]+(\/.*)?$/s.exec(input)?.[1] ?? '/',
    headers: lowerCase(headers as Record<string, string>), // both callers pass a plain object
    body: Buffer.byteLength(text) <= MAX_REQUEST_BYTES ? text : undefined,
  };
}

function lowerCase(headers: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** The part of a `Response` that the client reads. A real one costs four times as much as all the rest of a request. */
function responseOf(status: number, body: unknown, headers: Record<string, string>): Response {
  const part = {
    ok: status === 200,
    status,
    headers: { get: (name: string) => headers[name] ?? null },
    body: null,
    text: async () => JSON.stringify(body),
  };
  return part as unknown as Response; // what is missing throws where it is used
}

function eventsOf(
  [kind, channel, ...more]: readonly string[],
  listen: FetchOptions['listen'],
  signal: AbortSignal | null | undefined,
): ReadableStream<Uint8Array> {
  if (kind !== 'subscribe' || channel === undefined || more.length > 0)
    throw notSimulated(`subscription ${kind}`);
  const encoder = new TextEncoder();
  let close = () => {};
  return new ReadableStream({
    start(controller) {
      const send = (push: readonly (string | number)[]) => controller.enqueue(encoder.encode(eventOf(push)));
      let isOpen = true;
      const over = (how: () => void) => {
        if (!isOpen) return;
        isOpen = false;
        close();
        how();
      };
      const unlisten = listen(channel, {
        send: (message) => isOpen && send(['message', channel, message]),
        end: () => over(() => controller.close()),
        reset: () => over(() => controller.error(new TypeError('terminated'))),
      });
      close = () => {
        isOpen = false;
        unlisten();
      };
      signal?.addEventListener('abort', () => over(() => controller.error(signal.reason)), { once: true });
      send(['subscribe', channel, 1]);
    },
    cancel: () => close(),
  });
}
