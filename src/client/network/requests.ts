// The client's requests to the route, and their shared options, which have the names and types of the AI SDK.

import type { HttpChatTransportInitOptions, UIMessage } from 'ai';
import { DurableChatError, newerError } from '../../protocol/errors.ts';
import {
  durableHeader,
  formatVersion,
  isOurVersion,
  type QueryName,
  type Removal,
  type StopReceipt,
  type ToolClaimBody,
  type ToolOutcomeBody,
} from '../../protocol/requests.ts';
import { takeEvents, type SseEvent } from '../../protocol/sse.ts';
import type { ToolOutcome, WireFrame } from '../../protocol/frames.ts';
import { fetchWith, isNetworkFailure, unreachable } from './network-failure.ts';
import type { Subscribe } from './shared-get.ts';

/** How the client reaches the route. Functions are called for each request. */
export interface RequestOptions extends Pick<
  HttpChatTransportInitOptions<UIMessage>,
  'headers' | 'credentials'
> {
  /**
   * Replaces the platform's `fetch`. Its own errors are thrown unchanged, and not retried. A `TypeError`, an abort, a timeout
   * and an error with `code: 'network'` count as failures of the network.
   */
  readonly fetch?: HttpChatTransportInitOptions<UIMessage>['fetch'] | undefined;
  /** The route. A function is called for each request. @defaultValue `/api/chat` */
  readonly api?: string | (() => string | undefined);
}

/** The requests of one session to its route. */
export interface Requests {
  readonly options: RequestOptions;
  /** The current address of the route. */
  api(): string;
  /** Whether a response came from a durable route, refusals included. */
  readonly isDurable: boolean;
  /**
   * Whether the route has no sessions: the response to a send came from such a route, or the GET fails like that of a
   * route without GET.
   */
  readonly isPlain: boolean;
  /** Learns from the response to a send. */
  hear(response: Response): void;
  /** One GET for one session or several. */
  readonly subscribe: Subscribe;
  /** Stops one run, or all. Resolves with the server's receipt. */
  stop(sessionId: string, runId: string | undefined): Promise<StopReceipt>;
  /** Takes back a send that waits for its turn. */
  withdraw(sessionId: string, runId: string): Promise<void>;
  /** Deletes one message, or without one all of them. */
  delete(sessionId: string, messageId: string | undefined): Promise<void>;
  /** Posts a command that is not a send. Resolves with the server's JSON. */
  post(body: ToolOutcomeBody | ToolClaimBody): Promise<unknown>;
}

/** The outcome of an open tool call. */
export interface ToolOutcomeOptions {
  /** The message with the call. */
  readonly messageId: string;
  /** The call, in that message. */
  readonly toolCallId: string;
  /** The output, the error, or the decision about an approval. */
  readonly outcome: ToolOutcome;
}

/** The number of failed GETs after which a route counts as one without sessions. */
const failuresOfPlain = 3;

/**
 * Rejections are `DurableChatError`s: the server's, `network` if there was no response, `bad_request` for a body that
 * is not JSON. Errors of the app's options are thrown unchanged.
 */
