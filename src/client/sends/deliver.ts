// Makes a request again for as long as the network fails it, and sends in their order.

import type { Connection } from '../network/connection.ts';
import { isNetworkFailure } from '../network/network-failure.ts';
import type { ClientStore } from '../store.ts';
import { until } from '../until.ts';
import { isItsTurn } from './queries.ts';
import { type Outgoing } from './sends.ts';
import { nameOf, refusalOf, type KeptSend, type SendStorage } from './storage.ts';

export interface DeliverOptions {
  readonly store: ClientStore;
  /** Undefined where the app wants nothing to be made again. */
  readonly storage: SendStorage | undefined;
  /** Milliseconds to wait before attempt 1, 2, … */
  readonly retryDelay: (attempt: number) => number;
  /** Called when a send is about to be posted. */
  readonly onAttempt: () => void;
}

interface Waiting {
  readonly gaveUp: AbortController;
  /** It was stopped: it is not made again. */
  isLast: boolean;
  /** The run that the request under way becomes, if it becomes one. */
  run?: Promise<string | undefined>;
}

/** How long a stop waits for the first answer to a send, in milliseconds. */
const giveUpWithinMs = 10_000;

export class Deliveries {
  readonly #options: DeliverOptions;
  readonly #waiting = new Map<string, Waiting>();
  readonly #commands = new Set<Waiting>();
  /** The names of sends that an earlier page has left. */
  readonly #left = new Set<string>();

  constructor(options: DeliverOptions) {
    this.#options = options;
  }

  /** Whether every request has its answer. */
  get isEmpty(): boolean {
    return this.#waiting.size + this.#commands.size === 0;
  }

  /** Whether requests are made again: where the route is not known to be durable there is one attempt. */
  get canRetry(): boolean {
    const { storage, store } = this.#options;
    return storage !== undefined && store.client.session !== undefined;
  }

  /** A send of this name is one that an earlier page has left without an answer: the route is durable. */
  markLeft(kept: KeptSend): void {
    this.#left.add(nameOf(kept));
  }

  /**
   * Resolves or rejects as `attempt` does. Rejects with an `AbortError` when it is given up. `kept` is what is kept over
   * a reload.
   */
  async send<T extends { readonly runId: string | undefined }>(
    send: Outgoing,
    kept: KeptSend | undefined,
    attempt: () => Promise<T>,
  ): Promise<T> {
    const { store, storage, onAttempt } = this.#options;
    const { key } = send;
    const name = kept ? nameOf(kept) : '';
    const retries = this.canRetry || (storage !== undefined && this.#left.has(name));
    const waiting: Waiting = { gaveUp: new AbortController(), isLast: false };
    const { signal } = waiting.gaveUp;
    const givenUp = abortOf(signal);
    this.#waiting.set(key, waiting);
    storage?.forgetRefused(send.message.id);
    store.dispatch({ type: 'send', send });
    if (retries && kept) storage?.keep(kept);
    const wasKept = retries && storage?.isWaiting(name) === true;
    try {
      for (let failures = 0; ; failures++) {
        if (failures > 0) await this.#pause(failures, signal);
        if (retries) await until(store, (_, isDue) => isDue || isItsTurn(store.client, key), { signal });
        // Another chat on the session has given it up, or has had its answer.
        if (failures > 0 && wasKept && !storage.isWaiting(name)) waiting.gaveUp.abort();
        signal.throwIfAborted();
        store.dispatch({ type: 'attempt', key });
        onAttempt();
        try {
          const answered = attempt();
          waiting.run = answered.then(
            ({ runId }) => runId,
            () => undefined,
          );
          const answer = await Promise.race([answered, givenUp]);
          // A durable route has named the run by now.
          store.dispatch({ type: 'pass', key });
          if (wasKept) storage.forget(name);
          return answer;
        } catch (error) {
          if (!retries || waiting.isLast || !isNetworkFailure(error)) throw error;
        }
        delete waiting.run;
        store.dispatch({ type: 'fail', key });
      }
    } catch (error) {
      if (wasKept) storage.forget(name);
      const isOver = signal.aborted || waiting.isLast;
      // The chat shows the error first: nothing is to be compared with the session before that.
      setTimeout(() => {
        store.dispatch({ type: 'refuse', key, error: error as Error }); // requests reject with nothing else
        const isRefused = store.client.sends.some((one) => one.key === key && one.state === 'refused');
        if (!isOver && isRefused && kept && this.canRetry)
          storage?.keep({ ...kept, refused: refusalOf(error as Error, send.after) });
      });
      throw error;
    } finally {
      this.#waiting.delete(key);
    }
  }

  /** Resolves or rejects as `attempt` does; for what is no send. */
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

  /** Makes attempts until one is answered; `failures` have been made before. */
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

  /** The requests to send that are under way, whatever becomes of their sends. */
  get underWay(): { readonly key: string; readonly run: Promise<string | undefined> }[] {
    return [...this.#waiting].flatMap(([key, { run }]) => (run ? { key, run } : []));
  }

  /** Ends what waits for the network; false when nothing did. */
  giveUp(): boolean {
    const { sends } = this.#options.store.client;
    let isAny = false;
    for (const [key, waiting] of this.#waiting) {
      const send = sends.find((one) => one.key === key);
      // A first attempt may have a run to be stopped: its answer is waited for, but not for ever.
      const isFirst = send?.state === 'posting' && send.attempt === 1;
      waiting.isLast = true;
      isAny ||= !isFirst;
      if (isFirst) setTimeout(() => waiting.gaveUp.abort(), giveUpWithinMs);
      else waiting.gaveUp.abort();
    }
    for (const { gaveUp } of this.#commands) gaveUp.abort();
    return isAny;
  }

  /** Until the next attempt is due: when the time is up, or the network is back. */
  async #pause(failures: number, signal?: AbortSignal): Promise<void> {
    const { store, retryDelay } = this.#options;
    let before: Connection = store.getSnapshot().connection;
    await until(
      store,
      ({ connection }, isDue) => {
        const isBack = connection !== before && (before === 'offline' || connection === 'connected');
        before = connection;
        return isBack || (isDue && (connection !== 'offline' || signal?.aborted === true));
      },
      { ms: retryDelay(failures), signal },
    );
  }
}

/** Rejects when `signal` aborts. It is no unhandled rejection. */
function abortOf(signal: AbortSignal): Promise<never> {
  const abort = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as DOMException)); // nobody gives another one
  });
  abort.catch(() => {});
  return abort;
}
