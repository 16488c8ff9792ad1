// Whether a route has sessions, as far as its responses have shown.

import type { Runtime } from '../../lib/runtime.ts';
import type { ClientStore } from './store.ts';
import { until, type Patience } from '../../lib/until.ts';
import type { Requests } from '../network/requests.ts';

/** The state that shows whether a route has sessions. */
export interface Route {
  readonly runtime: Runtime;
  readonly store: ClientStore;
  readonly requests: Requests;
  /** Connects until the result is called. */
  open(): () => void;
}

/**
 * Refusals of a subscription by a route without sessions, which has no such GET. Any other refusal concerns
 * the user.
 */
const withoutSessions = [400, 404, 405, 422];

/** Whether the route seems to have no sessions, from its responses. Everything then works as in the AI SDK. */
export function isPlainRoute(route: Route): boolean {
  const { connection, error } = route.store.getSnapshot();
  if (isDurableRoute(route)) return false;
  if (route.requests.isPlain) return true;
  if (connection !== 'closed' || !error) return false;
  return error.status < 400 || withoutSessions.includes(error.status);
}

/** Whether the route is known to have sessions. */
export function isDurableRoute(route: Route): boolean {
  return hasSession(route) || route.requests.isDurable;
}

/** Whether the route has sent a snapshot, or has made a send into a run. */
export function hasSession({ store }: Route): boolean {
  const { session, sends } = store.client;
  return session !== undefined || sends.some((send) => 'runId' in send);
}

/** True unless the first connection attempt is still open. */
export function isSettled(route: Route): boolean {
  const { connection } = route.store.getSnapshot();
  return hasSession(route) || route.requests.isPlain || !connection.startsWith('connect');
}

/** Connects until `condition` is true, or the patience ends. */
export async function connectUntil(
  route: Route,
  condition: () => boolean,
  patience?: Patience,
): Promise<void> {
  const close = route.open();
  await until(route.runtime, route.store.subscribe, () => condition() || undefined, patience);
  close();
}
