// Deletes messages by an entry in the log, and waits for the runs that this stops.

import { entries } from '../../protocol/entries.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { Deletion } from '../../protocol/frames.ts';
import { isConcerned } from '../../protocol/fold.ts';
import type { Keeper } from '../keep/app-history.ts';
import type { Session } from '../follow/session.ts';
import { newId } from '../../lib/id.ts';

/** How often a deletion is tried while other entries come first. */
const mostTries = 10;

/** See `SessionHandle.deleteMessage` and `SessionHandle.clear`. */
export async function deleteFrom(session: Session, keeper: Keeper, what: Deletion): Promise<void> {
  const clears = 'all' in what;
  let tries = 0;
  do {
    if (tries++ === mostTries)
      throw new DurableChatError(
        'conflict',
        'The session changes too fast: each time, another change came first. Nothing was deleted. Try again.',
      );
    // A clear can be the first entry of a log. The deletion of one message needs a log that has begun.
    if (clears) await session.refresh({ fresh: true });
    else await checkKnown(session, keeper);
  } while (!(await append(session, what)));
  await session.refresh({ fresh: true });
  const runs = session.state.active
    .filter((run) => run.stop && isConcerned(run, what))
    .map(({ runId }) => runId);
  await session.stop(runs, { by: what.by });
  await session.untilOver(runs);
}

/**
 * Appends the deletion directly after the entries that were read. Resolves with whether it counts. If it is applied late,
 * after its sender gave up, it removes nothing that came later.
 */
async function append(session: Session, what: Deletion): Promise<boolean> {
  const log = session.log.copy();
  const entry = entries.delete(newId(session.runtime), what, log.lastId);
  await session.appendTo(log, entry, { existing: !('all' in what) });
  return log.entries.some(({ key, frames }) => key === entry.key && frames.length > 0);
}

/** Fills the session from loadMessages. Throws `not_found` if it is still unknown then. */
async function checkKnown(session: Session, keeper: Keeper): Promise<void> {
  await session.refresh({ fresh: true });
  await keeper.seedSession(session);
  if (!session.log.hasBegun) throw unknownSession();
}

/** The error for a session that the log does not know. */
export function unknownSession(): DurableChatError {
  return new DurableChatError(
    'not_found',
    'The session does not exist: it has no messages yet, has expired, or was deleted. Send a message to begin it.',
  );
}
