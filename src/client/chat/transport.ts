// The AI SDK's ChatTransport over a durable session. A send's stream begins with the POST response and, if that
// breaks, continues from the session at the same chunk. On a route that is not durable it is the SDK's
// own transport.

import {
  DefaultChatTransport,
  type ChatTransport,
  type HttpChatTransportInitOptions,
  type UIMessage,
  type UIMessageChunk,
} from 'ai';
import { onAbort } from '../../lib/abort.ts';
import { newId } from '../../lib/id.ts';
import { until } from '../../lib/until.ts';
import { chunkCounts, takeEvents } from '../../protocol/sse.ts';
import { idempotencyHeader, silenceMs } from '../../protocol/requests.ts';
import type { Core } from '../core.ts';
import type { PostSlot } from '../network/live.ts';
import { isNetworkFailure } from '../network/network-failure.ts';
import { isSettled, isPlainRoute, connectUntil } from '../sends/plain-route.ts';
import type { RunLog } from '../runs/run-log.ts';
import { nextRun } from '../sends/queries.ts';
import { type Changes, type Client, type SendKind } from '../sends/client-state.ts';
import type { KeptSend } from '../sends/storage.ts';
import { coreOf, type DurableSession } from '../session.ts';
import { Post, type SendOptions } from './post.ts';

/** The options of the SDK's `HttpChatTransport`, without `api`, and the session. */
export interface DurableChatTransportOptions<M extends UIMessage> extends Omit<
  HttpChatTransportInitOptions<M>,
  'api'
> {
  /** The session that the chat shows, with the route's address. Options that are missing here come from the session. */
  readonly session: DurableSession;
  /**
   * The same option of the SDK's transport, for a route that is not durable.
   *
   * @defaultValue true
   */
  readonly resumeStreamIsReplay?: boolean;
}

type ReconnectOptions<M extends UIMessage> = Parameters<ChatTransport<M>['reconnectToStream']>[0];

/**
 * The transport of a Chat on a durable session. `bindChat` and `useDurableChat` create it. On a route that is
 * not durable it behaves like the SDK's `DefaultChatTransport`.
 *
 * @example
 * ```ts
 * const session = new DurableSession({ id: 'my-chat' });
 * const chat = new Chat({ id: session.id, transport: new DurableChatTransport({ session }) });
 * const disconnect = syncChat(chat, session);
 * ```
 */
export class DurableChatTransport<M extends UIMessage = UIMessage> implements ChatTransport<M> {
  /** The session of the chat. */
  readonly session: DurableSession;
  readonly #given: DurableChatTransportOptions<M>;

  /** @param options - the session, and options of the SDK's own transport */
  constructor(options: DurableChatTransportOptions<M>) {
    this.session = options.session;
    this.#given = options;
  }

