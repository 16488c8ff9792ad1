// One session as this process sees it: one subscription to the store, shared by all who follow the session here, and
// the log and the active runs as far as they have been read. All that is written to the session goes through here.
//
// Wake-ups are hints. A hint that does not fit makes the session read; silence, too, makes it read.

import type { UIMessageChunk } from 'ai';
import type { Channel, LeaseChange, ReadOptions } from '../../channel/channel.ts';
import type { Runtime } from '../../lib/runtime.ts';
import { within } from '../../lib/time.ts';
import type { Durability } from '../../protocol/frames.ts';
import { entries, type LogEntry, type NewEntry, type StopCause } from '../../protocol/entries.ts';
import { confirmWithinMs } from '../../protocol/requests.ts';
import { isActive, isOver, type SessionState } from '../../protocol/session-state.ts';
import { retry } from '../lib/retry.ts';
import { until, type Patience } from '../lib/until.ts';
import { Copy } from './copy.ts';
import { Leases } from './leases.ts';
import { Listening } from './listening.ts';
import type { Log } from './log.ts';
import { storeOf, type SessionStore } from './session-store.ts';

/** How long a session's first reader waits for the subscription to stand. */
const subscribeWithinMs = 1_000;
/** How old a reading may be for a viewer that joins. */
const lookAgainMs = 1_000;
/** A run whose end takes longer than this may have no producer. */
const soonMs = 1_000;

export interface SessionOptions {
  readonly sessionId: string;
  readonly channel: Channel;
  readonly runtime: Runtime;
  /** How long the lease of a run lasts that begins now, in milliseconds. */
  readonly leaseMs: number;
  /** Called after runs whose producers had died were ended because a viewer watches. */
  readonly onReaped: () => void;
  /** Called when the session cannot be read. */
  readonly onUnreadable: () => void;
}

/** What an append takes besides its entry. */
export interface AppendOptions {
  /** The entries behind this id are the result. */
  readonly after?: string;
  readonly lease?: LeaseChange;
  /** The entry belongs to what is there: see `Channel.append`. */
  readonly existing?: boolean;
  /** How long to try, in milliseconds. Default 3,000. */
  readonly forMs?: number | undefined;
}

export class Session {
  readonly sessionId: string;
  readonly runtime: Runtime;
  /** The store, for what is to be tried once only. */
  readonly store: SessionStore;

  readonly #options: SessionOptions;
  readonly #copy: Copy;
  readonly #leases: Leases;
  #ready: Promise<void> | undefined;
  #watching: Promise<void> | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #degraded = new Set<string>();
  #listening: Listening | undefined;

