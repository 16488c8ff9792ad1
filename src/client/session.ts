// A session as a client sees it: one subscription that outlives its connections, the state it folds to, and
// for each active run the chunks so far. It knows no framework and no Chat.

import type { UIMessage, UIMessageChunk } from 'ai';
import { DurableChatError } from '../protocol/errors.ts';
import type { Frame } from '../protocol/frames.ts';
import {
  applyFrame,
  emptySession,
  runsOf,
  type SessionRun,
  type SessionState,
} from '../protocol/session-state.ts';
import { createSseParser } from '../protocol/sse.ts';
import { connectionOf, nextConnection, jitteredDelay } from './connection.ts';
import type { Connection, ConnectionEvent, ConnectionState } from './connection.ts';
import { Following } from './following.ts';
import {
  createRequests,
  type RequestOptions,
  type Requests,
  type StopReceipt,
  type ToolAnswer,
} from './requests.ts';
import { RunLog } from './run-log.ts';

export type { EndedRun, RunStatus, SessionRun, SessionState } from '../protocol/session-state.ts';

export interface DurableSessionOptions extends RequestOptions {
  /** The session's id: the chat id. */
  readonly id: string;
  /** Milliseconds to wait before attempt 1, 2, … to reconnect. Default: up to 0.5, 1, 2, … 10 s, at random. */
  readonly retryDelay?: (attempt: number) => number;
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

/** The server sends something at least every 15 s; after twice that the connection counts as dead. */
const silenceMs = 30_000;

/** Whether asking again would get the same answer; 408, 425 and 429 only say: not now. */
function isFinal({ code, status }: DurableChatError): boolean {
  return code === 'not_found' || (status >= 400 && status < 500 && ![408, 425, 429].includes(status));
}

/** How long a stop waits to learn which run a send has become. */
const sendWithinMs = 10_000;

function giveUpAfter(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms));
}

export class DurableSession {
  readonly id: string;
  readonly requests: Requests;
  /** What the Chat that shows this session has been given of it. */
  readonly following: Following = new Following();
  readonly #retryDelay: (attempt: number) => number;
  #connection: ConnectionState = { type: 'idle' };
  #snapshot: SessionSnapshot;
  #cursor: string | undefined;
  #users = 0;
  #abort: AbortController | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #runs = new Map<string, RunLog>();
  readonly #sends = new Set<Promise<string | undefined>>();

