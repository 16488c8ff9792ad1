// Whether a route has sessions, as far as its answers have said.

import type { ClientStore } from '../store.ts';
import { until, type UntilOptions } from '../until.ts';
import type { Requests } from './requests.ts';

/** What says whether a route has sessions. */
export interface Route {
  readonly store: ClientStore;
  readonly requests: Requests;
  /** Connects until the result is called. */
  open(): () => void;
}

/**
 * Refusals of a subscription that a route without sessions gives: it knows no such GET. Any other one says something
 * of who asks.
 */
const withoutSessions = [400, 404, 405, 422];

/** Whether the route seems to have no sessions, from what it has answered: everything is then as the AI SDK has it. */
export function isPlainRoute(route: Route): boolean {
  const { connection, error } = route.store.getSnapshot();
  if (isDurableRoute(route)) return false;
  if (route.requests.isPlain) return true;
  if (connection !== 'closed' || !error) return false;
  return error.status < 400 || withoutSessions.includes(error.status);
}

/** Whether it is known to have some. */
export function isDurableRoute(route: Route): boolean {
  return hasSession(route) || route.requests.isDurable;
}

/** Whether it has sent a session, or has made a run of a send. */
export function hasSession({ store }: Route): boolean {
  const { session, sends } = store.client;
  return session !== undefined || sends.some((send) => 'runId' in send);
}

/** True unless the first connection attempt is still open. */
export function isAnswered(route: Route): boolean {
  const { connection } = route.store.getSnapshot();
  return hasSession(route) || route.requests.isPlain || !connection.startsWith('connect');
}

/** Connects until `condition` holds, or the options end the wait. */
export async function untilAnswered(
  route: Route,
  condition: () => boolean,
  options: UntilOptions = {},
): Promise<void> {
  const close = route.open();
  await until(route.store, (_, isDue) => isDue || condition(), options);
  close();
}
