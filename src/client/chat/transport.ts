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
import { DurableChatError } from '../../protocol/errors.ts';
import { chunkCounts, takeEvents } from '../../protocol/sse.ts';
import { preparedBody } from './prepared-body.ts';
import type { RunLog } from '../run-log.ts';
import { isAnswered, isPlainRoute, untilAnswered } from '../plain-route.ts';
import type { DurableSession } from '../session.ts';

/** `prepareReconnectToStreamRequest` is for a route that is not durable: on a durable one nothing is reconnected. */
export interface DurableChatTransportOptions<M extends UIMessage> extends Omit<
  HttpChatTransportInitOptions<M>,
  'api'
> {
  readonly session: DurableSession;
  /** As the SDK's own transport takes it, for a route that is not durable. Default true. */
  readonly resumeStreamIsReplay?: boolean;
}

type SendOptions<M extends UIMessage> = Parameters<ChatTransport<M>['sendMessages']>[0];
type ReconnectOptions<M extends UIMessage> = Parameters<ChatTransport<M>['reconnectToStream']>[0];

export class DurableChatTransport<M extends UIMessage = UIMessage> implements ChatTransport<M> {
  readonly session: DurableSession;
  readonly #options: Omit<HttpChatTransportInitOptions<M>, 'api'>;
  readonly #plain: Pick<DurableChatTransportOptions<M>, 'resumeStreamIsReplay'>;

  constructor(given: DurableChatTransportOptions<M>) {
    const { session, resumeStreamIsReplay: _, ...options } = given;
    this.session = session;
    // Not read yet: it may be a getter.
    this.#plain = given;
    const { api: _api, ...shared } = session.requests.options;
    this.#options = { ...shared, ...options };
  }