  constructor({ id, retryDelay = jitteredDelay, ...options }: DurableSessionOptions) {
    this.id = id;
    this.#retryDelay = retryDelay;
    this.requests = createRequests(options);
    this.#snapshot = { connection: 'connecting', error: undefined, runs: [], state: undefined };
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
    if (this.#users++ === 0) {
      if (typeof window !== 'undefined') {
        window.addEventListener('online', this.#onOnline);
        window.addEventListener('offline', this.#onOffline);
      }
      this.#dispatch({ type: 'start' });
    }
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      if (--this.#users > 0) return;
      if (typeof window !== 'undefined') {
        window.removeEventListener('online', this.#onOnline);
        window.removeEventListener('offline', this.#onOffline);
      }
      this.#dispatch({ type: 'stop' });
    };
  }

  /**
   * Stops one run, or every active one, and any send whose run is not known yet. Resolves with the server's
   * receipt. Rejects with `DurableChatError`: `not_found`, `network`, or what `authorize` answered.
   */
  async stop({ run }: { readonly run?: string } = {}): Promise<StopReceipt> {
    const sends = run === undefined ? [...this.#sends] : [];
    const receipts: StopReceipt[] = [];
    this.#showStop(run);
    try {
      receipts.push(await this.requests.stop(this.id, run));
    } catch (error) {
      // The server may hear of the stop before it has made the send into a run.
      const early = error instanceof DurableChatError && error.code === 'not_found' && run === undefined;
      if (!early) {
        // What was shown may not be so: ask again.
        this.#resubscribe();
        throw error;
      }
    }
    for (const send of sends) {
      const started = await Promise.race([send, giveUpAfter(sendWithinMs)]);
      if (started === undefined || receipts[0]?.stopped.some((stopped) => stopped.run === started)) continue;
      receipts.push(await this.requests.stop(this.id, started));
    }
    return {
      stopped: receipts.flatMap(({ stopped }) => stopped),
      alreadyEnded: receipts.flatMap(({ alreadyEnded }) => alreadyEnded),
      pending: receipts.flatMap(({ pending }) => pending),
    };
  }

  /**
   * Takes back a send that still waits for its turn, with its message. Rejects with `conflict` when its turn has
   * come, and with `not_found` for a run that never was.
   */
  withdraw({ run }: { readonly run: string }): Promise<void> {
    return this.requests.withdraw(this.id, run);
  }

  /**
   * Answers a tool call that waits; the first answer counts, whoever gives it. Resolves with the message as the
   * answer left it, or undefined while that is still being written. Rejects with `conflict` when somebody was
   * first or the call waits no more, and with `not_found` when there is no such call.
   */
  answer(answer: ToolAnswer): Promise<UIMessage | undefined> {
    return this.requests.answer(this.id, answer);
  }

  /** A run's chunks; made on first mention. */
  runLog(run: string): RunLog {
    let log = this.#runs.get(run);
    if (!log) this.#runs.set(run, (log = new RunLog(run)));
    return log;
  }

  /** Lets go of the chunks of a run that is over. */
  forget(run: string): void {
    if (!this.#isActive(run)) this.#runs.delete(run);
  }

  /** A run from its start, for a chat that did not start it. */
  replay(run: string): ReadableStream<UIMessageChunk> {
    this.following.follow(run, 'other');
    return this.runLog(run).stream((how) => this.following.leave(run, how));
  }

  /** Sends whose run is not known yet. */
  get sending(): boolean {
    return this.#sends.size > 0;
  }

  /** Registers a send until its run is known; `send` never rejects. */
  trackSend(send: Promise<string | undefined>): void {
    this.#sends.add(send);
    void send.then(() => {
      this.#sends.delete(send);
      this.#notify();
    });
  }

  #onOnline = (): void => this.#dispatch({ type: 'online' });
  #onOffline = (): void => this.#dispatch({ type: 'offline' });

  #dispatch(event: ConnectionEvent): void {
    const before = this.#connection;
    const after = nextConnection(before, event);
    if (after === before) return;
    this.#connection = after;
    clearTimeout(this.#retry);
    if (after.type !== 'open') this.#abort?.abort();
    if (after.type === 'connecting') void this.#connect();
    if (after.type === 'waiting') {
      this.#retry = setTimeout(() => this.#dispatch({ type: 'retry' }), this.#retryDelay(after.attempt));
    }
    this.#update({
      connection: connectionOf(after),
      error: after.type === 'failed' ? after.error : undefined,
    });
  }

  async #connect(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    // An aborted connection has nothing more to say.
    const dispatch = (event: ConnectionEvent) => {
      if (!abort.signal.aborted) this.#dispatch(event);
    };
    let silence: ReturnType<typeof setTimeout> | undefined;
    const listen = () => {
      clearTimeout(silence);
      silence = setTimeout(() => dispatch({ type: 'lost' }), silenceMs);
    };
    try {
      listen();
      const body = await this.requests.subscribe(this.id, this.#cursor, abort.signal);
      const decoder = new TextDecoder();
      const feed = createSseParser(({ data, id }) => {
        if (abort.signal.aborted) return;
        this.#take(JSON.parse(data) as Frame); // our own server's; unknown types fall through
        if (id !== undefined) this.#cursor = id;
      });
      const reader = body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || abort.signal.aborted) break;
        dispatch({ type: 'opened' });
        listen();
        feed(decoder.decode(value, { stream: true }));
      }
      dispatch({ type: 'lost' });
    } catch (error) {
      if (error instanceof DurableChatError && error.code === 'invalid_cursor') this.#cursor = undefined;
      else if (error instanceof DurableChatError && isFinal(error)) {
        return dispatch({ type: 'refused', error });
      }
      dispatch({ type: 'lost' });
    } finally {
      clearTimeout(silence);
    }
  }

  #take(frame: Frame): void {
    switch (frame.type) {
      case 'snapshot':
        this.following.settle(frame.messages.map(({ id }) => id));
        for (const { run, count, chunks } of frame.runs) this.runLog(run).acceptSnapshot(count, chunks);
        for (const [run, log] of this.#runs) {
          const over = this.#isActive(run) || frame.ended.some((end) => end.run === run);
          if (over && !frame.runs.some((active) => active.run === run)) log.end();
        }
        break;
      case 'message':
        this.following.settle([frame.message.id]);
        break;
      case 'run-start':
        this.runLog(frame.run);
        break;
      case 'chunks':
        if (!this.runLog(frame.run).accept(frame.from, frame.chunks)) return this.#resubscribe();
        break;
      case 'run-withdraw':
      case 'run-end':
        this.#runs.get(frame.run)?.end();
        this.#runs.delete(frame.run);
        break;
    }
    this.#update({ state: applyFrame(this.#snapshot.state ?? emptySession, frame) });
  }

  /** Shows the stop at once; the log's own word follows. */
  #showStop(run: string | undefined): void {
    let { state } = this.#snapshot;
    for (const active of state?.active ?? []) {
      if (state && (run ?? active.run) === active.run) {
        state = applyFrame(state, { type: 'run-stop', run: active.run });
      }
    }
    this.#update({ state });
  }

  #isActive(run: string): boolean {
    return this.#snapshot.state?.active.some((active) => active.run === run) ?? false;
  }

  /** Something is missing: begin again with a snapshot. */
  #resubscribe(): void {
    this.#cursor = undefined;
    this.#dispatch({ type: 'lost' });
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
