// Stops. They are kept like sends until the server has them, and delivered before the sends.

import { DurableChatError } from '../../protocol/errors.ts';
import type { StopReceipt } from '../../protocol/requests.ts';
import { isNetworkFailure } from '../network/network-failure.ts';
import type { ClientStore } from './store.ts';
import type { Runtime } from '../../lib/runtime.ts';
import { within } from '../../lib/time.ts';
import { until } from '../../lib/until.ts';
import type { Deliveries } from './deliver.ts';
import { isStopOf } from './queries.ts';
import type { SendStorage } from './storage.ts';

/** What stops need of their session. */
export interface StopOptions {
  readonly runtime: Runtime;
  readonly store: ClientStore;
  readonly deliveries: Deliveries;
  readonly storage: SendStorage | undefined;
  /** Stops one run, or all. Resolves with the server's receipt. */
  readonly request: (runId: string | undefined) => Promise<StopReceipt>;
}

/** How long a stop waits for the run of a send, and a later send for a stop, in milliseconds. */
export const sendWithinMs = 10_000;

/** The receipt of a stop that found no run. */
export const nothingStopped: StopReceipt = { stopped: [], alreadyEnded: [], pending: [] };

/** The sends without a response when a stop was made. */
interface EarlierSends {
  readonly posting: Deliveries['underWay'];
  /** Whether one of them waited for the network. */
  readonly gaveUp: boolean;
}

/** The stops of a session. */
export class Stops {
  readonly #options: StopOptions;

  constructor(options: StopOptions) {
    this.#options = options;
  }

  /**
   * Stops one run, or all active runs and the runs of sends without a response. `earlier` are the sends that were made
   * before the stop.
   */
  stop(runId: string | undefined, earlier?: EarlierSends): Promise<StopReceipt> {
    if (runId !== undefined) return this.#stop(runId, { posting: [], gaveUp: false });
    return this.beforeSends(() => this.#stop(undefined, earlier ?? this.giveUp()));
  }

  /** Gives up the sends without a response. */
  giveUp(): EarlierSends {
    const { deliveries } = this.#options;
    return { posting: deliveries.underWay, gaveUp: deliveries.giveUp() };
  }

  /** Sends that are made during `stop` wait for it, at most `sendWithinMs`: a stop of all runs would stop theirs too. */
  async beforeSends<T>(stop: () => Promise<T>): Promise<T> {
    const { runtime, store } = this.#options;
    store.dispatch({ type: 'stop-all' });
    const stopped = stop();
    await within(runtime, sendWithinMs, stopped).catch(() => {});
    store.dispatch({ type: 'stop-all-over' });
    return stopped;
  }

  async #stop(runId: string | undefined, { posting, gaveUp }: EarlierSends): Promise<StopReceipt> {
    const { runtime, store } = this.#options;
    const { session, sends } = store.client;
    const isAll = runId === undefined;
    const active = session?.active.map((run) => run.runId) ?? [];
    const accepted = sends.flatMap((send) => (send.state === 'accepted' ? send.runId : []));
    const runIds = isAll ? [...active, ...accepted] : [runId];
    const ids = [
      ...runIds,
      ...sends.flatMap(({ key, message }) => (posting.some((one) => one.key === key) ? message.id : [])),
    ];
    store.dispatch({ type: 'stop', ids });
    try {
      let failure: unknown;
      const first = await this.#deliver(runId, runIds, gaveUp && runIds.length === 0).catch(
        (error: unknown) => {
          // The runs of sends under way are still stopped.
          if (posting.length === 0 || !isNetworkFailure(error)) throw error;
          failure = error;
        },
      );
      if (first) store.dispatch({ type: 'stop-taken', ids: runIds });
      const receipts = first ? [first] : [];
      const dueAt = runtime.monotonic() + sendWithinMs;
      for (const { run } of posting) {
        const settled = await within(
          runtime,
          dueAt - runtime.monotonic(),
          run.then((started) => ({ started })),
        );
        if (!settled) return this.stopLate({ posting });
        const { started } = settled;
        if (started === undefined) continue;
        const isStopped = receipts.some(({ stopped }) => stopped.some((one) => one.runId === started));
        if (!isStopped) receipts.push(await this.#stopOne(started));
      }
      if (!first && (runIds.length > 0 || receipts.length === 0)) throw failure;
      return joined(receipts);
    } finally {
      store.dispatch({ type: 'stop-over', ids: waitingAmong(store, ids) });
    }
  }

