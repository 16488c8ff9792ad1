// The public handle of a session. The library itself uses its core.

import type { UIMessage } from 'ai';
import type { StopReceipt } from '../protocol/requests.ts';
import { systemRuntime, type Runtime } from '../lib/runtime.ts';
import { Core, type DurableSessionOptions } from './core.ts';
import type { ToolOutcomeOptions } from './network/requests.ts';
import type { SessionSnapshot } from './sends/store.ts';

export type { EndedRun } from '../protocol/frames.ts';
export type { RunStatus, SessionRun, SessionState } from '../protocol/session-state.ts';
export type { StopReceipt } from '../protocol/requests.ts';
export type { DurableSessionOptions } from './core.ts';
export type { UnsentMessage } from './sends/queries.ts';
export type { SessionSnapshot } from './sends/store.ts';

const cores = new WeakMap<DurableSession, Core>();

/** The core of a handle. */
export function coreOf(session: DurableSession): Core {
  const core = cores.get(session);
  if (!core)
    throw new TypeError('This `DurableSession` is of another copy of durable-chat. Install it once.');
  return core;
}

/**
 * One session on the client: its state and its commands. It connects while it is open, and needs no framework and no
 * Chat. Once the session has been connected, sends, stops and tool outcomes are retried while the network fails. The option
 * `outbox: false` disables that.
 *
 * @example
 * ```ts
 * const session = new DurableSession({ id: 'my-chat', api: '/api/chat' });
 * const close = session.open();
 * session.subscribe(() => console.log(session.getSnapshot().connection));
 * await session.stop();
 * close();
 * ```
 */
export class DurableSession {
  /**
   * @param options - the session's id, the route and how to request it; see `DurableSessionOptions`
   * @param runtime - time and randomness, for tests that simulate them
   */
  constructor(options: DurableSessionOptions, runtime: Runtime = systemRuntime) {
    const core = new Core(options, runtime);
    cores.set(this, core);
    this.getSnapshot = core.store.getSnapshot;
    this.subscribe = core.store.subscribe;
  }

  /** The session's id. If the option `id` is a function, the first read calls it. */
  get id(): string {
    return coreOf(this).id;
  }

  /**
   * The current state. The function can be passed to `useSyncExternalStore`.
   *
   * @returns the same object until something in it changes
   */
  readonly getSnapshot: () => SessionSnapshot;

  /**
   * Calls `listener` after every change, chunks included. The function can be passed to `useSyncExternalStore`.
   *
   * @param listener - called without arguments
   * @returns a function that ends the calls
   */
  readonly subscribe: (listener: () => void) => () => void;

  /**
   * Keeps the session connected. It may be called several times: the connection lasts until each result has been called.
   *
   * @returns a function that ends this use of the connection, and stops no run
   */
  open(): () => void {
    return coreOf(this).open();
  }

  /**
   * Stops one run or, without `runId`, all active runs and the runs of sends without a response. Stopping a run twice
   * succeeds. If the network fails, the stop is kept, over a reload too: its runs have the status `stopping`, and it is
   * delivered before any send when the network is back. It then concerns the runs that were known when it was made. A send
   * that is made while a stop of all runs has no response is posted after it, at most 10 s later.
   *
   * @returns the server's receipt, once the server has the stop. It is empty if there is nothing to stop
   * @throws DurableChatError `network` if no run is known to stop and the server cannot be reached, or if a send has no
   *   response after 10 s (it is stopped as soon as it has one); `store_failed`; `not_found` for a `runId` that the session
   *   does not have; and the refusal of `authorize`
   */
  stop({ runId }: { readonly runId?: string } = {}): Promise<StopReceipt> {
    return coreOf(this).stops.stop(runId);
  }

  /**
   * Takes back a send that waits for its turn, with its message, for all viewers. It is not retried.
   *
   * @throws DurableChatError `conflict` if its turn has come, `not_found` for a run that the session does not have,
   *   `network`, and the refusal of `authorize`
   */
  withdraw({ runId }: { readonly runId: string }): Promise<void> {
    const { id, requests } = coreOf(this);
    return requests.withdraw(id, runId);
  }

  /**
   * Gives a tool call that waits its outcome: an output, an error, or the response to an approval. The first outcome of
   * any viewer counts.
   *
   * @param options - the message, the call and the outcome
   * @returns the message with the outcome; undefined while the message is being written
   * @throws DurableChatError `conflict` if the call has an outcome or no longer waits, `not_found` for an unknown
   *   call, `bad_request` for an output that is not JSON, `network`, and the refusal of `authorize`
   */
  addToolOutcome(options: ToolOutcomeOptions): Promise<UIMessage | undefined> {
    return coreOf(this).addToolOutcome(options);
  }

  /**
   * Deletes one message for all viewers, and stops the run that was sent with it or that writes it. It succeeds for an
   * unknown message. A message whose send was refused is only removed from this client, without
   * a request. It is not retried.
   *
   * @throws DurableChatError `not_found` for a session that the store does not know, `conflict` if other changes came first
   *   ten times, `network`, and the refusal of `authorize` (action `delete`)
   */
  async deleteMessage(messageId: string): Promise<void> {
    const core = coreOf(this);
    if (!core.dismiss(messageId)) await core.requests.delete(core.id, messageId);
  }

  /**
   * Deletes all messages for all viewers, and stops all runs. The session is then known and empty, also if the store
   * did not know it: no client can fill it with earlier messages. It is not retried.
   *
   * @throws DurableChatError `conflict` if other changes came first ten times, `network`, and the refusal of `authorize`
   */
  clear(): Promise<void> {
    const { id, requests } = coreOf(this);
    return requests.delete(id, undefined);
  }
}
