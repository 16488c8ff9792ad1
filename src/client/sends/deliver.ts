// Retries requests while the network fails, and makes sends in their order.

import type { Cancel, Runtime } from '../../lib/runtime.ts';
import { within } from '../../lib/time.ts';
import { until } from '../../lib/until.ts';
import type { Connection } from '../network/connection.ts';
import { isNetworkFailure } from '../network/network-failure.ts';
import type { ClientStore } from './store.ts';
import { isItsTurn } from './queries.ts';
import type { Changes, Outgoing } from './client-state.ts';
import { nameOf, refusalOf, type KeptSend, type SendStorage } from './storage.ts';

/** What deliveries read and whom they inform. */
export interface DeliverOptions {
  readonly runtime: Runtime;
  readonly store: ClientStore;
  /** Undefined if the app has disabled retries (`outbox: false`). */
  readonly storage: SendStorage | undefined;
  /** Milliseconds to wait before attempt 1, 2, … */
  readonly retryDelay: (attempt: number) => number;
  /** Called when a send is about to be posted. */
  readonly onAttempt: () => void;
}

interface Waiting {
  /** The name under which the storage keeps it. */
  readonly name?: string;
  readonly gaveUp: AbortController;
  /** It was stopped, so it is not retried. */
  isLast: boolean;
  /** The run of the open request, if it becomes one. */
  run?: Promise<string | undefined>;
  /** Cancels the timer of a stop. */
  cancel?: Cancel;
}

/** How long a send waits for those of an earlier page, in milliseconds. They wait 5,000 for the session to connect. */
const restoreWithinMs = 6_000;

/** How long a stop waits for the first response to a send, in milliseconds. */
const giveUpWithinMs = 10_000;

/** The requests of a session that are retried. */
export class Deliveries {
  readonly #options: DeliverOptions;
  readonly #waiting = new Map<string, Waiting>();
  readonly #commands = new Set<Waiting>();
  /** Sends of an earlier page, by name. */
  readonly #left = new Map<string, KeptSend>();
  #restoring: Promise<void> | undefined;

  constructor(options: DeliverOptions) {
    this.#options = options;
  }

  /** Whether every request has its response. */
  get isEmpty(): boolean {
    return this.#waiting.size + this.#commands.size === 0;
  }

  /** Whether requests are retried. If the route is not known to be durable, there is one attempt. */
  get canRetry(): boolean {
    const { storage, store } = this.#options;
    return storage !== undefined && store.client.session !== undefined;
  }

  /** Marks a send of an earlier page without a response: its route is durable. */
  markLeft(kept: KeptSend): void {
    this.#left.set(nameOf(kept), kept);
  }

  /** Sends that are made meanwhile go after those that `restoring` makes again. They wait at most `restoreWithinMs`. */
  goAfter(restoring: Promise<void>): void {
    const isAny = this.#options.storage?.sends.some(({ refused }) => !refused);
    if (isAny) this.#restoring ??= restoring.finally(() => (this.#restoring = undefined));
  }

  /** Whether a send of an earlier page has this name, and no response yet. */
  isLeft(name: string): boolean {
    return this.#left.has(name);
  }

  /** What the app changed before a send of an earlier page, by the send's name. */
  changesOf(name: string): Changes | undefined {
    return this.#left.get(name)?.changes;
  }

