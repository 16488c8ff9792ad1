// The response to a send that another request has already made into a run: that run's stream from its start.

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

/** The response to a send that is a run already. It follows the session as a viewer does. */
export function attach(
  sessions: Sessions,
  sessionId: string,
  runId: string,
  waitUntil: (promise: Promise<unknown>) => void,
): Promise<Response> {
  return sessions.view(sessionId, async (session, extend) => {
    const reply = createReplyStream(session.runtime, runId);
    waitUntil(extend(relayRun(session, runId, reply)));
    return reply.response();
  });
}

/** The response to the SDK's resume: the running run from its start, or a 204 if there is none. */
export function resume(
  sessions: Sessions,
  sessionId: string,
  waitUntil: (promise: Promise<unknown>) => void,
): Promise<Response> {
  return sessions.view(sessionId, async (session, extend) => {
    await session.ready;
    await session.refresh({ fresh: true });
    await session.watch();
    const running = runsOf(session.state).find(({ status }) => status === 'running');
    if (!running) return new Response(null, { status: 204, headers: { 'cache-control': 'no-store' } });
    const reply = createReplyStream(session.runtime, running.runId);
    const base = session.state.byId.get(running.messageId);
    for (const chunk of base ? chunksOfMessage(base) : []) reply.push(chunk);
    waitUntil(extend(relayRun(session, running.runId, reply)));
    return reply.response();
  });
}

/**
 * Feeds the reply from the session until the run has ended or the reader has left. If the rest of the run is gone, it
 * breaks the reply: the client continues from the session, which has its message. Never rejects.
 */
async function relayRun(session: Session, runId: string, reply: ReplyStream): Promise<void> {
  let count = 0;
  let seen = false;
  /** A deleted session has no more frames about its runs. */
  const isGone = () => {
    const isHere = isKnown(session, runId);
    seen ||= isHere;
    return seen && !isHere;
  };
  const news = () =>
    isGone() || session.state.ended.has(runId) || session.countOf(runId) > count || undefined;
  try {
    await session.watch();
    while (!reply.left.aborted && !isGone()) {
      const ended = session.state.ended.get(runId);
      const chunks = await session.chunksOf(runId, count, ended?.chunks);
      for (const chunk of chunks) reply.push(chunk, ++count);
      if (ended && count < ended.chunks) {
        if (count > 0) return reply.fail();
        // The stream has expired, but its message still exists.
        const message = session.state.byId.get(ended.messageId);
        for (const chunk of message ? chunksOfMessage(message) : []) reply.push(chunk);
      }
      if (ended && isFailedStart(ended.reason, ended.chunks)) {
        reply.push({ type: 'error', errorText: 'The answer could not be started. Send the message again.' });
      }
      if (ended) break;
      await session.until(news, { signal: reply.left });
    }
    reply.done();
  } catch {
    reply.fail();
  }
}
