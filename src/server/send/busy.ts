// Refusals because of runs that are active. One whose producer is dead is no reason to refuse, and nobody else may be
// there to notice (G6).

import type { Channel } from '../../channel/channel.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { Sessions } from '../follow/sessions.ts';
import type { Log } from '../follow/log.ts';
import { reapDead } from '../run/reap.ts';
import { withSession } from './idempotency.ts';

export interface Busy {
  readonly channel: Channel;
  readonly sessions: Sessions;
  readonly sessionId: string;
  /** Holds the ends of the runs that were dead, afterwards. */
  readonly log: Log;
}

/** The result of `attempt`, which reads the log; tried again when it throws and some of the active runs were dead. */
export async function unlessDead<T>(where: Busy, attempt: () => T): Promise<T> {
  try {
    return attempt();
  } catch (error) {
    if (!mayBeBusy(error) || !(await endDead(where).catch(() => false))) throw error;
    return attempt();
  }
}

function mayBeBusy(error: unknown): boolean {
  return error instanceof DurableChatError && (error.code === 'conflict' || error.code === 'too_many');
}

async function endDead({ channel, sessions, sessionId, log }: Busy): Promise<boolean> {
  const runs = log.state.active.map(({ runId }) => runId);
  if (runs.length === 0) return false;
  const some = await withSession(sessions, sessionId, async (session) => {
    await session.refresh({ fresh: true });
    return reapDead(channel, session, runs);
  });
  if (!some) return false;
  for (const entry of await channel.readLog(sessionId, log.lastId, { fresh: true })) log.add(entry);
  return true;
}
