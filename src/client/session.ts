// The public handle of a session. What the library itself needs of one is its core.

import type { UIMessage } from 'ai';
import type { StopReceipt } from '../protocol/requests.ts';
import { Core, type DurableSessionOptions } from './core.ts';
import type { ToolAnswer } from './network/requests.ts';
import type { SessionSnapshot } from './store.ts';

export type { EndedRun } from '../protocol/frames.ts';
export type { RunStatus, SessionRun, SessionState } from '../protocol/session-state.ts';
export type { StopReceipt } from '../protocol/requests.ts';
export type { DurableSessionOptions } from './core.ts';
export type { UnsentMessage } from './sends/queries.ts';
export type { SessionSnapshot } from './store.ts';

const cores = new WeakMap<DurableSession, Core>();

/** What stands behind a handle. */
export function coreOf(session: DurableSession): Core {
  const core = cores.get(session);
  if (!core) throw new TypeError('This is not a DurableSession of this copy of durable-chat.');
  return core;
}

/**
 * One session as a client sees it: its state, and what can be done to it. It connects while it is open, and needs no
 * framework and no Chat. All requests are retried while the network fails, once the session has been connected;
 * `outbox: false` turns that off.
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
   */
  constructor(options: DurableSessionOptions) {
    const core = new Core(options);
    cores.set(this, core);
    this.getSnapshot = core.store.getSnapshot;
    this.subscribe = core.store.subscribe;
  }

  /** The session's id. The first read of it calls the `id` option where that is a function. */
  get id(): string {
    return coreOf(this).id;
  }

  /**
   * The session as it is known now. It can be detached from the session, and passed to `useSyncExternalStore`.
   *
   * @returns the same object until something in it changes
   */
  readonly getSnapshot: () => SessionSnapshot;

  /**
   * Calls `listener` after every change, chunks included. It can be detached from the session.
   *
   * @param listener - called without arguments
   * @returns ends the calls; a second call does nothing
   */
  readonly subscribe: (listener: () => void) => () => void;

  /**
   * Keeps the session connected. It may be called several times: the connection lasts until each result has been called.
   *
   * @returns ends this use of the connection, and stops no run; a second call does nothing
   */
  open(): () => void {
    return coreOf(this).open();
  }

  /**
   * Stops one run or, without `runId`, every active one, and what becomes of sends that have no answer yet. Stopping a run
   * twice is fine. A stop that the network fails is kept, over a reload too: its runs have the status `stopping`, and it is
   * delivered before any send when the network is back. What is kept are the runs that were known when it was made.
   *
   * @returns the server's receipt, once the server has the stop. It is empty where there is nothing to stop
   * @throws DurableChatError `network` if no run is known to stop and the server cannot be reached, or if a send has no
   *   answer after 10 s (it is stopped as soon as it has one); `store_failed`; `not_found` for a `runId` that the session
   *   does not have; and what `authorize` answered
   */
  stop({ runId }: { readonly runId?: string } = {}): Promise<StopReceipt> {
    return coreOf(this).stops.stop(runId);
  }

  /**
   * Takes back a send that still waits for its turn, with its message, for all viewers. The request is made once.
   *
   * @throws DurableChatError `conflict` when its turn has come, `not_found` for a run that the session does not have,
   *   `network`, and what `authorize` answered
   */
  withdraw({ runId }: { readonly runId: string }): Promise<void> {
    const { id, requests } = coreOf(this);
    return requests.withdraw(id, runId);
  }

  /**
   * Answers a tool call that waits. The first answer counts, from any viewer. A repeated request is the same answer.
   *
   * @returns the message as the answer left it; undefined while that is still being written
   * @throws DurableChatError `conflict` when the call has an answer or does not wait any more, `not_found` when there is no
   *   such call, `bad_request` for an output that is no JSON, `network`, and what `authorize` answered
   */
  answer(answer: ToolAnswer): Promise<UIMessage | undefined> {
    return coreOf(this).answer(answer);
  }

  /**
   * Deletes one message for all viewers, and stops the run that was sent with it or that writes it. Deleting a message
   * that the session does not have is fine. Of a message whose send was refused it removes what this client keeps, without
   * a request. The request is made once.
   *
   * @throws DurableChatError `not_found` for a session that the store does not know, `network`, and what `authorize`
   *   answered (action `delete`)
   */
  async deleteMessage(messageId: string): Promise<void> {
    const core = coreOf(this);
    if (!core.dismiss(messageId)) await core.requests.delete(core.id, messageId);
  }

  /**
   * Deletes all messages for all viewers, and stops all runs. The session is empty from then on, also one that the store
   * did not know: no client can fill it with an earlier history. Clearing twice is fine. The request is made once.
   *
   * @throws DurableChatError `network`, and what `authorize` answered (action `delete`)
   */
  clear(): Promise<void> {
    const { id, requests } = coreOf(this);
    return requests.delete(id, undefined);
  }
}
