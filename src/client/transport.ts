// The AI SDK's ChatTransport over a durable session. A send's stream begins on the POST response and, if that
// breaks, goes on from the session at the same chunk. Against a server that is not durable it is the SDK's
// own transport.

import {
  DefaultChatTransport,
  generateId,
  HttpChatTransport,
  type ChatTransport,
  type HttpChatTransportInitOptions,
  type UIMessage,
  type UIMessageChunk,
} from 'ai';
import { DurableChatError } from '../protocol/errors.ts';
import { readEvents } from '../protocol/sse.ts';
import { apiOf } from './requests.ts';
import type { RunLog } from './run-log.ts';
import type { DurableSession } from './session.ts';

export interface DurableChatTransportOptions<M extends UIMessage> extends Omit<
  HttpChatTransportInitOptions<M>,
  'api' | 'prepareReconnectToStreamRequest'
> {
  readonly session: DurableSession;
}

type SendOptions<M extends UIMessage> = Parameters<ChatTransport<M>['sendMessages']>[0];

export class DurableChatTransport<M extends UIMessage = UIMessage> implements ChatTransport<M> {
  /** What `reconnectToStream` returns begins at the beginning. */
  readonly resumeStreamIsReplay = true;
  readonly session: DurableSession;
  readonly #options: Omit<HttpChatTransportInitOptions<M>, 'api'>;

  constructor({ session, ...options }: DurableChatTransportOptions<M>) {
    this.session = session;
    const { api: _api, ...shared } = session.requests.options;
    this.#options = { ...shared, ...options };
  }

