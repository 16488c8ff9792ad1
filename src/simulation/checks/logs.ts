// The log of a session, as the store has it.

import { Log } from '../../server/follow/log.ts';
import type { Stage } from '../stage.ts';

/** Reads it from the store. Undefined: it cannot be read. */
export async function logOf({ world, observer }: Stage, sessionId: string): Promise<Log | undefined> {
  const read = await world.settle(observer.channel.readLog(sessionId, '', { fresh: true }), 1_000);
  if (!read || 'error' in read) return undefined;
  const log = new Log();
  for (const entry of read.value) log.add(entry);
  return log;
}