export function createRequests(options: RequestOptions): Requests {
  const api = () => (typeof options.api === 'function' ? options.api() : options.api) ?? '/api/chat';
  let isDurable = false;
  let isProvenPlain = false;
  /** Successive failures of the route itself. */
  let failures = 0;
  async function request(
    method: string,
    query: Partial<Record<QueryName, string>> | [QueryName, string][],
    { body, signal }: { readonly body?: unknown; readonly signal?: AbortSignal } = {},
  ): Promise<Response> {
    const route = api();
    const headers = new Headers(await resolve(options.headers));
    const credentials = await resolve(options.credentials);
    if (body !== undefined) headers.set('content-type', 'application/json');
    const text = body === undefined ? undefined : textOf(body);
    const search = new URLSearchParams(query);
    search.set('wire' satisfies QueryName, String(formatVersion));
    const url = `${route}${route.includes('?') ? '&' : '?'}${search.toString()}`;
    let response: Response;
    try {
      response = await fetchWith(options.fetch, url, {
        method,
        headers,
        ...(text !== undefined && { body: text }),
        ...(credentials && { credentials }),
        ...(signal && { signal }),
        cache: 'no-store',
      });
    } catch (cause) {
      throw isNetworkFailure(cause) ? unreachable(cause) : cause;
    }
    isDurable ||= response.headers.has(durableHeader);
    // A gateway reports an outage with another status.
    if (method === 'GET') failures = [500, 501].includes(response.status) ? failures + 1 : 0;
    if (!isDurable && isProvenPlain && !response.ok) throw noSessions(404);
    if (!response.ok) throw DurableChatError.fromBody(response.status, await response.text().catch(() => ''));
    // A frame of another version can have another meaning.
    if (!isOurVersion(response.headers)) {
      await response.body?.cancel();
      throw newerError('response');
    }
    return response;
  }

  return {
    options,
    api,
    get isDurable() {
      return isDurable;
    },
    get isPlain() {
      return !isDurable && (isProvenPlain || failures >= failuresOfPlain);
    },
    hear(response) {
      isDurable ||= response.headers.has(durableHeader);
      isProvenPlain ||= !isDurable && response.ok && isEventStream(response);
    },
    async subscribe(sessions, { signal, subscriptionId, onEvent }) {
      const query = sessions.map(({ sessionId }): [QueryName, string] => ['id', sessionId]);
      // If one session has a cursor, each one has an `after`, in the same order.
      if (sessions.some(({ after }) => after))
        for (const { after } of sessions) query.push(['after', after ?? '']);
      if (subscriptionId !== undefined) query.push(['subscription', subscriptionId]);
      const response = await request('GET', query, { signal });
      if (!response.body || !isEventStream(response)) throw noSessions(response.status);
      const only = sessions.length === 1 ? sessions[0]?.sessionId : undefined;
      return takeEvents(response.body, (event) => onEvent(event, event && (only ?? sessionOf(event))));
    },
    async stop(sessionId, runId) {
      const query = { id: sessionId, durable: 'stop' satisfies Removal };
      const response = await request('DELETE', { ...query, ...(runId !== undefined && { runId }) });
      return (await jsonOf(response)) as StopReceipt; // a response of our server
    },
    async withdraw(sessionId, runId) {
      await jsonOf(await request('DELETE', { id: sessionId, durable: 'withdraw' satisfies Removal, runId }));
    },
    async delete(sessionId, messageId) {
      const durable: Removal = messageId === undefined ? 'clear' : 'delete-message';
      const query = { id: sessionId, durable, ...(messageId !== undefined && { messageId }) };
      // What is not JSON is not of our server.
      await jsonOf(await request('DELETE', query));
    },
    async post(body) {
      return jsonOf(await request('POST', {}, { body }));
    },
  };
}

/** Whether the response is a stream of events. */
export function isEventStream({ headers }: Response): boolean {
  return headers.get('content-type')?.includes('text/event-stream') === true;
}

/** The error for a route without sessions. */
function noSessions(status: number): DurableChatError {
  return new DurableChatError(
    'not_found',
    'The route has no sessions. Wrap its handler with `durableRoute` or `createDurableChat`, and export the `GET` that it returns.',
    { status },
  );
}

/** The session of an event, on a connection with several sessions. */
function sessionOf({ data }: SseEvent): string | undefined {
  return (JSON.parse(data) as WireFrame).sessionId; // a response of our server
}

function textOf(body: unknown): string {
  try {
    return JSON.stringify(body);
  } catch (cause) {
    throw new DurableChatError('bad_request', 'The body cannot be written as JSON. Send only JSON values.', {
      cause,
    });
  }
}

/** A response can break too. */
function jsonOf(response: Response): Promise<unknown> {
  return response.json().catch((cause: unknown) => {
    throw unreachable(cause);
  });
}

/** The value of an option at the time of the request. */
export function resolve<T>(
  value: T | PromiseLike<T> | (() => T | PromiseLike<T>) | undefined,
): T | undefined | PromiseLike<T> {
  return typeof value === 'function' ? (value as () => T | PromiseLike<T>)() : value;
}
