// Which sessions a GET subscribes to, and from where on.

import { DurableChatError } from '../../protocol/errors.ts';
import { mostSessions } from '../../protocol/requests.ts';
import { parseSessionId } from './parse-request.ts';

export interface AskedSession {
  readonly sessionId: string;
  /** The cursor to go on from; undefined for a snapshot. */
  readonly after: string | undefined;
}

export interface SubscribeQuery {
  /** One at least, each once. */
  readonly sessions: readonly AskedSession[];
  /** What the client calls this connection in its sends. */
  readonly subscriptionId: string | undefined;
}

/** Throws `bad_request`. `lastEventId` is a cursor that a browser's own EventSource brings. */
export function parseSubscribe(query: URLSearchParams, lastEventId: string | null): SubscribeQuery {
  const ids = query.getAll('id');
  if (ids.length > mostSessions) throw refused(`One GET subscribes to at most ${mostSessions} sessions`);
  if (new Set(ids).size < ids.length) throw refused('One GET names each session once');
  const after = query.getAll('after');
  if (after.length > 0 && after.length !== ids.length) {
    throw refused('A GET has one `after` for each `id`, in the same order, or none');
  }
  const sessionIds = ids.length === 0 ? [parseSessionId(null)] : ids.map(parseSessionId);
  // An event id says nothing of the session whose cursor it is.
  const own = ids.length === 1 ? lastEventId : null;
  return {
    sessions: sessionIds.map((sessionId, index) => ({
      sessionId,
      after: own ?? (after[index] || undefined),
    })),
    subscriptionId: parseSubscriptionId(query.get('subscription')),
  };
}

function parseSubscriptionId(value: string | null): string | undefined {
  if (value === null) return undefined;
  if (!/^[\w-]{1,128}$/.test(value)) throw refused('The subscription has to match [A-Za-z0-9_-]{1,128}');
  return value;
}

function refused(why: string): DurableChatError {
  return new DurableChatError('bad_request', `${why}.`);
}