  async sendMessages(options: SendOptions<M>): Promise<ReadableStream<UIMessageChunk>> {
    const { session } = this;
    const { following } = session;
    const last = options.messages.at(-1);
    // What the log has already is not pending: if it goes, it is gone.
    const known = session.getSnapshot().state?.order ?? [];
    if (last?.role === 'user' && !known.includes(last.id)) following.addPending(last.id);
    const post = new Post({ ...this.#options, api: apiOf(session.requests.options) }, options, session);
    // Followed before anybody learns that the send has its run: it is not to be followed twice.
    const started = post.run.then((run) => {
      if (run !== undefined) following.follow(run, 'own');
      return run;
    });
    session.trackSend(started.catch(() => undefined));
    const [run, response] = await Promise.all([started, post.response]);
    if (run === undefined) return new PlainStream<M>().read(response);

    const log = session.runLog(run);
    const read = log.stream((how) => following.leave(run, how));
    void pump(response, log)
      // Somebody who has left the chat does not wait for its end.
      .then(() => (following.isReading(run) ? finishFromSession(log, session) : undefined))
      .then(() => session.forget(run));
    return read;
  }

  /** The active run that nobody follows yet, from its start; null when there is none. */
  async reconnectToStream(): Promise<ReadableStream<UIMessageChunk> | null> {
    const { session } = this;
    const run = session.following.next(session.getSnapshot().runs);
    // A run that continues a message cannot be read without it: `syncChat` shows such a run.
    const continues = run && session.getSnapshot().state?.byId.has(run.messageId);
    return run && !continues ? session.replay(run.run) : null;
  }
}

/** One POST, made by the SDK's own code. An abort leaves it alone until the run is known (G2). */
class Post<M extends UIMessage> extends HttpChatTransport<M> {
  readonly run: Promise<string | undefined>;
  readonly response: Promise<ReadableStream<Uint8Array>>;

  constructor(
    options: HttpChatTransportInitOptions<M>,
    { abortSignal, ...send }: SendOptions<M>,
    session: DurableSession,
  ) {
    /** What only a durable route understands is said only to one. */
    const isDurable = session.getSnapshot().state !== undefined;
    const leave = new AbortController();
    const request = options.fetch ?? ((...args) => fetch(...args));
    let tellRun: (run: string | undefined) => void;
    const run = new Promise<string | undefined>((resolve) => (tellRun = resolve));
    const { prepareSendMessagesRequest: prepare } = options;
    super({
      ...options,
      ...(prepare && isDurable && { prepareSendMessagesRequest: completed(prepare) }),
      fetch: async (input, init) => {
        const response = await request(input, { ...init, signal: leave.signal });
        // A refusal names no run: what it is known by is the end of the send.
        if (response.ok) tellRun(response.headers.get('x-durable-run') ?? undefined);
        else await throwOurs(response);
        // Now the run can be stopped by its name: leaving stops nothing.
        if (abortSignal?.aborted) leave.abort();
        else abortSignal?.addEventListener('abort', () => leave.abort());
        return response;
      },
    });
    // A route without sessions is left at once: there is no run to be stopped by its name.
    if (session.getSnapshot().connection === 'closed') {
      abortSignal?.addEventListener('abort', () => leave.abort());
    }
    const sent = this.sendMessages({
      ...send,
      ...(isDurable && { headers: named(send) }),
      abortSignal: undefined,
    });
    this.response = sent as unknown as Promise<ReadableStream<Uint8Array>>; // processResponseStream hands it on
    this.run = Promise.race([run, sent.then(() => undefined)]);
  }

  protected override processResponseStream(
    stream: ReadableStream<Uint8Array>,
  ): ReadableStream<UIMessageChunk> {
    return stream as unknown as ReadableStream<UIMessageChunk>; // taken as bytes by `response`
  }
}

type Prepare<M extends UIMessage> = NonNullable<
  HttpChatTransportInitOptions<M>['prepareSendMessagesRequest']
>;

/** A body of the app's own making, with what the route has to know if it left that out. */
function completed<M extends UIMessage>(prepare: Prepare<M>): Prepare<M> {
  return async (options) => {
    const prepared = await prepare(options);
    // None today: then the SDK's own body it is.
    if (!prepared) return prepared;
    const { id, trigger, messageId, messages } = options;
    return { ...prepared, body: { id, trigger, messageId, messages: messages.slice(-1), ...prepared.body } };
  };
}

/** Each regeneration and each edit is a wish of its own: its name tells it from an earlier one. */
function named<M extends UIMessage>(send: Omit<SendOptions<M>, 'abortSignal'>): Record<string, string> {
  const headers = Object.fromEntries(new Headers(send.headers).entries());
  if (send.trigger === 'submit-message' && send.messageId === undefined) return headers;
  return { 'idempotency-key': generateId(), ...headers };
}

/** Throws what a durable route refused the send with; anything else is the SDK's to report. */
async function throwOurs(response: Response): Promise<void> {
  const error = DurableChatError.parse(response.status, await response.clone().text());
  if (error) throw error;
}

/** Makes the SDK's own reading of a response available. */
class PlainStream<M extends UIMessage> extends DefaultChatTransport<M> {
  read(body: ReadableStream<Uint8Array>): ReadableStream<UIMessageChunk> {
    return this.processResponseStream(body);
  }
}

/** Feeds the run from the POST response; what that does not bring, the session does. */
async function pump(body: ReadableStream<Uint8Array>, log: RunLog): Promise<void> {
  try {
    const reader = readEvents(body).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (value.data === '[DONE]') return log.end();
      const chunk = JSON.parse(value.data) as UIMessageChunk; // our own server's
      log.accept(Number(value.id) - 1, [chunk]);
    }
  } catch {
    // The session brings the rest.
  }
}

/** Keeps the subscription up until the run has ended; gives up only when the subscription cannot be had. */
function finishFromSession(log: RunLog, session: DurableSession): Promise<void> {
  if (log.ended) return Promise.resolve();
  return new Promise((resolve) => {
    const close = session.open();
    const check = () => {
      const { connection, error, state } = session.getSnapshot();
      if (connection === 'closed') log.end(error); // which says why it is closed
      else if (state?.ended.has(log.run)) log.end();
      if (!log.ended) return;
      off();
      close();
      resolve();
    };
    const off = session.subscribe(check);
    check();
  });
}