  /** Whether `reconnectToStream` replays the answer from its beginning. On a durable route it does. */
  get resumeStreamIsReplay(): boolean {
    return !isPlainRoute(coreOf(this.session)) || (this.#given.resumeStreamIsReplay ?? true);
  }

  /**
   * Posts a send. While the network fails it is retried, in the order of the sends, if the session was connected
   * before. An abort ends the reading in this tab, and stops no run.
   *
   * @returns the answer, from the POST or from the session
   * @throws DurableChatError for a refusal of the route; the error of `fetch` (`code: 'network'` if the network
   *   failed); the SDK's error for any other response; `AbortError` for a send that was stopped before it had a response
   */
  async sendMessages(options: SendOptions<M>): Promise<ReadableStream<UIMessageChunk>> {
    const core = coreOf(this.session);
    const { runtime, store, deliveries } = core;
    const reader = core.reader();
    const { left } = reader;
    const message = options.messages.at(-1);
    const kind = kindOf(options, store.client);
    const name =
      new Headers(options.headers).get(idempotencyHeader) ?? (kind === 'new' ? undefined : newId(runtime));
    const key = newId(runtime);
    // A message that the session does not have is posted as a new one, also if the app regenerates it.
    const asNew = kind === 'new' && ({ trigger: 'submit-message', messageId: undefined } as const);
    const changes = deliveries.changesOf(name ?? message?.id ?? '') ?? store.client.intent;
    for (const id of changes?.removed ?? []) core.storage?.forgetRefused(id);
    let isFollowing = false;
    let slot: PostSlot | undefined;
    const endPost = (isWhole: boolean) => {
      slot?.end(isWhole);
      slot = undefined;
    };
    const post = (given?: PostSlot) => {
      slot = given;
      const names = { name, subscriptionId: given?.subscriptionId, changes };
      return new Post(this.#options, { ...options, ...asNew }, core, key, names).sent;
    };
    const attempt = (signal?: AbortSignal) => {
      // The attempt before had no response: there may be a run that names the subscription.
      endPost(false);
      // If nothing else brings an answer, it is read from its POST, without a request before it.
      isFollowing = core.isFollowing;
      if (!isFollowing) return post();
      return core.live.takePostSlot().then((given) => {
        // It was given up meanwhile.
        if (signal?.aborted) given?.end(true);
        signal?.throwIfAborted();
        return post(given);
      });
    };
    const sent = message
      ? deliveries.send(
          { key, kind, message, afterMessageId: options.messages.at(-2)?.id, changes },
          keptOf(options, message, name, changes),
          attempt,
        )
      : attempt();
    const { runId, body } = await sent.catch((error: unknown) => {
      endPost(!isNetworkFailure(error));
      reader.close();
      throw error;
    });
    if (runId === undefined) {
      endPost(true);
      reader.close();
      return new PlainStream<M>().read(body);
    }

    const log = core.runs.get(runId);
    // The chat can have been left before the response: then nothing brings the run to it, and the send ends.
    const read = core.read(runId, false, { left, close: () => {} });
    // Its run is known, and the subscription brings it: the connection is for others.
    const isRead = slot !== undefined || kind !== 'new' || !isFollowing;
    // Leaving the chat closes the connection, which stops no run (G2).
    void (isRead ? pump(body, log, core, endPost, left) : body.cancel().catch(() => {}))
      .then(() => {
        endPost(log.ended);
        // A disconnected chat does not wait for the end of the run.
        return log.isRead && !left.aborted ? finishFromSession(log, core, left) : undefined;
      })
      .then(() => {
        reader.close();
        core.forget(runId);
      });
    return read;
  }

  /**
   * Reads the active run that the chat does not read yet, from its start. On a route that is not durable it makes the SDK's
   * own request.
   *
   * @returns null when there is none
   */
  async reconnectToStream(options: ReconnectOptions<M>): Promise<ReadableStream<UIMessageChunk> | null> {
    const core = coreOf(this.session);
    // Without an await if it is known, so that no other code can take the same run in between.
    if (!isSettled(core)) await connectUntil(core, () => isSettled(core), { signal: options.abortSignal });
    if (isPlainRoute(core)) {
      return new PlainStream<M>({ ...this.#options, api: core.requests.api() }).reconnectToStream(options);
    }
    const { client } = core.store;
    const run = nextRun(client, core.store.getSnapshot().runs);
    // A run that continues a message cannot be read without it: `syncChat` shows such a run.
    return run && !client.session?.byId.has(run.messageId) ? core.replay(run.runId) : null;
  }

  /** The current options. */
  get #options(): Omit<HttpChatTransportInitOptions<M>, 'api'> {
    const { session, resumeStreamIsReplay: _, ...options } = this.#given;
    const { headers, credentials, fetch } = coreOf(session).requests.options;
    return {
      ...(headers && { headers }),
      ...(credentials && { credentials }),
      ...(fetch && { fetch }),
      ...options,
    };
  }
}

function kindOf<M extends UIMessage>(
  { trigger, messageId, messages }: SendOptions<M>,
  { session, sends }: Client,
): SendKind {
  const last = messages.at(-1);
  if (last?.role !== 'user') return 'continue';
  // A refused message that the session does not have is new again.
  const isRefused = sends.some(
    (send) => send.kind === 'new' && send.state === 'refused' && send.message.id === last.id,
  );
  if (isRefused && session) return 'new';
  if (trigger === 'regenerate-message') return 'regenerate';
  return messageId === undefined ? 'new' : 'edit';
}

/** What the storage keeps of a send with a user message, or of a regeneration. */
function keptOf<M extends UIMessage>(
  { trigger, messageId, body }: SendOptions<M>,
  message: M,
  key: string | undefined,
  changes: Changes | undefined,
): KeptSend | undefined {
  return message.role === 'user' ? { message, trigger, messageId, key, body, changes } : undefined;
}

/** Gives access to the SDK's parser of a response. */
class PlainStream<M extends UIMessage> extends DefaultChatTransport<M> {
  read(body: ReadableStream<Uint8Array>): ReadableStream<UIMessageChunk> {
    return this.processResponseStream(body);
  }
}

/**
 * Feeds the run from the POST response. Missing chunks come from the session. A response that is silent for as long as a
 * subscription may be is given up: a half-open connection reports no error.
 */
async function pump(
  body: ReadableStream<Uint8Array>,
  log: RunLog,
  { runtime, store }: Core,
  endPost: (isWhole: boolean) => void,
  left: AbortSignal,
): Promise<void> {
  const { runId } = log;
  const countOf = chunkCounts();
  const leave = new AbortController();
  const giveUp = () => leave.abort();
  const stay = onAbort(left, giveUp);
  const listen = () => runtime.schedule(giveUp, silenceMs);
  let cancelSilence = listen();
  log.isPosted = true;
  try {
    const read = body.pipeThrough(new TransformStream<Uint8Array, Uint8Array>(), { signal: leave.signal });
    await takeEvents(read, (event) => {
      cancelSilence();
      cancelSilence = listen();
      if (event?.data === '[DONE]') {
        // Before the chat is ready, so that its next send can have the connection.
        endPost(true);
        return log.end();
      }
      if (!event) return;
      const chunk = JSON.parse(event.data) as UIMessageChunk; // a response of our server
      const count = countOf(event.id);
      if (count !== undefined) {
        if (chunk.type === 'start' && chunk.messageId !== undefined)
          store.dispatch({ type: 'name', runId, answerId: chunk.messageId });
        log.accept(count - 1, [chunk]);
      }
      // Not a chunk of the run: an error for this client only, or a rebuilt message, which the session has.
      else if (chunk.type === 'error') log.acceptError(chunk);
    });
  } catch {
    // The session has the rest.
  }
  cancelSilence();
  stay();
  log.isPosted = false;
}

/** When the session is requested again for a run whose response broke, if it has not shown the run. */
const takeOverMs = 2_000;

/** Keeps the subscription open until the run has ended or the chat is disconnected. A refused subscription ends it, too. */
async function finishFromSession(log: RunLog, core: Core, left: AbortSignal): Promise<void> {
  if (log.ended) return;
  const { runtime, store } = core;
  const { runId } = log;
  const close = core.open();
  core.expect(runId, takeOverMs);
  const check = () => {
    const { connection, error, state } = store.getSnapshot();
    const isLost = store.client.sends.some((send) => send.state === 'lost' && send.runId === runId);
    if (connection === 'closed') core.refuse(runId, error); // with the reason of `closed`
    else if (state?.ended.has(runId) || isLost) log.end();
    return log.ended || undefined;
  };
  await until(runtime, store.subscribe, check, { signal: left });
  close();
}
