// Refusals because of runs that are active. One whose producer is dead is no reason to refuse, and no other process may
// be there to notice (G6).

import { DurableChatError } from '../../protocol/errors.ts';
import type { Log } from '../follow/log.ts';
import type { Session } from '../follow/session.ts';

/**
 * The result of `attempt`, which reads `log`. It is tried again when it throws and some of the active runs were dead;
 * `log` then holds their ends.
 */
export async function unlessDead<T>(session: Session, log: Log, attempt: () => T): Promise<T> {
  try {
    return attempt();
  } catch (error) {
    if (!mayBeBusy(error) || !(await endDead(session, log).catch(() => false))) throw error;
    return attempt();
  }
}

function mayBeBusy(error: unknown): boolean {
  return error instanceof DurableChatError && (error.code === 'conflict' || error.code === 'too_many');
}

async function endDead(session: Session, log: Log): Promise<boolean> {
  const runs = log.state.active.map(({ runId }) => runId);
  if (runs.length === 0) return false;
  await session.ready;
  await session.refresh({ fresh: true });
  if (!(await session.reap(runs))) return false;
  for (const entry of await session.store.readLog(log.lastId, { fresh: true })) log.add(entry);
  return true;
}