  /**
   * Resolves or rejects like `attempt`. Rejects with an `AbortError` if it is given up, which aborts the attempt's signal.
   * `kept` is what the storage keeps over a reload.
   */
  async send<T extends { readonly runId: string | undefined }>(
    send: Outgoing,
    kept: KeptSend | undefined,
    attempt: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { runtime, store, storage, onAttempt } = this.#options;
    const { key } = send;
    const name = kept ? nameOf(kept) : '';
    const restoring = this.isLeft(name) ? undefined : this.#restoring;
    // The earlier page has shown that the route is durable.
    if (restoring && kept) this.markLeft(kept);
    const retries = this.canRetry || (storage !== undefined && this.isLeft(name));
    const waiting: Waiting = { name, gaveUp: new AbortController(), isLast: false };
    const { signal } = waiting.gaveUp;
    const givenUp = abortOf(signal);
    this.#waiting.set(key, waiting);
    storage?.forgetRefused(send.message.id);
    if (send.changes) storage?.forgetChanges();
    store.dispatch({ type: 'send', send });
    if (retries && kept) storage?.keep(kept);
    const wasKept = retries && storage?.isWaiting(name) === true;
    try {
      if (restoring) {
        await Promise.race([within(runtime, restoreWithinMs, restoring), givenUp]);
        // Made again, it is the last one.
        store.dispatch({ type: 'send', send });
      }
      for (let failures = 0; ; failures++) {
        if (failures > 0) await this.#pause(failures, signal);
        const isTurn = () => (retries ? isItsTurn(store.client, key) : store.client.stopping === 0);
        if (retries || !isTurn())
          await until(runtime, store.subscribe, () => isTurn() || undefined, { signal });
        // Another chat on the session has given it up, or has its response.
        if (failures > 0 && wasKept && !storage.isWaiting(name)) waiting.gaveUp.abort();
        signal.throwIfAborted();
        store.dispatch({ type: 'attempt', key });
        onAttempt();
        try {
          const responded = attempt(signal);
          waiting.run = responded.then(
            ({ runId }) => runId,
            () => undefined,
          );
          const response = await Promise.race([responded, givenUp]);
          // A durable route has named the run by now.
          store.dispatch({ type: 'pass', key });
          if (wasKept) storage.forget(name);
          return response;
        } catch (error) {
          if (!retries || waiting.isLast || !isNetworkFailure(error)) throw error;
        }
        delete waiting.run;
        store.dispatch({ type: 'fail', key });
      }
    } catch (error) {
      if (wasKept) storage.forget(name);
      const isOver = signal.aborted || waiting.isLast;
      // The chat must show the error before it is compared with the session.
      runtime.schedule(() => {
        store.dispatch({ type: 'refuse', key, error: error as Error }); // requests reject only with errors
        const isRefused = store.client.sends.some((one) => one.key === key && one.state === 'refused');
        if (!isOver && isRefused && kept && this.canRetry)
          storage?.keep({ ...kept, refused: refusalOf(error as Error, send.afterMessageId) });
      }, 0);
      throw error;
    } finally {
      waiting.cancel?.();
      this.#waiting.delete(key);
      this.#left.delete(name);
      // A stop of this page follows with the id of the run.
      if (waiting.isLast) storage?.forgetStop(send.message.id);
    }
  }

  /** The same for a request that is not a send. */
  async command<T>(attempt: () => Promise<T>): Promise<T> {
    if (!this.canRetry) return attempt();
    const waiting: Waiting = { gaveUp: new AbortController(), isLast: false };
    this.#commands.add(waiting);
    try {
      return await this.again(attempt, waiting.gaveUp.signal);
    } finally {
      this.#commands.delete(waiting);
    }
  }

  /** Retries until there is a response, after `failures` earlier failures. */
  async again<T>(attempt: () => Promise<T>, signal?: AbortSignal, failures = 0): Promise<T> {
    for (let failed = failures; ; failed++) {
      if (failed > 0) await this.#pause(failed, signal);
      signal?.throwIfAborted();
      try {
        return await attempt();
      } catch (error) {
        if (!isNetworkFailure(error)) throw error;
      }
    }
  }

  /** The open requests of sends, given up or not. */
  get underWay(): { readonly key: string; readonly run: Promise<string | undefined> }[] {
    return [...this.#waiting].flatMap(([key, { run }]) => (run ? { key, run } : []));
  }

  /** Gives up the sends that wait for the network; false if there are none. */
  giveUp(): boolean {
    const { runtime, store, storage } = this.#options;
    const { sends } = store.client;
    let isAny = false;
    for (const [key, waiting] of this.#waiting) {
      const send = sends.find((one) => one.key === key);
      // A first attempt can have a run that must be stopped, so its response is awaited for a limited time.
      const isFirst = send?.state === 'posting' && send.attempt === 1;
      waiting.isLast = true;
      // The next page must not send it again, and stops its run.
      if (waiting.name && storage?.isWaiting(waiting.name)) {
        storage.forget(waiting.name);
        if (send && isFirst) storage.keepStop(send.message.id);
      }
      isAny ||= !isFirst;
      if (isFirst) waiting.cancel ??= runtime.schedule(() => waiting.gaveUp.abort(), giveUpWithinMs);
      else waiting.gaveUp.abort();
    }
    for (const { gaveUp } of this.#commands) gaveUp.abort();
    return isAny;
  }

  /** Waits until the next attempt: after the delay, or when the network is back. */
  async #pause(failures: number, signal?: AbortSignal): Promise<void> {
    const { runtime, store, retryDelay } = this.#options;
    let before: Connection = store.getSnapshot().connection;
    const isBack = () => {
      const { connection } = store.getSnapshot();
      const is = connection !== before && (before === 'offline' || connection === 'connected');
      before = connection;
      return is || undefined;
    };
    await until(runtime, store.subscribe, isBack, { ms: retryDelay(failures), signal });
    const isOnline = () => store.getSnapshot().connection !== 'offline' || undefined;
    await until(runtime, store.subscribe, isOnline, { signal });
  }
}

/** Rejects when `signal` aborts, without an unhandled rejection. */
function abortOf(signal: AbortSignal): Promise<never> {
  const abort = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as DOMException)); // all aborts have this reason
  });
  abort.catch(() => {});
  return abort;
}
