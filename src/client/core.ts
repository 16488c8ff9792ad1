// The core of a session: its state, its network, and the functions for the chat that shows it.

import type { UIMessage, UIMessageChunk } from 'ai';
import { newId } from '../lib/id.ts';
import { systemRuntime, type Runtime } from '../lib/runtime.ts';
import type { Frame, SnapshotFrame } from '../protocol/frames.ts';
import { toSnapshot } from '../protocol/snapshot.ts';
import { tabStorage } from './network/browser.ts';
import { emptySession, isActive } from '../protocol/session-state.ts';
import { claimKey } from '../protocol/tool-calls.ts';
import type { ToolOutcome } from '../protocol/frames.ts';
import { jitteredDelay } from './network/connection.ts';
import { createLive, type Live } from './network/live.ts';
import {
  createRequests,
  type RequestOptions,
  type Requests,
  type ToolOutcomeOptions,
} from './network/requests.ts';
import { RunLogs } from './runs/run-logs.ts';
import { Deliveries } from './sends/deliver.ts';
import { isOwn, isSending } from './sends/queries.ts';
import { Stops } from './sends/stop.ts';
import { SendStorage, type OutboxStorage } from './sends/storage.ts';
import { ClientStore } from './sends/store.ts';

/** The options of a `DurableSession`. */
export interface DurableSessionOptions extends RequestOptions {
  /** The session's id: the chat id. A function is called once, when the id is first needed. */
  readonly id: string | (() => string);
  /**
   * Milliseconds to wait before attempt 1, 2, … to reconnect, or to send again.
   *
   * @defaultValue up to 0.5, 1, 2, … 10 s, at random
   */
  readonly retryDelay?: ((attempt: number) => number) | undefined;
  /**
   * How long a waiting tool call is reserved for the tab that started the run, before another tab with an
   * `onToolCall` may take it over, in milliseconds.
   *
   * @defaultValue 5,000
   */
  readonly takeOverAfterMs?: number | undefined;
  /**
   * The storage of sends without a response, refused sends and stops over a reload: the message, its idempotency key,
   * the changes that the app made with `setMessages` before it, and the body of the send, but no headers. With `false`,
   * nothing is stored or retried.
   *
   * @defaultValue the tab's `sessionStorage`
   */
  readonly outbox?: OutboxStorage | false | undefined;
}

/** A reader of a run. `left` aborts when its chat is left. */
interface Reader {
  readonly left: AbortSignal;
  readonly close: () => void;
}

/** The internals of a `DurableSession`, for the chat that shows it. */
export class Core {
  readonly runtime: Runtime;
  readonly store: ClientStore = new ClientStore();
  readonly runs: RunLogs;
  readonly requests: Requests;
  /** Undefined with `outbox: false`. */
  readonly storage: SendStorage | undefined;
  readonly deliveries: Deliveries;
  readonly stops: Stops;
  readonly live: Live;
  readonly takeOverAfterMs: number;
  /** The tool calls that this client executes, see `claimKey`. */
  readonly executed: Set<string> = new Set<string>();
  /** Called when the chat has read a run to its end. */
  onReadEnd: () => void = () => {};
  /** The last error with which a reading of a run ended. The chat has it as its own error. */
  refusal: Error | undefined;
  #id: string | (() => string);
  #holder: string | undefined;
  #users = 0;
  readonly #readers = new Set<AbortController>();

