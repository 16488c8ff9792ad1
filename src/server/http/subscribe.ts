// The response to GET: one or several sessions as server-sent events.

import type { Runtime } from '../../lib/runtime.ts';
import { encodeEvent } from '../../protocol/sse.ts';
import type { Opened } from '../keep/app-history.ts';
import { openViewer } from '../follow/viewer.ts';
import { aborted } from '../../lib/abort.ts';
import { marginBefore } from '../lib/deadline.ts';
import { merge } from '../lib/merge.ts';
import { eventStreamHeaders } from '../lib/stream-headers.ts';
import type { RouteSettings } from '../settings.ts';
import { isRefusal } from './authorize.ts';
import { eventStream } from './event-stream.ts';
import { reauthorize } from './reauthorize.ts';
import { errorOf } from './respond.ts';
import type { AskedSession, SubscribeQuery } from './parse-get.ts';
import { watchSession, type WatchedSession } from './watch-session.ts';

/** What a GET needs besides its query. */
export interface SubscribeOptions {
  readonly runtime: Runtime;
  readonly settings: Pick<RouteSettings, 'reauthorizeMs' | 'onError'>;
  /** Checks whether the viewer may read a session. Rejects if not. */
  readonly ask: (sessionId: string) => Promise<unknown>;
  readonly open: () => Promise<Opened>;
  readonly waitUntil: (promise: Promise<unknown>) => void;
  /** The deadline of the process, on the monotonic clock. */
  readonly deadline: number | undefined;
  /** Aborts when the viewer has left. */
  readonly gone: AbortSignal;
}

/**
 * Rejects if no session can be opened, with the first one's error: an error of `ask` or `openViewer`, or `too_many`. Once
 * it has resolved, and if other sessions are open, a `refused` frame has the error. The response ends before `deadline`,
 * and asks its viewer to reconnect.
 */
export async function subscribe(query: SubscribeQuery, options: SubscribeOptions): Promise<Response> {
  const { sessions } = query;
  const { runtime, deadline = Infinity, gone } = options;
  // One for each session: Node warns of more than 10 listeners on one signal.
  const lefts = sessions.map(() => new AbortController());
  const watched = sessions.map((asked, index) => watch(query, options, asked, lefts[index]!.signal)); // one for each
  await anyOf(watched.map(({ opened }) => opened));
  const frames = watched.map((session) => session.frames());
  const read = merge(frames);
  return new Response(
    eventStream({
      runtime,
      async next() {
        for (;;) {
          const next = await read();
          if (!next) return undefined;
          if (next.isCurrent()) return encodeEvent(JSON.stringify(next.frame), next.cursor);
        }
      },
      endsAfterMs: rotationMs(runtime, deadline),
      gone,
      onEnd() {
        for (const left of lefts) left.abort();
        for (const source of frames) void source.return();
      },
    }),
    { headers: eventStreamHeaders },
  );
}

function watch(
  { sessions, subscriptionId }: SubscribeQuery,
  { runtime, settings, open, waitUntil, ...options }: SubscribeOptions,
  { sessionId, after }: AskedSession,
  left: AbortSignal,
): WatchedSession {
  const isAlone = sessions.length === 1;
  const ask = () => options.ask(sessionId);
  const onError = (error: unknown) => settings.onError(error, { sessionId });
  return watchSession({
    ask,
    keepAsking: (onRefused, signal) =>
      reauthorize({ runtime, ask, isRefusal, everyMs: settings.reauthorizeMs, onRefused, onError, signal }),
    async open(signal) {
      const opened = await open();
      signal.throwIfAborted();
      return opened.sessions.view(sessionId, async (session, extend) => {
        void extend(aborted(signal));
        const prepare = opened.keeper.seedSession;
        const viewer = await openViewer(session, { after, subscriptionId, prepare });
        void opened.keeper.report(sessionId, waitUntil);
        return viewer;
      });
    },
    async explain(error, isRefused) {
      // The viewer of a single session reconnects with its cursor, and gets the status.
      if (isAlone && !isRefused) return undefined;
      return errorOf(error, runtime, onError);
    },
    label: isAlone ? {} : { sessionId },
    left,
  });
}

/** Before the deadline, and not at the same moment for all viewers. */
function rotationMs(runtime: Runtime, deadline: number): number {
  const left = deadline - runtime.monotonic();
  return Math.max(0, left - marginBefore(left)) * (1 - runtime.random() / 10);
}

/** Resolves as soon as one of them resolves. Rejects with the first one's error once all have rejected. */
export async function anyOf(promises: readonly Promise<unknown>[]): Promise<void> {
  try {
    await Promise.any(promises);
  } catch (error) {
    throw (error as AggregateError).errors[0]; // `any` throws nothing else
  }
}