  /** Whether what `reconnectToStream` returns begins at the beginning: on a durable route it does. */
  get resumeStreamIsReplay(): boolean {
    return !isPlainRoute(this.session) || (this.#plain.resumeStreamIsReplay ?? true);
  }

  async sendMessages(options: SendOptions<M>): Promise<ReadableStream<UIMessageChunk>> {
    const { session } = this;
    const { following, left } = session;
    const last = options.messages.at(-1);
    // What the log has, or had when it was to be changed, is not pending: if it goes, it is gone.
    const { order: known = [], begun = false } = session.getSnapshot().state ?? {};
    const added = isNew(options) && last?.role === 'user' ? last.id : undefined;
    if (added !== undefined && !known.includes(added)) following.addPending(added);
    const key = nameOf(options);
    const attempt = () => {
      const { sent } = new Post(this.#options, options, session, key);
      session.trackSend(
        sent.then(({ runId }) => runId, untilHeard),
        // What a session begins with is in the log only with the run.
        begun || options.messages.length === 1 ? added : undefined,
      );
      return sent;
    };
    const { outbox } = session;
    const answer = outbox ? outbox.deliver({ ...options, key }, attempt) : attempt();
    // Whatever becomes of the session meanwhile: the chat shows what it has sent.
    if (last)
      void answer.then(
        () => following.accept(last.id),
        () => following.refuse(last.id),
      );
    const { runId, body } = await answer;
    if (runId === undefined) return new PlainStream<M>().read(body);

    const log = session.runLog(runId);
    const read = log.stream((how) => following.leave(runId, how), left);
    // Whoever leaves the chat lets go of the connection, which stops no run (G2).
    void pump(body.pipeThrough(new TransformStream<Uint8Array, Uint8Array>(), { signal: left }), log)
      // Somebody who has left the chat does not wait for its end.
      .then(() =>
        following.isReading(runId) && !left.aborted ? finishFromSession(log, session, left) : undefined,
      )
      .then(() => session.forget(runId));
    return read;
  }

  /**
   * The active run that nobody follows yet, from its start; null when there is none. Where the route is not durable it
   * is the SDK's own request.
   */
  async reconnectToStream(options: ReconnectOptions<M>): Promise<ReadableStream<UIMessageChunk> | null> {
    const { session } = this;
    // Without a pause where it is known: a run is followed before anybody else can look for one to follow.
    if (!isAnswered(session)) await untilAnswered(session, isAnswered, { signal: options.abortSignal });
    if (isPlainRoute(session)) {
      const api = session.requests.api();
      return new PlainStream<M>({ ...this.#options, api }).reconnectToStream(options);
    }
    const run = session.following.next(session.getSnapshot().runs);
    // A run that continues a message cannot be read without it: `syncChat` shows such a run.
    const continues = run && session.getSnapshot().state?.byId.has(run.messageId);
    return run && !continues ? session.replay(run.runId) : null;
  }
}

/** What a send has become. */
interface Sent {
  /** Undefined when the route is not durable. */
  readonly runId: string | undefined;
  readonly body: ReadableStream<Uint8Array>;
}

/** One POST, made by the SDK's own code. An abort leaves it alone until the run is known (G2). */
class Post<M extends UIMessage> extends HttpChatTransport<M> {
  readonly sent: Promise<Sent>;

  constructor(
    options: HttpChatTransportInitOptions<M>,
    { abortSignal, ...send }: SendOptions<M>,
    session: DurableSession,
    key: string | undefined,
  ) {
    const last = send.messages.at(-1);
    /** What only a durable route understands is said only to one. */
    const isDurable = () => session.getSnapshot().state !== undefined;
    const leave = new AbortController();
    /** At an abort, if that may be then. */
    const leaveWhen = (isAllowed: () => boolean) => {
      const check = () => void (isAllowed() && leave.abort());
      if (abortSignal?.aborted) check();
      else abortSignal?.addEventListener('abort', check);
    };
    const request = options.fetch ?? ((...args) => fetch(...args));
    let runId: string | undefined;
    const { prepareSendMessagesRequest: prepare } = options;
    const prepared = prepare && preparedBody(prepare, session);
    super({
      ...options,
      api: session.requests.api(),
      ...(prepared && { prepareSendMessagesRequest: prepared.prepare }),
      fetch: async (input, init) => {
        const post = (change?: RequestInit) => {
          const named = isDurable() && key !== undefined && { 'idempotency-key': key };
          // The SDK's own headers are a plain object.
          const headers = { ...named, ...(init?.headers as Record<string, string>) };
          return request(input, { ...init, ...change, headers, signal: leave.signal });
        };
        let response = await post();
        session.requests.hear(response);
        let refusal = await refusalOf(response);
        if (refusal?.code === 'bad_request' && prepared?.whole) {
          response = await post({ body: JSON.stringify(prepared.whole) });
          refusal = await refusalOf(response);
        }
        if (refusal) throw refusal;
        runId = response.headers.get('x-durable-run') ?? undefined;
        // Followed before anybody learns that the send has its run: it is not to be followed twice.
        if (runId !== undefined && response.ok) session.following.follow(runId, 'own', last?.id);
        // Now the run can be stopped by its name: leaving stops nothing.
        leaveWhen(() => true);
        return response;
      },
    });
    // A route without sessions is left at once: there is no run to be stopped by its name.
    leaveWhen(() => isPlainRoute(session));
    // What is still on its way brings itself: a session that is new to the server is not to begin with it.
    const messages = send.messages.filter(
      (message) => !isDurable() || message === last || !session.following.isPending(message.id),
    );
    this.sent = this.sendMessages({ ...send, messages, abortSignal: undefined }).then((stream) => ({
      runId,
      body: stream as unknown as ReadableStream<Uint8Array>, // processResponseStream hands it on
    }));
  }

  protected override processResponseStream(
    stream: ReadableStream<Uint8Array>,
  ): ReadableStream<UIMessageChunk> {
    return stream as unknown as ReadableStream<UIMessageChunk>; // taken as bytes by `sent`
  }
}

/** Whether a send changes nothing that was there before. */
function isNew<M extends UIMessage>({ trigger, messageId }: SendOptions<M>): boolean {
  return trigger === 'submit-message' && messageId === undefined;
}

/** Each regeneration and each edit is a wish of its own: its name tells it from an earlier one. */
function nameOf<M extends UIMessage>(options: SendOptions<M>): string | undefined {
  return new Headers(options.headers).get('idempotency-key') ?? (isNew(options) ? undefined : generateId());
}

/** The chat hears of a failure before it is compared with its session: an error that it shows is kept. */
function untilHeard(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, 0, undefined));
}

/** What a durable route refused the send with; anything else is the SDK's to report. */
async function refusalOf(response: Response): Promise<DurableChatError | undefined> {
  if (response.ok) return undefined;
  return DurableChatError.parse(response.status, await response.clone().text());
}

/** Makes the SDK's own reading of a response available. */
class PlainStream<M extends UIMessage> extends DefaultChatTransport<M> {
  read(body: ReadableStream<Uint8Array>): ReadableStream<UIMessageChunk> {
    return this.processResponseStream(body);
  }
}

/** Feeds the run from the POST response; what that does not bring, the session does. */
async function pump(body: ReadableStream<Uint8Array>, log: RunLog): Promise<void> {
  const countOf = chunkCounts();
  try {
    await takeEvents(body, (event) => {
      if (event?.data === '[DONE]') return log.end();
      if (!event) return;
      const chunk = JSON.parse(event.data) as UIMessageChunk; // our own server's
      const count = countOf(event.id);
      if (count !== undefined) log.accept(count - 1, [chunk]);
      // Not of the run: an error for this client alone, or a message made again, which the session has.
      else if (chunk.type === 'error') log.acceptError(chunk);
    });
  } catch {
    // The session brings the rest.
  }
}

/** How soon the session is asked for a run whose answer broke off, if it has not shown the run by then. */
const takeOverMs = 2_000;

/** Keeps the subscription up until the run has ended or the chat is left; gives up only when the subscription cannot be had. */
function finishFromSession(log: RunLog, session: DurableSession, left: AbortSignal): Promise<void> {
  if (log.ended) return Promise.resolve();
  return new Promise((resolve) => {
    const close = session.open();
    session.following.expect(log.runId, takeOverMs);
    const check = () => {
      const { connection, error, state } = session.getSnapshot();
      if (connection === 'closed') log.end(error); // which says why it is closed
      else if (state?.ended.has(log.runId) || session.following.isGone(log.runId)) log.end();
      if (!log.ended && !left.aborted) return;
      left.removeEventListener('abort', check);
      off();
      close();
      resolve();
    };
    const off = session.subscribe(check);
    left.addEventListener('abort', check);
    check();
  });
}
