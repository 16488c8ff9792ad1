// A session as the server's own code uses it: read it, follow it, stop it.

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
import { answerTool, type ToolAnswer } from './answer-tool.ts';
import { deleteFrom } from './delete-messages.ts';
import { claimTool, type ToolClaim } from './claim-tool.ts';
import type { Session } from '../follow/session.ts';
import type { Keeper, Opened } from '../keep/app-history.ts';
import { openViewer, type ViewerFrame } from '../follow/viewer.ts';

/** `M` is the app's own message type. */
export interface SessionHandle<M extends UIMessage = UIMessage> {
  readonly id: string;
  /** The messages that the log holds, and the runs that are active. */
  read(): Promise<{ readonly messages: M[]; readonly runs: SessionRun[] }>;
  /** Frames from `after` on, or from a snapshot, until `signal` aborts or the loop is left. */
  follow(options?: { readonly after?: string; readonly signal?: AbortSignal }): AsyncIterable<ViewerFrame>;
  /**
   * Stops one run, or all active ones. Rejects with `not_found` for a session or a run that the store does not have:
   * it never existed, has expired or was deleted.
   */
  stop(options?: { readonly runId?: string; readonly by?: string }): Promise<StopReceipt>;
  /**
   * Takes back a send that still waits for its turn, with its message. Rejects with `not_found` for a run that
   * the store does not have, and with `conflict` for one whose turn has come.
   */
  withdraw(options: { readonly runId: string; readonly by?: string }): Promise<void>;
  /**
   * Answers a tool call that waits: with its output, or with an approval. Resolves with the message as this
   * answer left it; undefined while the message is still being written. Rejects with `not_found` for a call that
   * is not there, and with `conflict` for one that does not wait, or that already has an answer.
   */
  answer(options: ToolAnswer): Promise<M | undefined>;
  /**
   * Claims a tool call that waits for a client to execute it. Resolves with whether the call is the caller's to execute:
   * false when another client holds it, or when it does not wait any more. Rejects with `not_found` for an unknown call.
   */
  claim(options: ToolClaim): Promise<boolean>;
  /**
   * Deletes one message, and stops the run that was sent with it or that writes it: a waiting one never has its turn.
   * Resolves once that run has ended, or after 5 s. Deleting a message that the session does not have is fine. Rejects
   * with `not_found` for a session that the store does not know and of which `loadMessages` has nothing.
   */
  deleteMessage(id: string, options?: { readonly by?: string }): Promise<void>;
  /**
   * Deletes all messages, and stops all runs. Resolves once they have ended, or after 5 s. The session goes on, empty:
   * neither a client nor `loadMessages` fills it again before it expires, also if the store did not know it before. The
   * store keeps the deleted messages until then; see `delete()`.
   */
  clear(options?: { readonly by?: string }): Promise<void>;
  /**
   * Stops active runs without calling `onRunEnd`, and deletes the session. For `ttl` the store remembers that it was
   * deleted: until then a send takes only its last user message from the client. Viewers see an empty session, or what
   * `loadMessages` returns. Deleting a session that does not exist is fine.
   */
  delete(): Promise<void>;
}

export function createSessionHandle<M extends UIMessage>(
  id: string,
  open: () => Promise<Opened>,
  waitUntil: (promise: Promise<unknown>) => void,
): SessionHandle<M> {
  async function use<T>(work: (session: Session, keeper: Keeper) => Promise<T>): Promise<T> {
    const { sessions, keeper } = await open();
    return sessions.use(id, (session) => work(session, keeper));
  }

  return {
    id,
    read: () =>
      use(async (session, keeper) => {
        await session.refresh();
        await keeper.seedSession(session);
        await session.reap(session.state.active.map(({ runId }) => runId));
        await session.refresh();
        void keeper.tell(id, waitUntil);
        // The app's own: what it sent is what it reads.
        return { messages: messagesOf(session.state) as M[], runs: runsOf(session.state) };
      }),

    async *follow({ after, signal } = {}) {
      const { sessions, keeper } = await open();
      const { session, release } = sessions.hold(id);
      try {
        const viewer = await openViewer(session, { after, prepare: keeper.seedSession });
        void keeper.tell(id, waitUntil);
        yield* viewer.frames(signal);
      } finally {
        release();
      }
    },

    stop: ({ runId, by } = {}) =>
      use(async (session, keeper) => {
        await session.refresh({ fresh: true });
        if (!session.log.hasBegun)
          throw new DurableChatError(
            'not_found',
            'The session does not exist: it has no messages yet, has expired, or was deleted.',
          );
        const { active, ended } = session.state;
        const targets = active
          .map((candidate) => candidate.runId)
          .filter((id) => runId === undefined || id === runId);
        if (runId !== undefined && targets.length === 0 && !ended.has(runId)) {
          throw new DurableChatError('not_found', 'The session has no such run.');
        }
        await session.stop(targets, { by });
        await session.untilOver(targets);
        void keeper.tell(id, waitUntil);
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
          throw new DurableChatError('not_found', 'The session has no such run.');
        }
        if (isActive(state, runId) && !isItsTurn(state, runId)) {
          // The answer tells what came before it; no second read does.
          const log = session.log.copy();
          await session.appendTo(log, entries.withdraw(runId, by), { existing: true });
          if (isWithdrawn(log.state, runId)) return;
        }
        await session.reap([runId]);
        throw new DurableChatError('conflict', 'The run no longer waits for its turn. Stop it instead.');
      }),

    answer: (options) => use(async (session) => (await answerTool(session, options)) as M | undefined), // as above

    claim: (options) => use((session) => claimTool(session, options)),

    deleteMessage: (messageId, { by } = {}) =>
      use((session, keeper) => deleteFrom(session, keeper, { messageId, ...(by !== undefined && { by }) })),

    clear: ({ by } = {}) =>
      use((session, keeper) => deleteFrom(session, keeper, { all: true, ...(by !== undefined && { by }) })),

    delete: () =>
      use(async (session) => {
        await session.refresh({ fresh: true });
        const runs = session.state.active.map(({ runId }) => runId);
        const isOver = (runId: string) => !isActive(session.state, runId);
        const endAll = async () => {
          for (const runId of runs) {
            // What is deleted is not to be kept by the app.
            await session.append(entries.saved(runId), { lease: { type: 'stop', runId } });
          }
          await session.stop(runs);
          await session.untilOver(runs);
        };
        // A session with a run that cannot be ended can be deleted all the same.
        await endAll().catch(() => {});
        // Whoever still works on one is refused by the store from now on.
        const closed = runs.filter((runId) => !isOver(runId));
        for (const runId of closed) await session.retry(() => session.store.close(runId, { reason: 'stop' }));
        await session.retry(() => session.store.delete(closed));
        await session.refresh({ fresh: true });
      }),
  };
}

/** Not so a run whose message another one took: that is answered. */
function isWithdrawn({ ended }: SessionState, runId: string): boolean {
  const end = ended.get(runId);
  return end?.withdrawn === true && !end.steered;
}
