// The response to a send that another request has already made into a run: that run's stream from its start.

import { DurableChatError } from '../../protocol/errors.ts';
import type { Session } from '../follow/session.ts';
import type { Sessions } from '../follow/sessions.ts';
import { createReplyStream, type ReplyStream } from '../run/reply-stream.ts';
import { chunksOfMessage } from '../lib/message-chunks.ts';
import { isActive, isFailedStart, runsOf } from '../../protocol/session-state.ts';

function isKnown({ state }: Session, runId: string): boolean {
  return state.ended.has(runId) || isActive(state, runId);
}

/** Waits until the log has the run; false if it does not within `ms`. */
export async function appears(session: Session, runId: string, ms: number): Promise<boolean> {
  await session.ready;
  const known = () => isKnown(session, runId) || undefined;
  if (known()) return true;
  await session.refresh();
  return (await session.until(known, { ms })) ?? false;
}

/** The response to a send that is a run already. Each of them follows the session as a viewer does. */
export function attach(
  sessions: Sessions,
  sessionId: string,
  runId: string,
  waitUntil: (promise: Promise<unknown>) => void,
): Response {
  const { session, release } = sessions.view(sessionId);
  const reply = createReplyStream(session.runtime, runId);
  waitUntil(
    relayRun(session, runId, reply)
      .catch(() => reply.fail())
      .finally(release),
  );
  return reply.response();
}

/** The response to the SDK's resume: the running run from its start, or a 204 if there is none. */
export async function resume(
  sessions: Sessions,
  sessionId: string,
  waitUntil: (promise: Promise<unknown>) => void,
): Promise<Response> {
  const { session, release } = sessions.view(sessionId);
  try {
    await session.ready;
    await session.refresh({ fresh: true });
    await session.watch();
    const running = runsOf(session.state).find(({ status }) => status === 'running');
    if (!running) {
      release();
      return new Response(null, { status: 204, headers: { 'cache-control': 'no-store' } });
    }
    const reply = createReplyStream(session.runtime, running.runId);
    const base = session.state.byId.get(running.messageId);
    for (const chunk of base ? chunksOfMessage(base) : []) reply.push(chunk);
    waitUntil(
      relayRun(session, running.runId, reply)
        .catch(() => reply.fail())
        .finally(release),
    );
    return reply.response();
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * Feeds the reply from the session until the run has ended or the reader has left. Rejects if the rest of the run
 * is gone: the client continues from the session, which has its message.
 */
async function relayRun(session: Session, runId: string, reply: ReplyStream): Promise<void> {
  await session.watch();
  let count = 0;
  let seen = false;
  /** A deleted session has no more frames about its runs. */
  const isGone = () => {
    const isHere = isKnown(session, runId);
    seen ||= isHere;
    return seen && !isHere;
  };
  while (!reply.left.aborted && !isGone()) {
    const ended = session.state.ended.get(runId);
    const chunks = await session.chunksOf(runId, count, ended?.chunks);
    for (const chunk of chunks) reply.push(chunk, ++count);
    if (ended && count < ended.chunks) {
      if (count > 0)
        throw new DurableChatError(
          'store_failed',
          'The rest of the run is no longer in the store. Read its message from the session.',
        );
      // The stream has expired, but its message still exists.
      const message = session.state.byId.get(ended.messageId);
      for (const chunk of message ? chunksOfMessage(message) : []) reply.push(chunk);
    }
    if (ended && isFailedStart(ended.reason, ended.chunks)) {
      reply.push({ type: 'error', errorText: 'The answer could not be started. Send the message again.' });
    }
    if (ended) break;
    const news = () => isGone() || session.state.ended.has(runId) || session.countOf(runId) > count;
    await session.until(() => news() || undefined, { signal: reply.left });
  }
  reply.done();
}
