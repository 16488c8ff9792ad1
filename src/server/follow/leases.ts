// Runs whose producers died (G6): a producer that lives renews the lease of its run.

import { isActive, type SessionState } from '../../protocol/session-state.ts';
import { endRun } from '../run/end.ts';
import type { SessionStore } from './session-store.ts';

export interface LeasesOptions {
  readonly store: SessionStore;
  readonly state: () => SessionState;
  /** Whether the store has failed lately, so that no producer could renew a lease. */
  readonly isShaken: () => boolean;
}

export class Leases {
  readonly #options: LeasesOptions;
  /** Runs that are being ended here. */
  readonly #ending = new Map<string, Promise<unknown>>();

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** See `Session.reap`. */
  async reap(runIds: readonly string[]): Promise<boolean> {
    const { store, state, isShaken } = this.#options;
    const active = runIds.filter((runId) => isActive(state(), runId));
    if (isShaken() || active.length === 0) return false;
    try {
      const alive = await store.alive(active);
      const dead = active.filter((_, index) => !alive[index]);
      await Promise.all(dead.map((runId) => this.#end(runId)));
      return dead.length > 0;
    } catch {
      return false;
    }
  }

  /** Once at a time, however many notice. */
  #end(runId: string): Promise<unknown> {
    const { store, state } = this.#options;
    if (!isActive(state(), runId)) return Promise.resolve();
    const ended =
      this.#ending.get(runId) ??
      endRun({
        store,
        runId,
        base: baseOf(state(), runId),
        closure: { reason: 'interrupted' },
        patience: { forMs: 5_000 },
      }).finally(() => this.#ending.delete(runId));
    this.#ending.set(runId, ended);
    return ended;
  }
}

/** The message that the run continues. */
function baseOf({ active, byId }: SessionState, runId: string): ReturnType<SessionState['byId']['get']> {
  const run = active.find((one) => one.runId === runId);
  return run && byId.get(run.messageId);
}
