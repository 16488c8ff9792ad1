// A session as a client sees it: one subscription that outlives its connections, the state it folds to, and
// for each active run the chunks so far. It knows no framework and no Chat.

import { generateId, type AbstractChat, type UIMessage, type UIMessageChunk } from 'ai';
import { DurableChatError } from '../protocol/errors.ts';
import type { Frame, SnapshotFrame, ToolOutcomeFrame, ToolOutcome } from '../protocol/frames.ts';
import { applyFrame } from '../protocol/fold.ts';
import {
  emptySession,
  isActive,
  runsOf,
  type SessionRun,
  type SessionState,
} from '../protocol/session-state.ts';
import type { StopReceipt } from '../protocol/requests.ts';
import { toSnapshot } from '../protocol/snapshot.ts';
import { tabStorage } from './network/browser.ts';
import { jitteredDelay, type Connection } from './network/connection.ts';
import { Following } from './sends/following.ts';
import type { Live } from './network/live.ts';
import type { Outbox, OutboxStorage } from './sends/outbox.ts';
import { createRequests, type RequestOptions, type Requests, type ToolAnswer } from './network/requests.ts';
import { RunLog } from './run-log.ts';

export type { EndedRun } from '../protocol/frames.ts';
export type { RunStatus, SessionRun, SessionState } from '../protocol/session-state.ts';
export type { StopReceipt } from '../protocol/requests.ts';

export interface DurableSessionOptions extends RequestOptions {
  /** The session's id: the chat id. A function is asked once, when the id is first needed. */
  readonly id: string | (() => string);
  /**
   * Milliseconds to wait before attempt 1, 2, … to reconnect, or to send again. Default: up to 0.5, 1, 2, … 10 s, at
   * random.
   */
  readonly retryDelay?: (attempt: number) => number;
  /**
   * How long a tool call that waits for a client is left to the tab that started it before another tab with an
   * `onToolCall` may take it over, in milliseconds. Default 5,000.
   */
  readonly takeOverAfterMs?: number;
  /**
   * Where sends that have no answer yet are kept over a reload: the message, its idempotency key, and the body that
   * came with it, but no headers. Default: the tab's `sessionStorage`. With `false`, a send that the network fails
   * is neither kept nor made again.
   */
  readonly outbox?: OutboxStorage | false | undefined;
}

/** What `getSnapshot` returns: a new object whenever something in it has changed. */
export interface SessionSnapshot {
  readonly connection: Connection;
  /** Why the connection is `closed`. */
  readonly error: DurableChatError | undefined;
  /** Runs that have not ended, in their order. */
  readonly runs: readonly SessionRun[];
  /** The session's state; undefined until the server has told it. */
  readonly state: SessionState | undefined;
}

/** How soon a file that did not come over the network is asked for again. */
const reloadAfterMs = 5_000;

/** How long a stop waits to learn which run a send has become. */
export const sendWithinMs = 10_000;

function lateAfter(ms: number): Promise<'late'> {
  return new Promise((resolve) => setTimeout(() => resolve('late'), ms));
}

export class DurableSession {
  #id: string | (() => string);
  readonly requests: Requests;
  /** What the Chat that shows this session has been given of it. */
  readonly following: Following = new Following(() => {
    const { state } = this.#snapshot;
    if (!state || this.following.isAhead(state)) this.#live?.renew();
  });
  #holder: string | undefined;
  readonly takeOverAfterMs: number;
  /** Calls that this client executes. */
  readonly held: Set<string> = new Set<string>();
  /** Loads what a session needs on the network. */
  readonly #loadLive: () => Promise<Live>;
  #loading: Promise<Live | undefined> | undefined;
  #live: Live | undefined;
  #outbox: Outbox | undefined;
  #snapshot: SessionSnapshot;
  #users = 0;
  readonly #listeners = new Set<() => void>();
  readonly #runs = new Map<string, RunLog>();
  readonly #sends = new Map<Promise<string | undefined>, string | undefined>();
  #left = new AbortController();

