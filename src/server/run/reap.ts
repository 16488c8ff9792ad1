// Runs whose producers died (G6). Nobody may be watching: whoever would wait for a run, or be refused because of it, looks
// whether it lives.

import type { Channel } from '../../channel/channel.ts';
import { isActive, isOver } from '../../protocol/session-state.ts';
import type { Session } from '../follow/session.ts';
import { endRun } from './end.ts';

/** A run whose end takes longer than this may have no producer. */
const soonMs = 1_000;

/**
 * Ends those of these runs whose producers no longer renew their leases, and leaves the living alone; resolves with
 * whether there were any. While the store failed nobody could renew anything, so that a lease which is gone says
 * nothing shortly after (G8). Never rejects: whoever finds a run so next tries again.
 */
export async function reapDead(
  channel: Channel,
  session: Session,
  runs: readonly string[],
): Promise<boolean> {
  const { sessionId, isShaken } = session;
  const active = runs.filter((runId) => isActive(session.state, runId));
  if (isShaken || active.length === 0) return false;
  try {
    const alive = await channel.alive(sessionId, active);
    const dead = active.filter((_, index) => !alive[index]);
    await Promise.all(dead.map((runId) => endDead(channel, session, runId)));
    return dead.length > 0;
  } catch {
    return false;
  }
}

async function endDead(channel: Channel, { sessionId, state }: Session, runId: string): Promise<void> {
  const active = state.active.find((one) => one.runId === runId);
  if (!active) return;
  const base = state.byId.get(active.messageId);
  const patience = { forMs: 5_000 };
  await endRun({ channel, sessionId, runId, base, closure: { reason: 'interrupted' }, patience });
}

/**
 * Waits for the ends of runs, for at most about `ms`. Those that do not come soon are looked for: the word of an end may
 * be lost, and a dead producer's run is ended.
 */
export async function untilOver(
  channel: Channel,
  session: Session,
  runs: readonly string[],
  ms: number,
): Promise<void> {
  const seen = new Set<string>();
  const isDone = (runId: string) => {
    if (!isActive(session.state, runId)) return isOver(session.state, runId) || seen.has(runId);
    seen.add(runId);
    return false;
  };
  const done = () => runs.every(isDone) || undefined;
  const soon = Math.min(soonMs, ms);
  for (const part of [soon, ms - soon]) {
    if (await session.until(done, { ms: part })) return;
    // A store that does not answer is asked by whoever comes next.
    await session.refresh({ fresh: true }).catch(() => {});
    if (await reapDead(channel, session, runs)) await session.refresh({ fresh: true }).catch(() => {});
  }
}