  /** Stops the runs of sends without a response as soon as they are known. Throws, because the stop is not confirmed. */
  stopLate({ posting }: Pick<EarlierSends, 'posting'>): never {
    for (const { run } of posting) {
      void run
        .then((runId) => (runId === undefined ? nothingStopped : this.#stopOne(runId)))
        // The caller already has the error that the stop is not confirmed.
        .catch(() => {});
    }
    throw new DurableChatError(
      'network',
      'The stop is not confirmed: a send has no response yet. The send is stopped as soon as it has one.',
    );
  }

  /** Delivers the stops of an earlier page whose runs have not ended. */
  async restore(): Promise<void> {
    const { runtime, store, storage } = this.#options;
    const kept = storage?.stops ?? [];
    if (kept.length === 0) return;
    const session = await until(runtime, store.subscribe, () => store.client.session);
    const runIds =
      session?.active.flatMap((run) => (kept.some((id) => isStopOf(session, run, id)) ? run.runId : [])) ??
      [];
    for (const id of kept) if (!runIds.includes(id)) storage?.forgetStop(id);
    await this.#again(runIds, 0);
  }

  /** `isLocal`: as far as this client knows, the server has no run to stop. */
  async #deliver(
    runId: string | undefined,
    runIds: readonly string[],
    isLocal: boolean,
  ): Promise<StopReceipt> {
    const { deliveries, storage, request } = this.#options;
    const kept = deliveries.canRetry ? runIds : [];
    for (const id of kept) storage?.keepStop(id);
    try {
      return await request(runId);
    } catch (error) {
      if (isNetworkFailure(error) && deliveries.canRetry && runIds.length > 0)
        return await this.#again(runIds, 1);
      // The stop can reach the server before the send has become a run.
      const isEarly = error instanceof DurableChatError && error.code === 'not_found';
      if (isLocal || (runId === undefined && isEarly)) return nothingStopped;
      throw error;
    } finally {
      for (const id of kept) storage?.forgetStop(id);
    }
  }

  #stopOne(runId: string): Promise<StopReceipt> {
    const { deliveries, request } = this.#options;
    return deliveries.canRetry ? this.#again([runId], 0) : request(runId);
  }

  /** Stops known runs, and retries while the network fails. Runs that end meanwhile need no stop. */
  async #again(runIds: readonly string[], failures: number): Promise<StopReceipt> {
    const { store, deliveries, storage, request } = this.#options;
    store.dispatch({ type: 'stop', ids: runIds });
    if (failures > 0) store.dispatch({ type: 'stop-fail', ids: runIds });
    for (const runId of runIds) storage?.keepStop(runId);
    const receipts: StopReceipt[] = [];
    try {
      for (const runId of runIds) {
        const attempt = async (): Promise<StopReceipt> => {
          if (store.client.session?.ended.has(runId)) return { ...nothingStopped, alreadyEnded: [runId] };
          try {
            return await request(runId);
          } catch (error) {
            if (isNetworkFailure(error)) store.dispatch({ type: 'stop-fail', ids: [runId] });
            throw error;
          }
        };
        receipts.push(await deliveries.again(attempt, undefined, failures));
        failures = 0;
        store.dispatch({ type: 'stop-taken', ids: [runId] });
        storage?.forgetStop(runId);
      }
    } finally {
      for (const runId of runIds) storage?.forgetStop(runId);
      store.dispatch({ type: 'stop-over', ids: waitingAmong(store, runIds) });
    }
    return joined(receipts);
  }
}

/** The stops that the server does not have. */
function waitingAmong(store: ClientStore, ids: readonly string[]): string[] {
  return store.client.stops.flatMap(({ id, state }) => (ids.includes(id) && state !== 'taken' ? id : []));
}

function joined(receipts: readonly StopReceipt[]): StopReceipt {
  return {
    stopped: receipts.flatMap(({ stopped }) => stopped),
    alreadyEnded: receipts.flatMap(({ alreadyEnded }) => alreadyEnded),
    pending: receipts.flatMap(({ pending }) => pending),
  };
}
