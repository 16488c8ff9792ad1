// A session as server-sent events: the answer to GET.

import { encodeEvent, keepAlive } from '../protocol/sse.ts';
import { eventStreamHeaders } from './http.ts';
import type { Opened } from './keeper.ts';
import { openViewer, type Viewer } from './viewer.ts';

const keepAliveMs = 15_000;

/**
 * Rejects as `openViewer` does, and with `too_many` when there are too many viewers; once it has resolved,
 * failures only end the stream.
 */
export async function subscribe(
  { hubs, keeper }: Opened,
  session: string,
  after: string | undefined,
): Promise<Response> {
  const lease = hubs.view(session);
  try {
    const viewer = await openViewer(lease.hub, after, keeper.seedHub);
    return new Response(toEventStream(viewer, lease.release), { headers: eventStreamHeaders });
  } catch (error) {
    lease.release();
    throw error;
  }
}

function toEventStream(viewer: Viewer, onEnd: () => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const leaving = new AbortController();
  const frames = viewer.frames(leaving.signal);
  let timer: ReturnType<typeof setInterval>;

  function end(): void {
    clearInterval(timer);
    onEnd();
  }

  return new ReadableStream({
    start(controller) {
      // A viewer that has everything gets bytes too: proxies and clients wait for the first ones.
      const beat = () => controller.enqueue(encoder.encode(keepAlive));
      timer = setInterval(beat, keepAliveMs);
      beat();
    },
    async pull(controller) {
      try {
        const { done, value } = await frames.next();
        if (leaving.signal.aborted) return;
        if (value) controller.enqueue(encoder.encode(encodeEvent(JSON.stringify(value.frame), value.cursor)));
        if (!done) return;
        end();
        controller.close();
      } catch {
        // The viewer reconnects with its cursor, and hears of a store that is down by the status.
        end();
        controller.close();
      }
    },
    cancel() {
      leaving.abort();
      end();
    },
  });
}
