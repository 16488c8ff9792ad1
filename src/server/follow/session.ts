// One session as this process sees it: one subscription to the store, shared by all its users in this process, and
// the log and the active runs as far as they were read. All writes to the session go through it.
//
// Wake-ups are hints. A wake-up that does not fit makes the session read, and so does silence.

import type { UIMessageChunk } from 'ai';
import type { Channel, LeaseChange, ReadOptions } from '../../channel/channel.ts';
import type { Runtime } from '../../lib/runtime.ts';
import { within } from '../../lib/time.ts';
import type { Durability } from '../../protocol/frames.ts';
import { entries, type LogEntry, type NewEntry, type StopCause } from '../../protocol/entries.ts';
import { confirmWithinMs } from '../../protocol/requests.ts';
import { isActive, isOver, type SessionState } from '../../protocol/session-state.ts';
import { retry } from '../lib/retry.ts';
import { until, type Patience } from '../../lib/until.ts';
import { Copy } from './copy.ts';
import { Leases } from './leases.ts';
import { Listening } from './listening.ts';
import type { Log } from './log.ts';
import { storeOf, type SessionStore } from './session-store.ts';

/** How long a session's first reader waits for the subscription. */
const subscribeWithinMs = 1_000;
/** How old the last read may be when a viewer joins. */
const lookAgainMs = 1_000;
/** A run whose end takes longer than this may have no producer. */
const soonMs = 1_000;

/** What a session reads and whom it informs. */
export interface SessionOptions {
  readonly sessionId: string;
  readonly channel: Channel;
  readonly runtime: Runtime;
  /** The lease of a new run, in milliseconds. */
  readonly leaseMs: number;
  /** Called after dead runs were ended because a viewer watches. */
  readonly onReaped: () => void;
}

/** The options of an append. */
export interface AppendOptions {
  /** The result has the entries after this id. */
  readonly after?: string;
  readonly lease?: LeaseChange;
  /** The entry needs an existing log, see `Channel.append`. */
  readonly existing?: boolean;
}

/** One session. It makes no request before `ready`, `watch` or a write. */
export class Session {
  readonly sessionId: string;
  readonly runtime: Runtime;
  /** The store, for requests that are not retried. */
  readonly store: SessionStore;

  readonly #copy: Copy;
  readonly #leases: Leases;
  #ready: Promise<void> | undefined;
  #watching: Promise<void> | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #degraded = new Set<string>();
  #listening: Listening | undefined;

