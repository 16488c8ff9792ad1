// What this process has read of a session: the log, and the chunks of its active runs once a viewer wants them.

import type { UIMessageChunk } from 'ai';
import type { RunTail, Wake } from '../../channel/channel.ts';
import { ageOf, deletedEntry } from '../../protocol/entries.ts';
import { newerError, type DurableChatError } from '../../protocol/errors.ts';
import { isActive } from '../../protocol/session-state.ts';
import type { Runtime } from '../../lib/runtime.ts';
import { Log } from './log.ts';
import { RunBuffers } from './run-buffers.ts';
import type { SessionStore } from './session-store.ts';

/** The copy of a session in this process. Reads follow each other, so that no older one wins. */
export class Copy {
  /** A new object once the session has begun again after an expiry or a deletion. */
  log: Log = new Log();
  /** Whether the chunks of active runs are kept. */
  keepsRuns = false;
  /** When the log was read last, and when the store failed last, on the monotonic clock. */
  readAt: number = -Infinity;
  failedAt: number = -Infinity;
  /** The error if the log cannot be read to its end, because a build of a newer version has written to it. */
  unreadable: DurableChatError | undefined;

  readonly #runtime: Runtime;
  readonly #store: SessionStore;
  readonly #onChange: () => void;
  readonly #runs: RunBuffers;
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(runtime: Runtime, store: SessionStore, onChange: () => void) {
    this.#runtime = runtime;
    this.#runs = new RunBuffers(runtime);
    this.#store = store;
    this.#onChange = onChange;
  }

  /**
   * The chunks of a run from `from` on, as far as they are known. They are read from the store if this process no longer
   * has them. The run has fewer than `least` in all only if its chunks are gone.
   */
  async chunksOf(runId: string, from: number, least = 0): Promise<readonly UIMessageChunk[]> {
    if (this.#runs.has(runId) && this.#runs.countOf(runId) >= least) {
      return this.#runs.chunksOf(runId).slice(from);
    }
    return (await this.#readTail(runId, from, least)).chunks;
  }

  /** The chunks of a run that this process has. */
  knownChunksOf(runId: string): readonly UIMessageChunk[] {
    return this.#runs.chunksOf(runId);
  }

  /** Reads from the store. With `fresh`, the log is not read from a replica. */
  read(fresh: boolean): Promise<void> {
    return this.#serially(async () => {
      await this.#readLog(fresh);
      if (this.keepsRuns) await this.#readRuns();
    });
  }

  /** Reads the chunks of active runs, and keeps them from then on. */
  keepRuns(): Promise<void> {
    this.keepsRuns = true;
    return this.#serially(() => this.#readRuns());
  }

  /** Takes a wake-up, and reads from the store if the wake-up does not fit. Rejects if the store does not respond. */
  take(wake: Wake): Promise<void> {
    if ('runId' in wake && this.log.state.ended.has(wake.runId)) return Promise.resolve();
    return this.#serially(() => this.#take(wake));
  }

  /** The position of this copy, as a text that differs after each change. */
  get progress(): string {
    const { lastId, state } = this.log;
    return [lastId, ...state.active.map(({ runId }) => this.#runs.countOf(runId))].join();
  }

  close(): void {
    this.#closed = true;
    this.#runs.clear();
  }

  async #take(wake: Wake): Promise<void> {
    switch (wake.type) {
      case 'log':
        if (!this.log.hasKey(wake.key)) await this.#readLog(false);
        // A replica does not have the entry yet, and perhaps no other wake-up comes.
        if (!this.log.hasKey(wake.key)) await this.#readLog(true);
        return;
      case 'deleted':
        return this.#readLog(true);
      case 'run':
        return this.keepsRuns ? this.#readRun(wake.runId, wake.count) : undefined;
      case 'chunks': {
        if (!this.keepsRuns) return;
        if (!isActive(this.log.state, wake.runId)) await this.#readLog(false);
        const how = this.#runs.accept(wake.runId, wake.from, wake.chunks);
        if (how === 'gap') return this.#readRun(wake.runId, wake.from + wake.chunks.length);
        if (how === 'taken') this.#onChange();
        return;
      }
      default:
        wake satisfies never;
        // A wake-up of a newer version: the log has the change.
        return this.#readLog(false);
    }
  }

  async #readLog(fresh: boolean): Promise<void> {
    const { lastId } = this.log;
    const entries = await this.#store.readLog(lastId, { fresh });
    const isDeleted = entries.some(({ id, key }) => key === deletedEntry.key && !this.log.has(id));
    if (isDeleted || (lastId !== '' && entries[0]?.id !== lastId)) {
      this.log = new Log();
      this.#runs.clear();
    }
    this.unreadable = undefined;
    for (const entry of entries) {
      if (this.log.has(entry.id)) continue;
      if (ageOf(entry) === 'newer') {
        this.unreadable = newerError('session');
        break;
      }
      const ends = entry.frames.filter((frame) => frame.type === 'run-end');
      // An ended run is complete before its end is shown. A run that was never read here is read on request.
      for (const { runId, chunks } of ends) {
        if (this.#runs.has(runId) && this.#runs.countOf(runId) < chunks) await this.#readRun(runId, chunks);
      }
      this.log.add(entry);
      for (const { runId } of ends) this.#runs.release(runId);
    }
    this.#onChange();
    if (this.unreadable) throw this.unreadable;
    this.readAt = this.#runtime.monotonic();
  }

  async #readRuns(): Promise<void> {
    for (const { runId } of this.log.state.active) await this.#readRun(runId);
  }

  async #readRun(runId: string, least = 0): Promise<void> {
    this.#runs.append(runId, await this.#readTail(runId, this.#runs.countOf(runId), least));
    this.#onChange();
  }

  /** Reads again without a replica if the run is known to have more chunks. */
  async #readTail(runId: string, from: number, least: number): Promise<RunTail> {
    const tail = await this.#store.readRun(runId, from);
    if (from + tail.chunks.length >= least) return tail;
    return this.#store.readRun(runId, from, { fresh: true });
  }

  #serially(task: () => Promise<void> | undefined): Promise<void> {
    const done = this.#queue.then(() => (this.#closed ? undefined : task()));
    this.#queue = done.catch(() => void (this.failedAt = this.#runtime.monotonic()));
    return done;
  }
}
