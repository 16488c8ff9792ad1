// The handle of a session for the server's own code: read, follow, stop, withdraw, tool outcomes, delete.

import type { UIMessage } from 'ai';
import { entries } from '../../protocol/entries.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { StopReceipt } from '../../protocol/requests.ts';
import {
  isActive,
  isItsTurn,
  messagesOf,
  runsOf,
  type SessionRun,
  type SessionState,
} from '../../protocol/session-state.ts';
import { addToolOutcome, type ToolOutcomeOptions } from './tool-outcome.ts';
import { deleteFrom, unknownSession } from './delete-messages.ts';
import { claimTool, type ToolClaim } from './claim-tool.ts';
import type { Session } from '../follow/session.ts';
import type { Keeper, Opened } from '../keep/app-history.ts';
import { openViewer, type ViewerFrame } from '../follow/viewer.ts';
import { aborted } from '../../lib/abort.ts';

/**
 * A session, for the server's own code. `M` is the app's message type. No method calls `authorize`. Every method rejects
 * with `DurableChatError` `store_failed` if the store does not respond.
 *
 * @example
 * ```ts
 * const session = durable.session(id);
 * const { messages, runs } = await session.read();
 * await session.stop({ by: 'a moderator' });
 * ```
 */
export interface SessionHandle<M extends UIMessage = UIMessage> {
  /** The session's id: the chat id. */
  readonly id: string;
  /**
   * Reads the session.
   *
   * @returns The messages of the log, without running answers, and the active runs.
   */
  read(): Promise<{ readonly messages: M[]; readonly runs: SessionRun[] }>;
  /**
   * Iterates over the frames of the session, until `signal` aborts or the loop ends.
   *
   * @param options `after` is the cursor to resume at. Without it, the first frame is a snapshot.
   * @returns Frames with their cursors. Rejects with `invalid_cursor` for a cursor of another session.
   */
  follow(options?: { readonly after?: string; readonly signal?: AbortSignal }): AsyncIterable<ViewerFrame>;
  /**
   * Stops one run, or all active runs. Idempotent.
   *
   * @param options `runId` names one run. `by` is recorded as the user who stopped.
   * @returns The receipt, once the runs have ended, or after 5 s. Rejects with `not_found` for a session or a run that the
   *   store does not have.
   */
  stop(options?: { readonly runId?: string; readonly by?: string }): Promise<StopReceipt>;
  /**
   * Takes back a send that waits for its turn, with its message. Idempotent.
   *
   * @returns Rejects with `not_found` for a run that the store does not have, and with `conflict` if its turn has come.
   */
  withdraw(options: { readonly runId: string; readonly by?: string }): Promise<void>;
  /**
   * Gives a tool call that waits its outcome: an output, an error, or the response to an approval. The first outcome of a
   * call counts.
   *
   * @returns The message with this outcome; undefined while the message is being written. Rejects with `not_found` for an
   *   unknown call, and with `conflict` for a call that does not wait, or that has an outcome.
   */
  addToolOutcome(options: ToolOutcomeOptions): Promise<M | undefined>;
  /**
   * Claims a tool call that waits for a client to execute it.
   *
   * @returns Whether the caller may execute the call: false if another client has claimed it, or if it no longer waits. Rejects
   *   with `not_found` for an unknown call.
   */
  claim(options: ToolClaim): Promise<boolean>;
  /**
   * Deletes one message, and stops the run that was sent with it or that writes it. Succeeds for an unknown message.
   *
   * @returns Resolves once that run has ended, or after 5 s. Rejects with `not_found` for an unknown session without
   *   messages from `loadMessages`, and with `conflict` if other changes came first ten times.
   */
  deleteMessage(id: string, options?: { readonly by?: string }): Promise<void>;
  /**
   * Deletes all messages, and stops all runs. The session stays known and empty until it expires: neither a client nor
   * `loadMessages` fills it. The store keeps the deleted messages until then, see `delete()`.
   *
   * @returns Resolves once the runs have ended, or after 5 s. Rejects with `conflict` if other changes came first ten times.
   */
  clear(options?: { readonly by?: string }): Promise<void>;
  /**
   * Stops active runs without calling `onRunEnd`, and deletes the session. For `ttl` the store remembers that it was
   * deleted: until then a send takes only its last user message from the client. Viewers get an empty session, or the
   * messages of `loadMessages`. Succeeds for an unknown session.
   */
  delete(): Promise<void>;
}