  constructor({ sessionId, channel, runtime, leaseMs, onReaped }: SessionOptions) {
    this.sessionId = sessionId;
    this.runtime = runtime;
    this.store = storeOf(channel, sessionId);
    this.#copy = new Copy(runtime, this.store, () => this.#changed());
    this.#leases = new Leases({
      runtime,
      leaseMs,
      store: this.store,
      state: () => this.state,
      refresh: () => this.refresh({ fresh: true }),
      // A run that cannot be read is not ended.
      failedAt: () => (this.#copy.unreadable ? Infinity : this.#copy.failedAt),
      onReaped: () => {
        this.refresh().catch(() => {});
        onReaped();
      },
    });
  }

  /**
   * Resolves once the session has been read. Rejects if the store could not be reached. The first use opens the session:
   * before that it makes no request. After a rejection the next use opens it again: a session that was replaced would
   * not know the runs that this process works on.
   */
  get ready(): Promise<void> {
    if (!this.#ready) {
      const ready = this.#open();
      this.#ready = ready;
      ready.catch(() => {
        if (this.#ready === ready) this.#ready = undefined;
      });
    }
    return this.#ready;
  }

  /** A new object once the session has begun again after an expiry or a deletion. */
  get log(): Log {
    return this.#copy.log;
  }

  get state(): SessionState {
    return this.#copy.log.state;
  }

  /** Runs of this process whose writes fail at the moment. */
  get degraded(): ReadonlySet<string> {
    return this.#degraded;
  }

  /** Until the result is called, this process works on the run, and does not take it for dead. */
  workOn(runId: string): () => void {
    return this.#leases.workOn(runId);
  }

  /** Sets the durability of a run, which only its producer knows. */
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
   * Resolves once `condition` returns a value, with that value; with undefined if `signal` aborts or `ms` pass first.
   * Rejects with `version` once a build of a newer version has written to the session, which this build cannot read.
   */
  until<T>(condition: () => T | undefined, patience?: Patience): Promise<T | undefined> {
    const check = () => {
      if (this.#copy.unreadable) throw this.#copy.unreadable;
      return condition();
    };
    return until(this.runtime, (listener) => this.onChange(listener), check, patience);
  }

  /**
   * The chunks of a run from `from` on, as far as they are known. They are read from the store if this process no longer
   * has them. The run has fewer than `least` in all only if its chunks are gone.
   */
  chunksOf(runId: string, from: number, least?: number): Promise<readonly UIMessageChunk[]> {
    return this.#copy.chunksOf(runId, from, least);
  }

  /** The chunks of a run that this process has: all chunks of an active run once `watch` has resolved. */
  knownChunksOf(runId: string): readonly UIMessageChunk[] {
    return this.#copy.knownChunksOf(runId);
  }

  /** How many chunks of a run this process has. */
  countOf(runId: string): number {
    return this.#copy.knownChunksOf(runId).length;
  }

  /** Reads from the store. Resolves when the state is up to date. With `fresh`, the log is not read from a replica. */
  refresh({ fresh = false }: ReadOptions = {}): Promise<void> {
    return this.#copy.read(fresh);
  }

  /** Reads in the background, unless the last read is recent: for a joining viewer the session can be gone. */
  look(): void {
    if (this.runtime.monotonic() - this.#copy.readAt > lookAgainMs) this.refresh().catch(() => {});
  }

  /** Keeps the chunks of active runs from now on. Resolves once the existing ones were read. */
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

  /** The first result of `attempt`, which is retried for `forMs` while the store fails. */
  retry<T>(attempt: () => Promise<T>, forMs?: number): Promise<T> {
    return retry(this.runtime, attempt, forMs);
  }

  /** Whether this build can read the whole log, as far as it is known. A build of a newer version can write to it. */
  get isReadable(): boolean {
    return this.#copy.unreadable === undefined;
  }

  /**
   * Appends an entry to the log, and retries while the store fails. Resolves and rejects like `Channel.append`, and rejects
   * with `version` for a log that is known as not readable. Only the ends of runs are still written there, by `endRun`.
   */
  append(entry: NewEntry, options: AppendOptions = {}): Promise<LogEntry[]> {
    return this.retry(async () => {
      if (this.#copy.unreadable) throw this.#copy.unreadable;
      return this.store.append(entry, options);
    });
  }

  /** The same, and adds the entries after `log`'s last one to `log`. */
  async appendTo(log: Log, entry: NewEntry, options: Omit<AppendOptions, 'after'> = {}): Promise<void> {
    for (const added of await this.append(entry, { ...options, after: log.lastId })) log.add(added);
  }

  /** Records a stop in the log and on the lease, where the producer finds it. */
  async stop(runIds: readonly string[], cause: StopCause = {}): Promise<void> {
    for (const runId of runIds) {
      await this.append(entries.stop(runId, cause), { lease: { type: 'stop', runId } });
    }
  }

  /**
   * Ends those of these runs whose leases have ended (G6). Resolves with whether there were any.
   * Shortly after a failure of the store a missing lease shows nothing, because no producer could renew one (G8). Never
   * rejects: the next caller tries again.
   */
  reap(runIds: readonly string[]): Promise<boolean> {
    return this.#leases.reap(runIds);
  }

  /**
   * Waits for the ends of runs, for at most about `ms`. If an end does not come soon, it reads the log, because a wake-up
   * can be lost, and ends the runs of dead producers.
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
      // If the store does not respond, the next caller tries again.
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
    this.#listening ??= new Listening({
      runtime,
      store,
      expects: () => copy.keepsRuns && this.state.active.length > 0,
      // If the store does not respond, the next wake-up or the next silence reads again.
      onWake: (wake) => void copy.take(wake).catch(() => {}),
      look: async () => {
        const before = copy.progress;
        await this.refresh();
        return copy.progress !== before;
      },
    });
    // Subscribe before reading, so that no change is missed in between. A slow subscription does not delay the read.
    await within(runtime, subscribeWithinMs, this.#listening.begun);
    if (copy.readAt === readAt) await this.retry(() => this.refresh(), 1_000);
    // An empty log, or a stale replica.
    if (this.log.lastId === '') await this.retry(() => this.refresh({ fresh: true }), 1_000);
  }

  #changed(): void {
    for (const runId of this.#degraded) if (this.state.ended.has(runId)) this.#degraded.delete(runId);
    this.#listening?.changed();
    this.#leases.changed();
    // The next user reads again, and gets the error if there still is one.
    if (this.#copy.unreadable) this.#ready = this.#watching = undefined;
    for (const listener of [...this.#listeners]) listener();
  }
}