  constructor(options: SessionOptions) {
    const { sessionId, channel, runtime, leaseMs, onReaped } = options;
    this.#options = options;
    this.sessionId = sessionId;
    this.runtime = runtime;
    this.store = storeOf(channel, sessionId);
    this.#copy = new Copy(runtime, this.store, () => this.#changed());
    this.#leases = new Leases({
      runtime,
      leaseMs,
      store: this.store,
      state: () => this.state,
      // What cannot be read is not ended.
      failedAt: () => (this.#copy.unreadable ? Infinity : this.#copy.failedAt),
      onReaped: () => {
        this.refresh().catch(() => {});
        onReaped();
      },
    });
  }

  /**
   * Resolves once the session has been read; rejects when the store could not be reached. The first use opens the session:
   * until then nothing is subscribed to, and nothing is asked of the store.
   */
  get ready(): Promise<void> {
    if (!this.#ready) {
      this.#ready = this.#open();
      this.#ready.catch(() => this.#options.onUnreadable());
    }
    return this.#ready;
  }

  /** Another object once the session has begun again: it had expired, or was deleted. */
  get log(): Log {
    return this.#copy.log;
  }

  get state(): SessionState {
    return this.#copy.log.state;
  }

  /** Runs of this process that the store fails at the moment. */
  get degraded(): ReadonlySet<string> {
    return this.#degraded;
  }

  /** Only the producer knows what the log cannot hold. */
  setDurability(runId: string, durability: Durability): void {
    if (durability === 'degraded') this.#degraded.add(runId);
    else this.#degraded.delete(runId);
    this.#changed();
  }

  /** Calls back after every change, until the result is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Resolves once `condition` holds, with its value; undefined when `signal` aborts or `ms` pass first. Rejects with
   * `version` once a build of a newer version has written to the session: this one cannot read what comes next.
   */
  until<T>(condition: () => T | undefined, patience?: Patience): Promise<T | undefined> {
    const check = () => {
      if (this.#copy.unreadable) throw this.#copy.unreadable;
      return condition();
    };
    return until(this.runtime, (listener) => this.onChange(listener), check, patience);
  }

  /**
   * A run's chunks from `from` on, as far as they are known; read from the store if they are no longer here. Fewer
   * than `least` in all are only had of a run whose chunks are gone for good.
   */
  chunksOf(runId: string, from: number, least?: number): Promise<readonly UIMessageChunk[]> {
    return this.#copy.chunksOf(runId, from, least);
  }

  /** The chunks of a run that are here; all there are of an active one, once somebody watches. */
  knownChunksOf(runId: string): readonly UIMessageChunk[] {
    return this.#copy.knownChunksOf(runId);
  }

  /** How many chunks of a run are here. */
  countOf(runId: string): number {
    return this.#copy.knownChunksOf(runId).length;
  }

  /** Reads what the store has; resolves when it has been taken in. With `fresh`, no replica is asked for the log. */
  refresh({ fresh = false }: ReadOptions = {}): Promise<void> {
    return this.#copy.read(fresh);
  }

  /** Reads in the background, unless that was done just now: a viewer that joins may find the session gone. */
  look(): void {
    if (this.runtime.monotonic() - this.#copy.readAt > lookAgainMs) this.refresh().catch(() => {});
  }

  /** Keeps the chunks of active runs from now on; resolves once what there is has been read. */
  watch(): Promise<void> {
    if (!this.#watching) {
      this.#watching = this.ready.then(() => {
        this.#leases.watch();
        return this.#copy.keepRuns();
      });
      // The next caller tries again.
      this.#watching.catch(() => (this.#watching = undefined));
    }
    return this.#watching;
  }

  /** The first result of `attempt`, which is tried again while the store fails, for `forMs`. */
  retry<T>(attempt: () => Promise<T>, forMs?: number): Promise<T> {
    return retry(this.runtime, attempt, forMs);
  }

  /** Appends an entry to the log, and tries again while the store fails. Resolves and rejects as `Channel.append`. */
  append(entry: NewEntry, { forMs, ...options }: AppendOptions = {}): Promise<LogEntry[]> {
    return this.retry(() => this.store.append(entry, options), forMs);
  }

  /** The same behind what `log` holds; what the store has since is added to it. */
  async appendTo(log: Log, entry: NewEntry, options: Omit<AppendOptions, 'after'> = {}): Promise<void> {
    for (const added of await this.append(entry, { ...options, after: log.lastId })) log.add(added);
  }

  /** Records a stop where a producer finds it whenever it looks: in the log, and on its lease. */
  async stop(runIds: readonly string[], cause: StopCause = {}): Promise<void> {
    for (const runId of runIds) {
      await this.append(entries.stop(runId, cause), { lease: { type: 'stop', runId } });
    }
  }

  /**
   * Ends those of these runs whose producers no longer renew their leases (G6), and resolves with whether there were any.
   * While the store failed nobody could renew a lease, so that one which is gone shows nothing shortly after (G8). Never
   * rejects: the next caller tries again.
   */
  reap(runIds: readonly string[]): Promise<boolean> {
    return this.#leases.reap(runIds);
  }

  /**
   * Waits for the ends of runs, for at most about `ms`. Those that do not come soon are looked for: the hint of an end
   * can be lost, and a dead producer's run is ended.
   */
  async untilOver(runIds: readonly string[], ms: number = confirmWithinMs): Promise<void> {
    const seen = new Set<string>();
    const isDone = (runId: string) => {
      if (!isActive(this.state, runId)) return isOver(this.state, runId) || seen.has(runId);
      seen.add(runId);
      return false;
    };
    const done = () => runIds.every(isDone) || undefined;
    const soon = Math.min(soonMs, ms);
    for (const part of [soon, ms - soon]) {
      if (await this.until(done, { ms: part })) return;
      // A store that does not answer is asked by the next caller.
      await this.refresh({ fresh: true }).catch(() => {});
      if (await this.reap(runIds)) await this.refresh({ fresh: true }).catch(() => {});
    }
  }

  close(): void {
    this.#listening?.close();
    this.#leases.close();
    this.#copy.close();
    this.#listeners.clear();
  }

  async #open(): Promise<void> {
    const { runtime, store } = this;
    const copy = this.#copy;
    const { readAt } = copy;
    this.#listening = new Listening({
      runtime,
      store,
      expects: () => copy.keepsRuns && this.state.active.length > 0,
      // A store that does not answer is read again after the next hint or the next silence.
      onWake: (wake) => void copy.take(wake).catch(() => {}),
      look: async () => {
        const before = copy.progress;
        await this.refresh();
        return copy.progress !== before;
      },
    });
    // Subscribed first, read second: nothing falls between the two. A slow subscription is not waited for.
    await within(runtime, subscribeWithinMs, this.#listening.begun);
    if (copy.readAt === readAt) await this.retry(() => this.refresh(), 1_000);
    // Nothing yet, or a replica that is behind.
    if (this.log.lastId === '') await this.retry(() => this.refresh({ fresh: true }), 1_000);
  }

  #changed(): void {
    for (const runId of this.#degraded) if (this.state.ended.has(runId)) this.#degraded.delete(runId);
    this.#listening?.changed();
    this.#leases.changed();
    if (this.#copy.unreadable) this.#options.onUnreadable();
    for (const listener of [...this.#listeners]) listener();
  }
}
