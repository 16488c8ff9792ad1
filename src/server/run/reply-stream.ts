// The response to a POST: the AI SDK's UI message stream, with the chunks of the run counted by its SSE ids.
// Its reader may leave at any time, which does not affect the run (G2).

import type { UIMessageChunk } from 'ai';
import type { Runtime } from '../../lib/runtime.ts';
import { every } from '../../lib/time.ts';
import { chunkIds, encodeEvent, keepAlive } from '../../protocol/sse.ts';
import { keepAliveMs, runHeader } from '../../protocol/requests.ts';
import { eventStreamHeaders } from '../lib/stream-headers.ts';

/** The SDK's marker of a UI message stream. */
const uiMessageStreamHeader = 'x-vercel-ai-ui-message-stream';

/** The reader of a run. */
export interface Reply {
  /** Sends one chunk at once. `count` is the run's number of chunks with it; absent for a chunk that is not the run's. */
  push(chunk: UIMessageChunk, count?: number): void;
  /** Ends the stream like the SDK. */
  done(): void;
}

/** The stream of one response. */
export interface ReplyStream extends Reply {
  response(headers?: Headers): Response;
  /** Breaks the stream. Its reader continues from the session. */
  fail(): void;
  /** Aborts when the reader has left. */
  readonly left: AbortSignal;
}

/** The response to the POST of a run. Chunks that come before `response` is called wait in the stream. */
export function createReplyStream(runtime: Runtime, runId: string): ReplyStream {
  const encoder = new TextEncoder();
  const leaving = new AbortController();
  const idOf = chunkIds();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>({
    start: (created) => {
      controller = created;
    },
    cancel() {
      close();
      leaving.abort();
    },
  });
  const cancelBeat = every(runtime, keepAliveMs, () => send(keepAlive));

  function send(text: string): void {
    controller?.enqueue(encoder.encode(text));
  }

  function close(): void {
    cancelBeat();
    controller = undefined;
  }

  return {
    left: leaving.signal,
    response(headers) {
      const all = new Headers(headers);
      for (const name of ['content-length', 'content-encoding']) all.delete(name);
      for (const [name, value] of Object.entries(eventStreamHeaders)) all.set(name, value);
      all.set(uiMessageStreamHeader, 'v1');
      all.set(runHeader, runId);
      // Servers send the headers with the first byte, and the client waits for the run's id.
      send(keepAlive);
      return new Response(stream, { headers: all });
    },
    fail() {
      const broken = controller;
      close();
      broken?.error(new Error('The stream broke off.'));
    },
    push: (chunk, count) => send(encodeEvent(JSON.stringify(chunk), idOf(count))),
    done() {
      send(encodeEvent('[DONE]'));
      const ended = controller;
      close();
      ended?.close();
    },
  };
}
