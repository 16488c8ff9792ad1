// A run's turn: when it may call the handler, and whether it has something to answer, and a place for that.

import { DurableChatError } from '../../protocol/errors.ts';
import { isItsTurn, type SessionState } from '../../protocol/session-state.ts';
import type { Session } from '../follow/session.ts';
import { monotonicMs } from '../lib/clock.ts';
import { patienceMs } from '../lib/retry.ts';
import { readableHistory } from '../history/readable-history.ts';

export interface Turn {
  readonly session: Session;
  readonly runId: string;
  readonly messageId: string;
  /** Whether the run has to wait for others: it is neither the first active run nor parallel. */
  readonly queued: boolean;
  /** The session with the run in its place, when nothing has to be waited for. */
  readonly state: SessionState;
  readonly leaseMs: number;
}

/** The stop of a run that lost its place follows within this time. It says who took the place. */
const stopFollowsWithinMs = 5_000;

/** The session when the run's turn has come. Undefined when the run has nothing to answer any more. */
export async function takeTurn(turn: Turn, signal: AbortSignal): Promise<SessionState | undefined> {
  const state = turn.queued ? await waitForTurn(turn, signal) : turn.state;
  if (!state || signal.aborted) return state;
  if (state.order.includes(turn.messageId)) {
    // Its question was deleted: the handler is not called with nothing to read.
    return readableHistory(state, turn.messageId).length > 0 ? state : undefined;
  }
  // An edit or a regeneration took the place of the answer. Its writer stops this run next.
  const stopped = () => signal.aborted || undefined;
  await turn.session.until(stopped, { signal, ms: stopFollowsWithinMs });
  return undefined;
}

/** Waits until every run before this one has ended. Ends runs whose producers died. Undefined for a withdrawn run. */
async function waitForTurn(
  { session, runId, leaseMs }: Turn,
  signal: AbortSignal,
): Promise<SessionState | undefined> {
  let reached = monotonicMs();
  async function refresh(): Promise<void> {
    try {
      await session.refresh();
      reached = monotonicMs();
    } catch (error) {
      if (monotonicMs() - reached > patienceMs) throw error;
    }
  }
  await refresh();
  for (;;) {
    const ended = session.state.ended.get(runId);
    if (ended?.withdrawn) return undefined;
    if (ended)
      throw new DurableChatError('conflict', 'The run was ended before its turn. Send the message again.');
    if (signal.aborted || isItsTurn(session.state, runId)) return session.state;
    const first = session.state.active[0];
    const moved = () =>
      session.state.active[0]?.runId !== first?.runId || session.state.ended.has(runId) || undefined;
    if ((await session.until(moved, { signal, ms: leaseMs / 2 })) || signal.aborted) continue;
    await refresh();
    const { active } = session.state;
    const before = active.slice(
      0,
      active.findIndex((one) => one.runId === runId),
    );
    await session.reap(before.map((one) => one.runId));
  }
}