/** The handle of the session `id`. `waitUntil` gets the reports to the app that a method causes. */
export function createSessionHandle<M extends UIMessage>(
  id: string,
  open: () => Promise<Opened>,
  waitUntil: (promise: Promise<unknown>) => void,
): SessionHandle<M> {
  async function use<T>(work: (session: Session, keeper: Keeper) => Promise<T>): Promise<T> {
    const { sessions, keeper } = await open();
    return sessions.use(id, async (session) => {
      await session.ready;
      return work(session, keeper);
    });
  }

  return {
    id,
    read: () =>
      use(async (session, keeper) => {
        await session.refresh();
        await keeper.seedSession(session);
        await session.reap(session.state.active.map(({ runId }) => runId));
        await session.refresh();
        void keeper.report(id, waitUntil);
        // The app's own: what it sent is what it reads.
        return { messages: messagesOf(session.state) as M[], runs: runsOf(session.state) };
      }),

    async *follow({ after, signal } = {}) {
      const { sessions, keeper } = await open();
      const over = new AbortController();
      try {
        const viewer = await sessions.use(id, (session, extend) => {
          void extend(aborted(over.signal));
          return openViewer(session, { after, prepare: keeper.seedSession });
        });
        void keeper.report(id, waitUntil);
        yield* viewer.frames(signal);
      } finally {
        over.abort();
      }
    },

    stop: ({ runId, by } = {}) =>
      use(async (session, keeper) => {
        await session.refresh({ fresh: true });
        if (!session.log.hasBegun) throw unknownSession();
        const { active, ended } = session.state;
        const targets = active
          .map((candidate) => candidate.runId)
          .filter((id) => runId === undefined || id === runId);
        if (runId !== undefined && targets.length === 0 && !ended.has(runId)) {
          throw new DurableChatError('not_found', 'The session has no such run. Check `runId`.');
        }
        await session.stop(targets, { by });
        await session.untilOver(targets);
        void keeper.report(id, waitUntil);
        const reasonOf = (target: string) => session.state.ended.get(target)?.reason;
        return {
          stopped: targets
            .filter((target) => reasonOf(target) === 'stop')
            .map((target) => ({ runId: target, at: session.runtime.now() })),
          alreadyEnded: [
            ...(runId !== undefined && targets.length === 0 ? [runId] : []),
            ...targets.filter((target) => reasonOf(target) !== undefined && reasonOf(target) !== 'stop'),
          ],
          pending: targets.filter((target) => reasonOf(target) === undefined),
        };
      }),

    withdraw: ({ runId, by }) =>
      use(async (session) => {
        await session.refresh({ fresh: true });
        const { state } = session;
        if (isWithdrawn(state, runId)) return;
        if (!state.ended.has(runId) && !isActive(state, runId)) {
          throw new DurableChatError('not_found', 'The session has no such run. Check `runId`.');
        }
        if (isActive(state, runId) && !isItsTurn(state, runId)) {
          // The reply of the append has all entries before it, so no second read is needed.
          const log = session.log.copy();
          await session.appendTo(log, entries.withdraw(runId, by), { existing: true });
          if (isWithdrawn(log.state, runId)) return;
        }
        await session.reap([runId]);
        throw new DurableChatError('conflict', 'The run no longer waits for its turn. Stop it instead.');
      }),

    addToolOutcome: (options) =>
      use(async (session) => (await addToolOutcome(session, options)) as M | undefined), // as above

    claim: (options) => use((session) => claimTool(session, options)),

    deleteMessage: (messageId, { by } = {}) =>
      use((session, keeper) => deleteFrom(session, keeper, { messageId, ...(by !== undefined && { by }) })),

    clear: ({ by } = {}) =>
      use((session, keeper) => deleteFrom(session, keeper, { all: true, ...(by !== undefined && { by }) })),

    delete: () =>
      use(async (session) => {
        await session.refresh({ fresh: true });
        const runs = session.state.active.map(({ runId }) => runId);
        const endAll = async () => {
          for (const runId of runs) {
            // The end of a run that is deleted is not reported to the app.
            await session.append(entries.saved(runId), { lease: { type: 'stop', runId } });
          }
          await session.stop(runs);
          await session.untilOver(runs);
        };
        // A session can be deleted even if one of its runs cannot be ended.
        await endAll().catch(() => {});
        await session.retry(() => session.store.delete());
        await session.refresh({ fresh: true });
      }),
  };
}

/** A run whose message steered another run does not count as withdrawn. */
function isWithdrawn({ ended }: SessionState, runId: string): boolean {
  const end = ended.get(runId);
  return end?.withdrawn === true && !end.steered;
}
