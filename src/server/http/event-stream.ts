// Events as the body of a response: at the reader's own speed, with comments while there is nothing to say, and with an
// end before the deadline.

import { onAbort } from '../../lib/abort.ts';
import type { Cancel, Runtime } from '../../lib/runtime.ts';
import { every } from '../../lib/time.ts';
import { keepAliveMs } from '../../protocol/requests.ts';
import { comeBack, keepAlive } from '../../protocol/sse.ts';

/** Where the events come from, and when the stream ends. */
export interface EventStreamOptions {
  readonly runtime: Runtime;
  /** Reads the next event, encoded; undefined after the last one. Called when the reader wants more. */
  readonly next: () => Promise<string | undefined>;
  /** When the stream ends itself and asks its reader to come back, in milliseconds; Infinity: never. */
  readonly endsAfterMs: number;
  /** Aborts when the reader has left: one that left before the response was there neither reads it nor cancels it. */
  readonly gone: AbortSignal;
  /** Called once, however the stream ends. */
  readonly onEnd: () => void;
}

/** The body of a response with these events. */
export function eventStream(options: EventStreamOptions): ReadableStream<Uint8Array> {
  const { runtime, next, endsAfterMs, gone, onEnd } = options;
  const encoder = new TextEncoder();
  const ends: Cancel[] = [];
  let isOver = false;
  let close = () => {};

  function end(): void {
    if (isOver) return;
    isOver = true;
    for (const end of ends) end();
    onEnd();
  }

  return new ReadableStream({
    start(controller) {
      const say = (text: string) => controller.enqueue(encoder.encode(text));
      close = () => {
        end();
        controller.close();
      };
      // An up-to-date viewer gets bytes too, because proxies and clients wait for the first ones.
      say(keepAlive);
      ends.push(onAbort(gone, close));
      if (isOver) return;
      const beat = () => {
        // What a slow reader has not taken yet keeps the connection alive when it does.
        if ((controller.desiredSize ?? 0) > 0) say(keepAlive);
      };
      const rotate = () => {
        say(comeBack);
        close();
      };
      ends.push(every(runtime, keepAliveMs, beat), runtime.schedule(rotate, endsAfterMs));
    },
    async pull(controller) {
      const event = await next().catch((error: unknown) => {
        end();
        throw error;
      });
      if (isOver) return;
      if (event === undefined) close();
      else controller.enqueue(encoder.encode(event));
    },
    cancel: end,
  });
}