  constructor({ id, retryDelay, outbox, takeOverAfterMs = 5_000, ...options }: DurableSessionOptions) {
    this.#id = id;
    this.takeOverAfterMs = takeOverAfterMs;
    this.requests = createRequests(options);
    this.#loadLive = async () => {
      const [{ createLive }, { Outbox }] = await Promise.all([
        import('./network/live.ts'),
        import('./sends/outbox.ts'),
      ]);
      if (outbox !== false) {
        this.#outbox = new Outbox({
          session: this,
          retryDelay: retryDelay ?? jitteredDelay,
          storage: outbox ?? tabStorage(),
          name: () => `durable-chat outbox ${this.requests.api()} ${this.id}`,
        });
      }
      return createLive({
        requests: this.requests,
        sessionId: () => this.id,
        retryDelay,
        isBusy: () => this.sending || this.#snapshot.runs.length > 0 || this.outbox?.isEmpty === false,
        snapshot: () => this.#asSnapshot(),
        onAsk: () => this.following.markAsked(),
        onFrame: (frame) => this.#take(frame),
        onConnection: (connection, error) => this.#connected(connection, error),
      });
    };
    this.#snapshot = { connection: 'connecting', error: undefined, runs: [], state: undefined };
    // In a page it will be needed: it loads while that is being built.
    if (typeof document !== 'undefined') void this.#load();
  }

  // A page may be rendered long before it is shown: what is random is made when it is first needed, never before.
  get id(): string {
    return typeof this.#id === 'string' ? this.#id : (this.#id = this.#id());
  }

  /** Names this client where it claims tool calls. */
  get holder(): string {
    return (this.#holder ??= generateId());
  }

  /** The same object until something changes. */
  getSnapshot = (): SessionSnapshot => this.#snapshot;

  /** Calls back after every change, chunks included, until the result is called. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Keeps the subscription up until the result is called. May be called many times. */
  open(): () => void {
    if (this.#users++ === 0) void this.#connect();
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      if (--this.#users === 0) this.#live?.close();
    };
  }

  async #connect(): Promise<void> {
    const live = await this.#load();
    if (this.#users === 0) return;
    if (live) live.open();
    // Until then it is a chat as the SDK's own.
    else setTimeout(() => this.#users > 0 && this.#connect(), reloadAfterMs);
  }

  /** Undefined when it could not be loaded. */
  #load(): Promise<Live | undefined> {
    return (this.#loading ??= this.#loadLive().then(
      (live) => (this.#live = live),
      () => (this.#loading = undefined),
    ));
  }

  /** Sends without an answer, once they can be retried. */
  get outbox(): Outbox | undefined {
    return this.#outbox;
  }

  /** Shows and sends again in `chat` what an earlier page sent and got no answer to. */
  restoreInto<M extends UIMessage>(chat: AbstractChat<M>): void {
    void this.#load().then((live) => live && this.#outbox?.restore(chat));
  }

  /**
   * Stops one run, or every active one, and any send whose run is not known yet. Resolves with the server's
   * receipt, which is empty where there is nothing to stop. Rejects with `DurableChatError`: `network`, also when a send
   * has no answer after 10 s (it is stopped as soon as it has one), `store_failed`,
   * what `authorize` answered, or `not_found` for a `run` that the session does not have.
   */
  async stop({ runId }: { readonly runId?: string } = {}): Promise<StopReceipt> {
    const sends = runId === undefined ? [...this.#sends.keys()] : [];
    const receipts: StopReceipt[] = [];
    const gaveUp = runId === undefined && this.outbox?.giveUp();
    this.#showStop(runId);
    try {
      receipts.push(await this.requests.stop(this.id, runId));
    } catch (error) {
      // The server may hear of the stop before it has made the send into a run.
      const early = error instanceof DurableChatError && error.code === 'not_found' && runId === undefined;
      // As far as is known here, there was nothing on the server to be stopped.
      const local = gaveUp && this.#snapshot.runs.length === 0;
      if (!early && !local) {
        // What was shown may not be so: ask again.
        this.#live?.renew();
        throw error;
      }
    }
    let due: Promise<'late'> | undefined;
    for (const send of sends) {
      due ??= lateAfter(sendWithinMs);
      const started = await Promise.race([send, due]);
      if (started === 'late') return this.#stopLate(sends);
      if (started === undefined || receipts[0]?.stopped.some((stopped) => stopped.runId === started))
        continue;
      receipts.push(await this.requests.stop(this.id, started));
    }
    return {
      stopped: receipts.flatMap(({ stopped }) => stopped),
      alreadyEnded: receipts.flatMap(({ alreadyEnded }) => alreadyEnded),
      pending: receipts.flatMap(({ pending }) => pending),
    };
  }

  /** Stops what becomes of sends that have no answer yet, as soon as it is known; rejects until then. */
  async stopSending(): Promise<StopReceipt> {
    return this.#stopLate([...this.#sends.keys()]);
  }

  #stopLate(sends: readonly Promise<string | undefined>[]): never {
    for (const send of sends) {
      void send
        .then(async (runId) => {
          if (runId === undefined) return;
          const attempt = () => this.requests.stop(this.id, runId);
          await (this.outbox ? this.outbox.deliver(undefined, attempt) : attempt());
        })
        // Whoever stopped it knows already that this is not certain.
        .catch(() => {});
    }
    throw new DurableChatError(
      'network',
      'The stop is not confirmed: a send has no response yet. The send is stopped as soon as it has one.',
    );
  }

  /**
   * Takes back a send that still waits for its turn, with its message. Rejects with `conflict` when its turn has
   * come, and with `not_found` for a run that the session does not have.
   */
  withdraw({ runId }: { readonly runId: string }): Promise<void> {
    return this.requests.withdraw(this.id, runId);
  }

  /**
   * Deletes one message for everybody, and stops the run that was sent with it or that writes it. Deleting a
   * message that the session does not have is fine. Rejects with `DurableChatError`: `not_found` for a session that the
   * store does not know, `network`, or what `authorize` answered (action `delete`).
   */
  deleteMessage(messageId: string): Promise<void> {
    return this.requests.delete(this.id, messageId);
  }

  /**
   * Deletes all messages for everybody, and stops all runs. The session is empty from then on, also one that the store did not
   * know: nothing fills it again. Rejects with `DurableChatError`: `network`, or what `authorize` answered.
   */
  clear(): Promise<void> {
    return this.requests.delete(this.id, undefined);
  }

  /**
   * Answers a tool call that waits; the first answer counts, whoever gives it. Resolves with the message as the
   * answer left it, or undefined while that is still being written. Rejects with `conflict` when somebody was
   * first or the call waits no more, and with `not_found` when there is no such call.
   */
  async answer(answer: ToolAnswer): Promise<UIMessage | undefined> {
    const { id, holder, outbox } = this;
    const body = {
      id,
      trigger: 'tool-outcome' as const,
      // Posted again, it is the same answer.
      answerId: generateId(),
      ...answer,
      ...(this.held.has(answer.toolCallId) && { holder }),
    };
    const attempt = () => this.requests.post(body);
    const answered = await (outbox ? outbox.deliver(undefined, attempt) : attempt());
    this.#showAnswer({ ...body, type: 'tool-outcome' });
    return (answered as { message?: UIMessage }).message; // our own server's
  }

  /** A run's chunks; made on first mention. */
  runLog(runId: string): RunLog {
    let log = this.#runs.get(runId);
    if (!log) this.#runs.set(runId, (log = new RunLog(runId)));
    return log;
  }

  /** Lets go of the chunks of a run that is over. */
  forget(runId: string): void {
    if (!this.#isActive(runId)) this.#runs.delete(runId);
  }

  /** A run from its start, for a chat that did not start it. */
  replay(runId: string): ReadableStream<UIMessageChunk> {
    this.following.follow(runId, 'other');
    return this.runLog(runId).stream((how) => this.following.leave(runId, how), this.left);
  }

  /** Aborts when the chat that shows the session now is left. */
  get left(): AbortSignal {
    return this.#left.signal;
  }

  /** The chat is left: its sends let go of their connections, which stops no run (G2). */
  leave(): void {
    this.#left.abort();
    this.#left = new AbortController();
  }

  /** Sends whose run is not known yet. */
  get sending(): boolean {
    return this.#sends.size > 0;
  }

  /** Whether one of them changes what the log has: until it has its run, the two cannot be compared. */
  get changing(): boolean {
    return [...this.#sends.values()].includes(undefined);
  }

  /** Whether one of them brings this message: a run that answers it is the send's own. */
  isSending(messageId: string): boolean {
    return [...this.#sends.values()].includes(messageId);
  }

  /** Registers a send until its run is known; `send` never rejects. `messageId` names the message that it only adds. */
  trackSend(send: Promise<string | undefined>, messageId: string | undefined): void {
    this.#sends.set(send, messageId);
    // A hidden tab that rested is busy again.
    if (this.#users > 0) this.#live?.wake();
    void send.then((runId) => {
      this.#sends.delete(send);
      // A route that seemed to have no sessions is asked less and less often.
      const isNews = runId !== undefined && this.#snapshot.state === undefined;
      if (isNews && this.#snapshot.connection === 'reconnecting') this.#live?.hurry();
      this.#notify();
    });
  }

  #take(frame: Frame): void {
    const state = applyFrame(this.#snapshot.state ?? emptySession, frame);
    switch (frame.type) {
      case 'snapshot':
        this.following.settle(frame.messages.map(({ id }) => id));
        this.following.compare(state);
        for (const { runId, count, chunks } of frame.runs) this.runLog(runId).acceptSnapshot(count, chunks);
        for (const [runId, log] of this.#runs) {
          const over = this.#isActive(runId) || frame.ended.some((end) => end.runId === runId);
          if (over && !frame.runs.some((active) => active.runId === runId)) log.end();
        }
        break;
      case 'message':
        this.following.settle([frame.message.id]);
        break;
      case 'run-start':
        this.runLog(frame.runId);
        break;
      case 'chunks':
        if (!this.runLog(frame.runId).accept(frame.from, frame.chunks)) return this.#live?.renew();
        break;
      case 'run-withdraw':
      case 'run-steer':
      case 'run-end':
        if (isActive(state, frame.runId)) break;
        this.#runs.get(frame.runId)?.end();
        this.#runs.delete(frame.runId);
        break;
      case 'truncate':
      case 'message-delete':
      case 'run-stop':
      case 'run-saved':
      case 'tool-outcome':
      case 'durability':
      case 'reset':
      case 'refused':
        break;
      default:
        // A type that a newer server sends changes nothing here.
        frame satisfies never;
    }
    this.#update({ state });
  }

  #connected(connection: Connection, error: DurableChatError | undefined): void {
    // What others write cannot be followed any more; the chat's own answers come with their sends.
    for (const { runId } of error ? this.#snapshot.runs : [])
      if (!this.following.isOwn(runId)) this.runLog(runId).end(error);
    this.#update({ connection, error });
  }

  #asSnapshot(): SnapshotFrame | undefined {
    const { state } = this.#snapshot;
    return (
      state &&
      toSnapshot(state, ({ runId }) => {
        const { count, chunks } = this.runLog(runId);
        return { count, chunks };
      })
    );
  }

  /** Shows the stop at once; the log's own word follows. */
  #showStop(runId: string | undefined): void {
    let { state } = this.#snapshot;
    for (const active of state?.active ?? []) {
      if (state && (runId ?? active.runId) === active.runId) {
        state = applyFrame(state, { type: 'run-stop', runId: active.runId });
      }
    }
    this.#update({ state });
  }

  /** Shows an answer that the server has taken; the log's own frame follows. */
  #showAnswer({ type, messageId, toolCallId, outcome, answerId }: ToolOutcomeFrame): void {
    const { state } = this.#snapshot;
    if (!state || state.outcomes.some((one) => one.answerId === answerId)) return;
    // As the log holds it.
    const logged = JSON.parse(JSON.stringify(outcome)) as ToolOutcome;
    this.#update({ state: applyFrame(state, { type, messageId, toolCallId, outcome: logged, answerId }) });
  }

  #isActive(runId: string): boolean {
    const { state } = this.#snapshot;
    return state !== undefined && isActive(state, runId);
  }

  #update(change: Partial<SessionSnapshot>): void {
    const { state } = change;
    const runs = state && state !== this.#snapshot.state && { runs: runsOf(state) };
    const next = { ...this.#snapshot, ...change, ...runs };
    const same = (Object.keys(next) as (keyof SessionSnapshot)[]).every(
      (key) => next[key] === this.#snapshot[key],
    );
    if (!same) this.#snapshot = next;
    this.#notify();
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
