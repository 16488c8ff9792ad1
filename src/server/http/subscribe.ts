// A session as server-sent events: the answer to GET.

import { keepAliveMs } from '../../protocol/requests.ts';
import { comeBack, encodeEvent, keepAlive } from '../../protocol/sse.ts';
import { monotonicMs } from '../lib/clock.ts';
import { longestTimeoutMs, marginBefore } from '../lib/deadline.ts';
import { eventStreamHeaders } from '../lib/stream-headers.ts';
import type { Opened } from '../keep/app-history.ts';
import { openViewer, type Viewer } from '../follow/viewer.ts';

/**
 * Rejects as `openViewer` does, and with `too_many` when there are too many viewers; once it has resolved,
 * failures only end the stream. It ends itself before `deadline`, and asks its viewer to come back.
 */
export async function subscribe(
  { sessions, keeper }: Opened,
  sessionId: string,
  after: string | undefined,
  deadline: number | undefined,
  leaving: AbortSignal,
): Promise<Response> {
  const lease = sessions.view(sessionId);
  try {
    const viewer = await openViewer(lease.session, { after, prepare: keeper.seedSession });
    return new Response(toEventStream(viewer, lease.release, rotationMs(deadline), leaving), {
      headers: eventStreamHeaders,
    });
  } catch (error) {
    lease.release();
    throw error;
  }
}

/** With time to spare, and not at the same moment for all viewers. */
function rotationMs(deadline = Infinity): number {
  const left = deadline - monotonicMs();
  return Math.max(0, left - marginBefore(left)) * (1 - Math.random() / 10);
}

function toEventStream(
  viewer: Viewer,
  onEnd: () => void,
  endsAfterMs: number,
  gone: AbortSignal,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const leaving = new AbortController();
  const frames = viewer.frames(leaving.signal);
  let timer: ReturnType<typeof setInterval>;
  let rotation: ReturnType<typeof setTimeout> | undefined;
  let leave = () => {};

  function end(): void {
    leaving.abort();
    clearInterval(timer);
    clearTimeout(rotation);
    gone.removeEventListener('abort', leave);
    void frames.return();
    onEnd();
  }

  return new ReadableStream({
    start(controller) {
      // A viewer that has everything gets bytes too: proxies and clients wait for the first ones.
      const beat = () => controller.enqueue(encoder.encode(keepAlive));
      timer = setInterval(beat, keepAliveMs);
      beat();
      // Who left before the answer was there neither reads it nor cancels it.
      leave = () => {
        end();
        controller.close();
      };
      gone.addEventListener('abort', leave);
      if (gone.aborted) return leave();
      // What is longer is for ever.
      if (endsAfterMs > longestTimeoutMs) return;
      rotation = setTimeout(() => {
        controller.enqueue(encoder.encode(comeBack));
        end();
        controller.close();
      }, endsAfterMs);
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
        if (leaving.signal.aborted) return;
        end();
        controller.close();
      }
    },
    cancel: end,
  });
}
