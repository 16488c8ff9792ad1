// One session as this process sees it: one subscription to the store, shared by everyone who follows the
// session here, and the log and the active runs as far as they have been read.
//
// Wake-ups are hints. A hint that does not fit makes the session read; silence, too, makes it read.

import type { UIMessageChunk } from 'ai';
import type { Channel, ReadOptions, RunTail, Subscription, Wake } from '../../channel/channel.ts';
import type { Durability } from '../../protocol/frames.ts';
import { isActive, type SessionState } from '../../protocol/session-state.ts';
import { deletedEntry } from '../../protocol/log-entry.ts';
import { Log } from './log.ts';
import { monotonicMs } from '../lib/clock.ts';
import { retry } from '../lib/retry.ts';
import { until, type Patience } from '../lib/until.ts';
import { RunBuffers } from './run-buffers.ts';

/** Silence after which the store is asked, while somebody watches an active run or nothing can be heard. */
const activeSilenceMs = 3_000;
/** The same otherwise. */
const idleSilenceMs = 20_000;
/** How long a session's first reader waits for the subscription to stand. */
const subscribeWithinMs = 1_000;
/** How long after a failure of the store its producers may need to show that they live. */
const shakenMs = 5_000;
/** How old a reading may be for somebody who joins. */
const lookAgainMs = 1_000;
/** A subscription is replaced before an idle connection is likely to be cut. */
const renewAfterMs = 240_000;

export class Session {
  readonly sessionId: string;
  /** Another object once the session has begun anew: it had expired, or was deleted. */
  log: Log = new Log();
  /** Resolves once the session has been read; rejects when the store could not be reached. */
  readonly ready: Promise<void>;

  readonly #channel: Channel;
  readonly #onSuspect: (runId: string) => void;
  readonly #runs = new RunBuffers();
  /** Whether anybody here wants chunks; a producer alone only wants the log. */
  #watched: Promise<void> | undefined;
  readonly #listeners = new Set<() => void>();
  #queue: Promise<unknown> = Promise.resolve();
  #subscription: Subscription | undefined;
  #subscribing: Promise<void> | undefined;
  #subscribedAt = 0;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #silenceMs = 0;
  #closed = false;
  #readAt = 0;
  readonly #degraded = new Set<string>();
  #failedAt = -Infinity;

  /** `onSuspect` is told of active runs that have been silent, which their producers may not have survived. */
  constructor(sessionId: string, channel: Channel, onSuspect: (runId: string) => void) {
    this.sessionId = sessionId;
    this.#channel = channel;
    this.#onSuspect = onSuspect;
    this.ready = this.#open();
    this.ready.catch(() => {});
  }

  get state(): SessionState {
    return this.log.state;
  }

  /** Runs of this process that the store fails at the moment. */
  get degraded(): ReadonlySet<string> {
    return this.#degraded;
  }

  /** Whether the store has failed here lately. */
  get isShaken(): boolean {
    return monotonicMs() - this.#failedAt < shakenMs;
  }

  /** The producer's own word on what the log cannot tell. */
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

  /** Resolves once `condition` holds, with its value; undefined when `signal` aborts or `ms` pass first. */
  until<T>(condition: () => T | undefined, patience?: Patience): Promise<T | undefined> {
    return until((listener) => this.onChange(listener), condition, patience);
  }

  /**
   * A run's chunks from `from` on, as far as they are known; read from the store if they are no longer here. Fewer
   * than `least` in all are only had of a run whose chunks are gone for good.
   */
  async chunksOf(runId: string, from: number, least = 0): Promise<readonly UIMessageChunk[]> {
    if (this.#runs.has(runId) && this.countOf(runId) >= least) return this.#runs.chunksOf(runId).slice(from);
    return (await this.#readTail(runId, from, least)).chunks;
  }

  /** The chunks of a run that are here; all there are of an active one, once somebody watches. */
  knownChunksOf(runId: string): readonly UIMessageChunk[] {
    return this.#runs.chunksOf(runId);
  }

  /** How many chunks of a run are here. */
  countOf(runId: string): number {
    return this.#runs.countOf(runId);
  }

  /** Reads what the store has; resolves when it has been taken in. With `fresh`, no replica is asked for the log. */
  refresh({ fresh = false }: ReadOptions = {}): Promise<void> {
    return this.#serially(async () => {
      await this.#readLog(fresh);
      if (this.#watched) await this.#readRuns();
    });
  }

  /** Reads in the background, unless that was done just now: whoever joins late may find the session gone. */
  look(): void {
    if (monotonicMs() - this.#readAt > lookAgainMs) this.refresh().catch(() => {});
  }

  /** Keeps the chunks of active runs from now on; resolves once what there is has been read. */
  watch(): Promise<void> {
    if (!this.#watched) {
      const watched = this.ready.then(() => this.#serially(() => this.#readRuns()));
      this.#watched = watched;
      // A read that failed is tried again by the next who asks.
      watched.catch(() => (this.#watched = undefined));
    }
    return this.#watched;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#silence);
    this.#runs.clear();
    this.#subscription?.close();
    this.#listeners.clear();
  }

  async #open(): Promise<void> {
    // Subscribed first, read second: nothing falls between the two. A slow subscription is not waited for; what
    // it may have missed is read once it stands.
    this.#listenForSilence();
    let late = false;
    const subscribed = this.#subscribe().then(
      () => (late ? this.refresh().catch(() => {}) : undefined),
      () => {}, // the next silence tries again
    );
    await Promise.race([subscribed, new Promise((resolve) => setTimeout(resolve, subscribeWithinMs))]);
    late = true;
    await retry(() => this.refresh(), { forMs: 1_000 });
    // Nothing yet, or a replica that is behind.
    if (this.log.lastId === '') await retry(() => this.refresh({ fresh: true }), { forMs: 1_000 });
  }

  /** Acknowledging may take longer than a silence: one attempt at a time. */
  #subscribe(): Promise<void> {
    this.#subscribing ??= this.#subscribeAnew().finally(() => (this.#subscribing = undefined));
    return this.#subscribing;
  }

  async #subscribeAnew(): Promise<void> {
    this.#subscribedAt = monotonicMs();
    const subscription = await this.#channel.subscribe(this.sessionId, (wake) => this.#onWake(wake));
    if (this.#closed) return subscription.close();
    this.#subscription = subscription;
    this.#listenForSilence();
  }

  #onWake(wake: Wake): void {
    if (this.#closed) return;
    this.#listenForSilence();
    if ('runId' in wake && this.state.ended.has(wake.runId)) return;
    void this.#serially(() => this.#take(wake)).catch(() => {
      // The store did not answer; the next hint or the next silence reads again.
    });
  }

