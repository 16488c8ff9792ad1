// A send takes its place in the log, and stops what has to make room for it.

import { whyVoid, type VoidReason } from '../../protocol/entries.ts';
import { isItsTurn, type ActiveRun } from '../../protocol/session-state.ts';
import type { Log } from '../follow/log.ts';
import type { Session } from '../follow/session.ts';
import type { SendSettings } from '../settings.ts';
import type { SendPlan, Wish } from './plan.ts';
import { refusal } from './refusals.ts';

/**
 * Appends the entry of a send; `log` then has what the store has.
 *
 * @returns False if the send has to be planned again: other entries came before one that has to stand directly after what
 *   was read, or a beginning with its message came first.
 * @throws What the send is refused with where the log's order decides against it.
 */
export async function placeSend(
  session: Session,
  log: Log,
  { entry, displaced, userMessageId }: SendPlan,
  { runId, by, whenBusy }: Pick<Wish, 'runId' | 'by' | 'whenBusy'>,
  { runs, limits }: Pick<SendSettings, 'runs' | 'limits'>,
): Promise<boolean> {
  let why: VoidReason | undefined;
  let isExpected = true;
  const lease = { type: 'take', runId, ms: runs.leaseMs } as const;
  for (const added of await session.append(entry, { after: log.lastId, lease })) {
    if (added.key === entry.key && !log.hasKey(entry.key)) {
      isExpected = entry.expectedLastId === undefined || entry.expectedLastId === log.lastId;
      why = whyVoid(log.state, log.epoch, entry);
    }
    log.add(added);
  }
  // A beginning that came first brought the message: it is no other message of this id.
  const isBrought = why === 'free' && userMessageId !== undefined && !isSent(log, userMessageId);
  if (!isExpected || isBrought) return false;
  // Another entry came first, so this one does not count.
  if (why) throw refusal(why, limits);

  const index = log.state.active.findIndex((active) => active.runId === runId);
  const isDisplaced = (active: ActiveRun) => displaced.includes(active.runId);
  const before = log.state.active.slice(0, index).filter((active) => !active.stop && !isDisplaced(active));
  const cause = { by, interruptedBy: userMessageId };
  // Only now, because a refused send must not stop a run.
  await session.stop(displaced, cause);
  const hasPlace = ({ messageId }: ActiveRun) => log.state.order.includes(messageId);
  const running = before.filter((active) => hasPlace(active) && isItsTurn(log.state, active.runId));
  if (whenBusy === 'interrupt') await session.stop(running.map(idOf), cause);
  // Edits at the same moment: the later one counts, and the client of the other one reads why.
  const lost = before.filter((active) => !hasPlace(active));
  await session.stop(lost.map(idOf), { ...cause, conflict: true });
  return true;
}

/** Whether a send wrote the message. */
function isSent({ entries }: Log, messageId: string): boolean {
  return entries.some(({ frames }) =>
    frames.some((frame) => frame.type === 'run-start' && frame.userMessageId === messageId),
  );
}

function idOf({ runId }: ActiveRun): string {
  return runId;
}
