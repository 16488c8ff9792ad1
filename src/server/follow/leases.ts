// Ends runs whose producers died (G6). A live producer renews the lease of its run. While a viewer watches, the leases
// are checked when the first of them ends, so that a dead run is ended soon after. Otherwise the next request ends it.

import type { Cancel, Runtime } from '../../lib/runtime.ts';
import { isActive, type SessionState } from '../../protocol/session-state.ts';
import { endRun } from './end.ts';
import type { SessionStore } from './session-store.ts';

/** How long producers may need to renew their leases after a failure of the store. */
const shakenMs = 5_000;
/** The wait for an open renewal, random so that not all processes check at the same moment. */
const graceMs = 250;
const jitterMs = 750;
/** The wait before the next check after a failure of the store. */
const againMs = 1_000;

/** What the leases need of their session. */
export interface LeasesOptions {
  readonly runtime: Runtime;
  readonly store: SessionStore;
  /** The lease of a new run. */
  readonly leaseMs: number;
  readonly state: () => SessionState;
  /** Reads the log, not from a replica. */
  readonly refresh: () => Promise<void>;
  /** The time of the last failed read, on the monotonic clock. */
  readonly failedAt: () => number;
  /** Called after the watch has found dead runs and ended them. */
  readonly onReaped: () => void;
}

/** The leases of the runs of a session. */
export class Leases {
  readonly #options: LeasesOptions;
  /**
   * Runs that this process works on. After its event loop has stood still, their leases have ended, and the check can
   * come before the renewal: only another process may conclude that this one is dead.
   */
  readonly #own = new Set<string>();
  /** Runs that this process is ending. */
  readonly #ending = new Map<string, Promise<unknown>>();
  #failedAt = -Infinity;
  #watches = false;
  #cancel: Cancel | undefined;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** See `Session.workOn`. */
  workOn(runId: string): () => void {
    this.#own.add(runId);
    return () => void this.#own.delete(runId);
  }

  /** See `Session.reap`. */
  async reap(runIds: readonly string[]): Promise<boolean> {
    const { dead } = await this.#ask(runIds).catch(() => ({ dead: 0 }));
    return dead > 0;
  }

  /** Checks the leases of active runs from now on. */
  watch(): void {
    this.#watches = true;
    // The leases of earlier runs can end at any time.
    if (this.#options.state().active.length > 0 && !this.#cancel) this.#wait(0);
  }

  /** Call it after every change of the session, because a run can have begun. */
  changed(): void {
    const { state, leaseMs } = this.#options;
    if (this.#watches && state().active.length > 0 && !this.#cancel) this.#wait(leaseMs);
  }

  close(): void {
    this.#watches = false;
    this.#cancel?.();
  }

  #wait(ms: number): void {
    const { runtime } = this.#options;
    const later = graceMs + ms + runtime.random() * jitterMs;
    this.#cancel = runtime.schedule(() => void this.#look(), later, { background: true });
  }

  async #look(): Promise<void> {
    const { state, onReaped } = this.#options;
    const runIds = state().active.map(({ runId }) => runId);
    // If a lease cannot be read, or a run cannot be ended, it is tried again.
    const { dead, leftMs } = await this.#ask(runIds).catch(() => ({ dead: 0, leftMs: againMs }));
    if (dead > 0) onReaped();
    this.#cancel = undefined;
    if (this.#watches && state().active.length > 0) this.#wait(leftMs);
  }

  /** Ends the dead ones of these runs. Resolves with their number, and with the end of the next lease. */
  async #ask(runIds: readonly string[]): Promise<{ readonly dead: number; readonly leftMs: number }> {
    const { runtime, store, state, refresh, failedAt, leaseMs } = this.#options;
    const active = runIds.filter((runId) => isActive(state(), runId) && !this.#own.has(runId));
    const isShaken = runtime.monotonic() - Math.max(this.#failedAt, failedAt()) < shakenMs;
    if (active.length === 0) return { dead: 0, leftMs: leaseMs };
    if (isShaken) return { dead: 0, leftMs: againMs };
    const leases = await store.leases(active).catch((error: unknown) => {
      this.#failedAt = runtime.monotonic();
      throw error;
    });
    const ended = active.filter((_, index) => leases[index] === 0);
    // The entry of a run's end removes its lease, too, and this process can read it later.
    if (ended.length > 0) await refresh();
    const dead = ended.filter((runId) => isActive(state(), runId));
    await Promise.all(dead.map((runId) => this.#end(runId)));
    const left = leases.filter((ms) => ms > 0);
    return { dead: dead.length, leftMs: left.length > 0 ? Math.min(...left) : againMs };
  }

  /** One attempt at a time for each run. */
  #end(runId: string): Promise<unknown> {
    const { runtime, store, state, refresh } = this.#options;
    const { active, byId } = state();
    const run = active.find((one) => one.runId === runId);
    if (!run) return Promise.resolve();
    const ended =
      this.#ending.get(runId) ??
      endRun(
        store,
        runId,
        { base: byId.get(run.messageId), send: run.send, closure: { reason: 'interrupted' } },
        { runtime, forMs: 5_000, isGone: () => refresh().then(() => !isActive(state(), runId)) },
      ).finally(() => this.#ending.delete(runId));
    this.#ending.set(runId, ended);
    return ended;
  }
}
