// Parses a GET: a subscription to sessions, each from its cursor on, or the AI SDK's resume of one session.

import { checkCursor } from '../../protocol/cursor.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { mostSessions, type Query } from '../../protocol/requests.ts';
import { parseSessionId } from './parse-request.ts';

/** A session of a GET. */
export interface AskedSession {
  readonly sessionId: string;
  /** The cursor to resume at; undefined for a snapshot. */
  readonly after: string | undefined;
}

/** A GET that subscribes. */
export interface SubscribeQuery {
  /** At least one, each once. */
  readonly sessions: readonly AskedSession[];
  /** The id of this subscription in the client's sends. */
  readonly subscriptionId: string | undefined;
}

/** A validated GET. */
export type GetQuery =
  | ({ readonly type: 'subscribe' } & SubscribeQuery)
  | { readonly type: 'resume'; readonly sessions: readonly [AskedSession] };

/** Throws `bad_request`, and `invalid_cursor` for a cursor that is too long. */
export function parseGet({ url, headers }: Pick<Request, 'url' | 'headers'>): GetQuery {
  const { searchParams, pathname } = new URL(url);
  const query: Query = searchParams;
  // The SDK's resume: GET {api}/{id}/stream.
  const [, resumed] = (!query.has('id') && /\/([^/]+)\/stream\/?$/.exec(pathname)) || [];
  if (resumed === undefined) return { type: 'subscribe', ...parseSubscribe(query, headers) };
  return { type: 'resume', sessions: [{ sessionId: parseSessionId(decode(resumed)), after: undefined }] };
}

function parseSubscribe(query: Query, headers: Headers): SubscribeQuery {
  const ids = query.getAll('id');
  if (ids.length > mostSessions)
    throw refused(`One GET subscribes to at most ${mostSessions} sessions. Use several GETs`);
  if (new Set(ids).size < ids.length)
    throw refused('One GET names each session once. Remove the repeated `id`');
  const after = query.getAll('after');
  if (after.length > 0 && after.length !== ids.length) {
    throw refused(
      'A GET has one `after` for each `id`, in the same order, or none. Leave an unknown one empty',
    );
  }
  const sessionIds = ids.length === 0 ? [parseSessionId(null)] : ids.map(parseSessionId);
  // An EventSource sends the last cursor, which does not name its session.
  const last = ids.length === 1 ? headers.get('last-event-id') : null;
  for (const cursor of [...after, last ?? '']) checkCursor(cursor);
  return {
    sessions: sessionIds.map((sessionId, index) => ({
      sessionId,
      after: last ?? (after[index] || undefined),
    })),
    subscriptionId: parseSubscriptionId(query.get('subscription')),
  };
}

function parseSubscriptionId(value: string | null): string | undefined {
  if (value === null) return undefined;
  if (!/^[\w-]{1,128}$/.test(value))
    throw refused(
      'The `subscription` does not match [A-Za-z0-9_-]{1,128}. Use a random name of these characters',
    );
  return value;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw refused('The session id in the path is not URL-encoded. Use encodeURIComponent');
  }
}

function refused(why: string): DurableChatError {
  return new DurableChatError('bad_request', `${why}.`);
}