  async #take(wake: Wake): Promise<void> {
    switch (wake.type) {
      case 'log':
        if (!this.log.hasKey(wake.key)) await this.#readLog();
        // Of what a replica does not have yet, nobody may tell again.
        if (!this.log.hasKey(wake.key)) await this.#readLog(true);
        return;
      case 'deleted':
        return this.#readLog(true);
      case 'run':
        return this.#watched && this.#readRun(wake.runId, wake.count);
      case 'chunks': {
        if (!this.#watched) return;
        if (!isActive(this.state, wake.runId)) await this.#readLog();
        const how = this.#runs.accept(wake.runId, wake.from, wake.chunks);
        if (how === 'gap') return this.#readRun(wake.runId, wake.from + wake.chunks.length);
        if (how === 'taken') this.#changed();
        return;
      }
      default:
        wake satisfies never;
    }
  }

  async #readLog(fresh = false): Promise<void> {
    const { lastId } = this.log;
    const entries = await this.#channel.readLog(this.sessionId, lastId, { fresh });
    this.#readAt = monotonicMs();
    const isDeleted = entries.some(({ id, key }) => key === deletedEntry.key && !this.log.has(id));
    if (isDeleted || (lastId !== '' && entries[0]?.id !== lastId)) {
      this.log = new Log();
      this.#runs.clear();
    }
    for (const entry of entries) {
      if (this.log.has(entry.id)) continue;
      const ends = entry.frames.filter((frame) => frame.type === 'run-end');
      // An ended run is complete before anybody hears of its end.
      for (const { runId, chunks } of ends) {
        // A run that nobody here has begun to read is read by whoever asks for it.
        if (this.#runs.has(runId) && this.countOf(runId) < chunks) await this.#readRun(runId, chunks);
      }
      this.log.add(entry);
      for (const { runId } of ends) {
        this.#degraded.delete(runId);
        this.#runs.release(runId);
      }
    }
    this.#changed();
  }

  async #readRuns(): Promise<void> {
    for (const { runId } of this.state.active) await this.#readRun(runId);
  }

  async #readRun(runId: string, least = 0): Promise<void> {
    this.#runs.append(runId, await this.#readTail(runId, this.countOf(runId), least));
    this.#changed();
  }

  /** A replica that is behind is not believed as long as the run is known to have more. */
  async #readTail(runId: string, from: number, least: number): Promise<RunTail> {
    const tail = await this.#channel.readRun(this.sessionId, runId, from);
    if (from + tail.chunks.length >= least) return tail;
    return this.#channel.readRun(this.sessionId, runId, from, { fresh: true });
  }

  #changed(): void {
    // A run that begins or ends changes how long a silence is believed.
    if (this.#patience() !== this.#silenceMs) this.#listenForSilence();
    for (const listener of [...this.#listeners]) listener();
  }

  #serially(task: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(() => (this.#closed ? undefined : task()));
    this.#queue = done.catch(() => void (this.#failedAt = monotonicMs()));
    return done;
  }

  #listenForSilence(): void {
    clearTimeout(this.#silence);
    if (this.#closed) return;
    this.#silenceMs = this.#patience();
    this.#silence = setTimeout(() => void this.#onSilence(), this.#silenceMs);
    if (typeof this.#silence === 'object') this.#silence.unref?.();
  }

  #patience(): number {
    const expects = this.#watched && this.state.active.length > 0;
    return expects || !this.#subscription ? activeSilenceMs : idleSilenceMs;
  }

  async #onSilence(): Promise<void> {
    const before = this.#progress();
    try {
      await this.refresh();
      // News that no hint told of, or a connection grown old: the subscription is suspect.
      const missed = this.#progress() !== before;
      if (!this.#subscription) await this.#subscribe();
      else if (missed || monotonicMs() - this.#subscribedAt > renewAfterMs) {
        this.#subscribedAt = monotonicMs();
        await this.#subscription.renew();
        await this.refresh();
      }
      for (const { runId } of this.state.active) this.#onSuspect(runId);
    } catch {
      // The store did not answer: the next silence asks again.
    }
    this.#listenForSilence();
  }

  #progress(): string {
    return [this.log.lastId, ...this.state.active.map(({ runId }) => this.countOf(runId))].join();
  }
}
