// Whether a route has sessions, as far as its answers have said.

import type { DurableSession } from './session.ts';
import { until, type UntilOptions } from './until.ts';

/**
 * Refusals of a subscription that a route without sessions gives: it knows no such GET. Any other one says something
 * of who asks.
 */
const withoutSessions = [400, 404, 405, 422];

/** Whether the route seems to have no sessions, from what it has answered: everything is then as the AI SDK has it. */
export function isPlainRoute(session: DurableSession): boolean {
  const { connection, error } = session.getSnapshot();
  if (isDurableRoute(session)) return false;
  if (session.requests.isPlain) return true;
  if (connection !== 'closed' || !error) return false;
  return error.status < 400 || withoutSessions.includes(error.status);
}

/** Whether it is known to have some. */
export function isDurableRoute(session: DurableSession): boolean {
  return hasTold(session) || session.requests.isDurable;
}

/** Whether it has sent a session, or has made a run of a send. */
export function hasTold(session: DurableSession): boolean {
  return session.getSnapshot().state !== undefined || session.following.hasOwn;
}

/** True unless the first connection attempt is still open. */
export function isAnswered(session: DurableSession): boolean {
  return (
    hasTold(session) || session.requests.isPlain || !session.getSnapshot().connection.startsWith('connect')
  );
}

/** Connects the session until `condition` holds, or the options end the wait. */
export async function untilAnswered(
  session: DurableSession,
  condition: (session: DurableSession) => boolean,
  options: UntilOptions = {},
): Promise<void> {
  const close = session.open();
  await until(session, (_, isDue) => isDue || condition(session), options);
  close();
}
