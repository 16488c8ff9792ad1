// Runs whose producers died (G6): a producer that lives renews the lease of its run. While a viewer watches, the leases
// are asked for when the first of them runs out, so that a dead run is ended soon after; else by who finds it in the way.

import type { Cancel, Runtime } from '../../lib/runtime.ts';
import { isActive, type SessionState } from '../../protocol/session-state.ts';
import { endRun } from './end.ts';
import type { SessionStore } from './session-store.ts';

/** How long after a failure of the store its producers may need to show that they live. */
const shakenMs = 5_000;
/** A renewal that is on its way is waited for, and not by all processes until the same moment. */
const graceMs = 250;
const jitterMs = 750;
/** The wait before a store that failed, or has failed lately, is asked again. */
const againMs = 1_000;

export interface LeasesOptions {
  readonly runtime: Runtime;
  readonly store: SessionStore;
  /** How long the lease of a run lasts that begins now. */
  readonly leaseMs: number;
  readonly state: () => SessionState;
  /** When the session could not be read last, on the monotonic clock. */
  readonly failedAt: () => number;
  /** Called after runs were found dead by the watch, and ended. */
  readonly onReaped: () => void;
}

export class Leases {
  readonly #options: LeasesOptions;
  /** Runs that are being ended here. */
  readonly #ending = new Map<string, Promise<unknown>>();
  #failedAt = -Infinity;
  #watches = false;
  #cancel: Cancel | undefined;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** See `Session.reap`. */
  async reap(runIds: readonly string[]): Promise<boolean> {
    const { dead } = await this.#ask(runIds).catch(() => ({ dead: 0 }));
    return dead > 0;
  }

  /** Looks after the leases of active runs from now on. */
  watch(): void {
    this.#watches = true;
    // Leases of runs that have begun before can run out at any time.
    if (this.#options.state().active.length > 0 && !this.#cancel) this.#wait(0);
  }

  /** To be called after every change of the session: a run may have begun. */
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
    // One that cannot be asked for now, or not be ended, is asked for again.
    const { dead, leftMs } = await this.#ask(runIds).catch(() => ({ dead: 0, leftMs: againMs }));
    if (dead > 0) onReaped();
    this.#cancel = undefined;
    if (this.#watches && state().active.length > 0) this.#wait(leftMs);
  }

  /** Ends the dead among these runs. Resolves with how many there were, and when the next lease runs out. */
  async #ask(runIds: readonly string[]): Promise<{ readonly dead: number; readonly leftMs: number }> {
    const { runtime, store, state, failedAt } = this.#options;
    const active = runIds.filter((runId) => isActive(state(), runId));
    const isShaken = runtime.monotonic() - Math.max(this.#failedAt, failedAt()) < shakenMs;
    if (isShaken || active.length === 0) return { dead: 0, leftMs: againMs };
    const leases = await store.leases(active).catch((error: unknown) => {
      this.#failedAt = runtime.monotonic();
      throw error;
    });
    const dead = active.filter((_, index) => leases[index] === 0);
    await Promise.all(dead.map((runId) => this.#end(runId)));
    const left = leases.filter((ms) => ms > 0);
    return { dead: dead.length, leftMs: left.length > 0 ? Math.min(...left) : againMs };
  }

  /** Once at a time, however many notice. */
  #end(runId: string): Promise<unknown> {
    const { runtime, store, state } = this.#options;
    if (!isActive(state(), runId)) return Promise.resolve();
    const ended =
      this.#ending.get(runId) ??
      endRun(
        store,
        runId,
        { base: baseOf(state(), runId), closure: { reason: 'interrupted' } },
        { runtime, forMs: 5_000 },
      ).finally(() => this.#ending.delete(runId));
    this.#ending.set(runId, ended);
    return ended;
  }
}

/** The message that the run continues. */
function baseOf({ active, byId }: SessionState, runId: string): ReturnType<SessionState['byId']['get']> {
  const run = active.find((one) => one.runId === runId);
  return run && byId.get(run.messageId);
}
