// The answer to a send that another request has already made into a run: that run's stream, from its start.

import { DurableChatError } from '../../protocol/errors.ts';
import type { Hub } from '../follow/hub.ts';
import type { Hubs } from '../follow/hubs.ts';
import { createOrigin, type Origin } from '../run/reply-stream.ts';
import { chunksOfMessage } from '../../protocol/message-chunks.ts';
import { isActive, isFailedStart, runsOf } from '../../protocol/session-state.ts';

function isKnown({ state }: Hub, run: string): boolean {
  return state.ended.has(run) || isActive(state, run);
}

/** Waits for the run to be in the log; false when it has not come by then. */
export async function appears(hub: Hub, run: string, ms: number): Promise<boolean> {
  await hub.ready;
  const known = () => isKnown(hub, run) || undefined;
  if (known()) return true;
  await hub.refresh();
  return (await hub.until(known, { ms })) ?? false;
}

/** The answer to the SDK's own resume: the run that is being written, from its start; 204 when there is none. */
export async function resume(
  hubs: Hubs,
  session: string,
  waitUntil: (promise: Promise<unknown>) => void,
): Promise<Response> {
  const { hub, release } = hubs.view(session);
  try {
    await hub.ready;
    await hub.refresh({ fresh: true });
    await hub.watch();
    const running = runsOf(hub.state).find(({ status }) => status === 'running');
    if (!running) {
      release();
      return new Response(null, { status: 204, headers: { 'cache-control': 'no-store' } });
    }
    const origin = createOrigin(running.run);
    const base = hub.state.byId.get(running.messageId);
    for (const chunk of base ? chunksOfMessage(base) : []) origin.push(chunk);
    waitUntil(
      relayRun(hub, running.run, origin)
        .catch(() => origin.fail())
        .finally(release),
    );
    return origin.response();
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * Feeds the origin from the session until the run has ended or the reader has left. Rejects when the rest of the run
 * is gone: the client goes on from the session, which has its message.
 */
export async function relayRun(hub: Hub, run: string, origin: Origin): Promise<void> {
  await hub.watch();
  let count = 0;
  let seen = false;
  /** A session that was deleted has nothing more to say of its runs. */
  const isGone = () => {
    const isHere = isKnown(hub, run);
    seen ||= isHere;
    return seen && !isHere;
  };
  while (!origin.left.aborted && !isGone()) {
    const ended = hub.state.ended.get(run);
    const chunks = await hub.chunksOf(run, count, ended?.chunks);
    for (const chunk of chunks) origin.push(chunk, ++count);
    if (ended && count < ended.chunks) {
      if (count > 0) throw new DurableChatError('store_failed', 'The rest of the run is gone.');
      // The stream has expired; the message it made is still there.
      const message = hub.state.byId.get(ended.messageId);
      for (const chunk of message ? chunksOfMessage(message) : []) origin.push(chunk);
    }
    if (ended && isFailedStart(ended.reason, ended.chunks)) {
      origin.push({ type: 'error', errorText: 'The answer could not be begun. Send it again.' });
    }
    if (ended) break;
    const news = () => isGone() || hub.state.ended.has(run) || hub.countOf(run) > count;
    await hub.until(() => news() || undefined, { signal: origin.left });
  }
  origin.done();
}