  constructor(options: DurableSessionOptions, runtime: Runtime = systemRuntime) {
    const { store } = this;
    const { id, outbox, takeOverAfterMs = 5_000 } = options;
    const { retryDelay = (attempt: number) => jitteredDelay(attempt, () => runtime.random()) } = options;
    this.runtime = runtime;
    this.runs = new RunLogs(runtime);
    this.#id = id;
    this.takeOverAfterMs = takeOverAfterMs;
    this.requests = createRequests(options);
    this.storage =
      outbox === false
        ? undefined
        : new SendStorage(
            outbox ?? tabStorage(),
            () => `durable-chat outbox ${this.requests.api()} ${this.id}`,
          );
    // A hidden tab with a paused connection is busy again.
    const onAttempt = () => void (this.#users > 0 && this.live.subscription.start());
    this.deliveries = new Deliveries({ runtime, store, storage: this.storage, retryDelay, onAttempt });
    this.stops = new Stops({
      runtime,
      store,
      deliveries: this.deliveries,
      storage: this.storage,
      request: (runId) => this.requests.stop(this.id, runId),
    });
    this.live = createLive({
      runtime,
      requests: this.requests,
      sessionId: () => this.id,
      retryDelay,
      isBusy: () => store.getSnapshot().runs.length > 0 || !this.deliveries.isEmpty,
      snapshot: () => this.#asSnapshot(),
      onAsk: () => store.dispatch({ type: 'ask' }),
      onFrame: (frame) => this.#take(frame),
      onConnection: (connection, error) => {
        // Runs of other clients can no longer be followed. The chat's own answers come with their sends.
        for (const { runId } of error ? store.getSnapshot().runs : [])
          if (!isOwn(store.client, runId)) this.refuse(runId, error);
        store.connect(connection, error);
      },
    });
  }

  // A page can be rendered long before it is shown, so random values are made only when they are needed.
  get id(): string {
    return typeof this.#id === 'string' ? this.#id : (this.#id = this.#id());
  }

  /** The id of this client in claims of tool calls. */
  get holder(): string {
    return (this.#holder ??= newId(this.runtime));
  }

  /** Keeps the subscription open until the result is called. It may be called several times. */
  open(): () => void {
    if (this.#users++ === 0) this.live.open();
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      if (--this.#users === 0) this.live.close();
    };
  }

  /** Whether a send has no response yet. */
  get sending(): boolean {
    return isSending(this.store.client);
  }

  async addToolOutcome(options: ToolOutcomeOptions): Promise<UIMessage | undefined> {
    const { id, holder } = this;
    const body = {
      id,
      trigger: 'tool-outcome' as const,
      // Posted again, it is the same outcome.
      outcomeId: newId(this.runtime),
      ...options,
      ...(this.executed.has(claimKey(options.messageId, options.toolCallId)) && { holder }),
    };
    const response = await this.deliveries.command(() => this.requests.post(body));
    // An accepted outcome is shown at once. The log's frame follows.
    const { session } = this.store.client;
    if (session && !session.outcomes.some((one) => one.outcomeId === body.outcomeId)) {
      const { messageId, toolCallId, outcomeId } = body;
      const outcome = JSON.parse(JSON.stringify(options.outcome)) as ToolOutcome; // as the log has it
      this.store.dispatch({ type: 'tool-outcome', messageId, toolCallId, outcome, outcomeId });
    }
    return (response as { message?: UIMessage }).message; // a response of our server
  }

  /** Removes a message whose send was refused; false if there is none. */
  dismiss(messageId: string): boolean {
    const refused = this.store.client.sends.find(
      ({ state, message }) => state === 'refused' && message.id === messageId,
    );
    if (!refused) return false;
    this.storage?.forgetRefused(messageId);
    this.store.dispatch({ type: 'drop', key: refused.key });
    return true;
  }

  /** A send has become a run. */
  accept(key: string, runId: string): void {
    this.store.dispatch({ type: 'accept', key, runId });
    // A route that seemed to have no sessions is asked less and less often.
    const { state, connection } = this.store.getSnapshot();
    if (!state && connection === 'reconnecting') this.live.subscription.retryNow();
  }

  /** Subscribes again if no frame names the run within `ms`. Frames do not name a run that ended long ago. */
  expect(runId: string, ms: number): void {
    const isAhead = () =>
      this.store.client.sends.some((send) => send.state === 'accepted' && send.runId === runId);
    if (isAhead()) this.runtime.schedule(() => isAhead() && this.live.subscription.renew(), ms);
  }

  /** A run from its start, for a chat that did not start it. With `isOnce` the chat does not want it again. */
  replay(runId: string, isOnce = false): ReadableStream<UIMessageChunk> {
    this.store.dispatch({ type: 'read', runId });
    return this.read(runId, isOnce);
  }

  /** A run from its start, until it ends or the chat of the reader is left. */
  read(runId: string, isOnce = false, reader: Reader = this.reader()): ReadableStream<UIMessageChunk> {
    return this.runs.get(runId).stream((closed) => {
      reader.close();
      const how = closed === 'refused' ? 'cancel' : isOnce && !reader.left.aborted ? 'end' : closed;
      this.store.dispatch({ type: 'read-end', runId, how }, 'quiet');
      if (how === 'end') this.onReadEnd();
      this.expect(runId, catchUpMs);
    }, reader.left);
  }

  /** The run's chunks are refused. When the session may be read again, they begin again. */
  refuse(runId: string, error: Error | undefined): void {
    this.refusal = error;
    this.runs.get(runId).end(error);
    this.runs.forget(runId);
  }

  /** Whether the subscription is open, so that no POST need be read. */
  get isFollowing(): boolean {
    const { state, connection } = this.store.getSnapshot();
    return state !== undefined && connection === 'connected';
  }

  /** Removes the chunks of an ended run. */
  forget(runId: string): void {
    const { session } = this.store.client;
    if (!session || !isActive(session, runId)) this.runs.forget(runId);
  }

  /** `left` aborts when the chat that shows the session now is left, until `close` is called. */
  reader(): Reader {
    // Each reader has its own signal: many listeners on one are reported as a leak.
    const reader = new AbortController();
    this.#readers.add(reader);
    return { left: reader.signal, close: () => void this.#readers.delete(reader) };
  }

  /** The chat is left: its sends give up their connections, which stops no run (G2). */
  leave(): void {
    for (const reader of this.#readers) reader.abort();
    this.#readers.clear();
  }

  #asSnapshot(): SnapshotFrame | undefined {
    const { session } = this.store.client;
    return (
      session &&
      toSnapshot(session, ({ runId }) => {
        const { count, chunks } = this.runs.get(runId);
        return { count, chunks };
      })
    );
  }

  #take(frame: Frame): void {
    const before = this.store.client.session;
    this.store.dispatch(frame);
    if (!this.runs.take(frame, before, this.store.client.session ?? emptySession))
      this.live.subscription.renew();
  }
}

/** How long the session's frames may lag behind an answer that has been read to its end, before it is asked for again. */
const catchUpMs = 10_000;
