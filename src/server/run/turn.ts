// A run's turn: what a run needs of the log, and when it may call the handler.

import { DurableChatError } from '../../protocol/errors.ts';
import type { RunStartFrame } from '../../protocol/frames.ts';
import { historyOf, isItsTurn, type SessionState } from '../../protocol/session-state.ts';
import type { Session } from '../follow/session.ts';
import { readableHistory } from '../history/readable-history.ts';
import { patienceMs } from '../lib/retry.ts';

/** A run that has its place in the log. */
export interface PlacedRun {
  readonly runId: string;
  /** The message that it writes. */
  readonly messageId: string;
  /** The id of the user message that the run answers. */
  readonly question: string | undefined;
  /** The send that became this run. */
  readonly send: RunStartFrame['send'];
  /** Whether the run waits for others: it is neither the first active run nor parallel. */
  readonly queued: boolean;
  /** The session with the run in its place. */
  readonly state: SessionState;
}

/** An active run with its place. Throws `conflict` for a run that is not active any more. */
export function placedRun(state: SessionState, runId: string): PlacedRun {
  const run = state.active.find((active) => active.runId === runId);
  if (!run)
    throw new DurableChatError(
      'conflict',
      'The run was ended before it could begin. Send the message again.',
    );
  const { messageId, send } = run;
  const question = historyOf(state, messageId).findLast(({ role }) => role === 'user')?.id;
  return { runId, messageId, question, send, queued: !isItsTurn(state, runId), state };
}

/** The stop of a run that lost its place follows within this time. It names who took the place. */
const stopFollowsWithinMs = 5_000;

/**
 * The session's state when the run's turn has come, or when `signal` has aborted. Undefined if the run no longer has a
 * question.
 *
 * @param signal - Aborts as soon as the log has a stop of the run, or its end.
 */
export async function takeTurn(
  session: Session,
  placed: PlacedRun,
  leaseMs: number,
  signal: AbortSignal,
): Promise<SessionState | undefined> {
  const state = placed.queued ? await waitForTurn(session, placed.runId, leaseMs, signal) : placed.state;
  if (signal.aborted) return state;
  if (state.order.includes(placed.messageId)) {
    // Its question was deleted, so the handler is not called.
    return readableHistory(state, placed.messageId).length > 0 ? state : undefined;
  }
  // An edit or a regeneration replaced the answer, and its sender stops this run next.
  const stopped = () => signal.aborted || undefined;
  await session.until(stopped, { signal, ms: stopFollowsWithinMs });
  return undefined;
}

/** Waits until every run before this one has ended, or `signal` aborts. Ends runs whose producers died. */
async function waitForTurn(
  session: Session,
  runId: string,
  leaseMs: number,
  signal: AbortSignal,
): Promise<SessionState> {
  const { runtime } = session;
  let reached = runtime.monotonic();
  async function refresh(): Promise<void> {
    const begun = runtime.monotonic();
    try {
      await session.refresh();
      reached = begun;
    } catch (error) {
      if (runtime.monotonic() - reached > patienceMs) throw error;
    }
  }
  await refresh();
  for (;;) {
    if (signal.aborted || isItsTurn(session.state, runId)) return session.state;
    const first = session.state.active[0];
    const moved = () => session.state.active[0]?.runId !== first?.runId || undefined;
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
