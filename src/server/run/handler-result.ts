// Whatever an app's handler returned, as one stream of UI message chunks.

import type { UIMessageChunk } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import { isNestedOver, maxLevels } from '../../protocol/size.ts';
import { readEvents } from '../../protocol/sse.ts';

/** A handler's answer that is the app's own refusal: it goes to the client as it is. */
export interface Refusal {
  readonly type: 'refusal';
  readonly response: Response;
}

export interface ChunkSource {
  readonly type: 'chunks';
  readonly chunks: ReadableStream<UIMessageChunk>;
  /** The app's own response headers, where it made a Response. */
  readonly headers?: Headers;
}

/** A `streamText` result, by what we use of it. */
interface StreamTextLike {
  toUIMessageStream(): ReadableStream<UIMessageChunk>;
}

/** Throws `handler_result` for anything that is neither a UI message stream nor a refusal. */
export function sourceOf(result: unknown): ChunkSource | Refusal {
  if (result instanceof Response) return fromResponse(result);
  if (result instanceof ReadableStream) return { type: 'chunks', chunks: result.pipeThrough(checked()) };
  if (isStreamText(result)) return { type: 'chunks', chunks: result.toUIMessageStream() };
  throw new DurableChatError(
    'handler_result',
    'The handler must return a Response with a UI message stream, a ReadableStream of UI message chunks, ' +
      'or the result of streamText.',
  );
}

function isStreamText(value: unknown): value is StreamTextLike {
  return (
    typeof value === 'object' &&
    value !== null &&
    'toUIMessageStream' in value &&
    typeof value.toUIMessageStream === 'function'
  );
}

function fromResponse(response: Response): ChunkSource | Refusal {
  if (response.status >= 400) return { type: 'refusal', response };
  const type = response.headers.get('content-type') ?? '';
  if (!response.ok || !response.body || !type.includes('text/event-stream')) {
    throw new DurableChatError(
      'handler_result',
      `The handler returned a Response (${response.status}) that is not a UI message stream. ` +
        'Use createUIMessageStreamResponse.',
    );
  }
  const chunks = readEvents(response.body).pipeThrough(parsed()).pipeThrough(checked());
  return { type: 'chunks', chunks, headers: response.headers };
}

function parsed(): TransformStream<{ data: string }, unknown> {
  let isComplete = false;
  return new TransformStream({
    transform({ data }, controller) {
      if (data === '[DONE]') {
        isComplete = true;
        return;
      }
      const item: unknown = JSON.parse(data);
      isComplete = endsStream(item);
      controller.enqueue(item);
    },
    flush(controller) {
      if (!isComplete) controller.error(new Error('The stream ended before [DONE].'));
    },
  });
}

/** Servers that are not the SDK's own leave `[DONE]` out: a stream that ends behind such a chunk was not cut. */
function endsStream(item: unknown): boolean {
  if (typeof item !== 'object' || item === null || !('type' in item)) return false;
  return item.type === 'finish' || item.type === 'abort';
}

/** Lets through what has a type; what the types mean is the SDK's business. */
function checked(): TransformStream<unknown, UIMessageChunk> {
  return new TransformStream({
    transform(item, controller) {
      if (typeof item !== 'object' || item === null || !('type' in item) || typeof item.type !== 'string') {
        throw new DurableChatError(
          'handler_result',
          'The handler returned a stream with a value that is not a UI message chunk. Use toUIMessageStream or createUIMessageStream.',
        );
      }
      controller.enqueue(item as UIMessageChunk); // by its type
    },
  });
}

/**
 * Gives the run's message the id that everybody uses, whatever id the app's stream had for it. A stream that
 * does not begin with `start` gets one.
 */
export function withMessageId(messageId: string): (chunk: UIMessageChunk) => UIMessageChunk[] {
  let started = false;
  return (chunk) => {
    const first = !started;
    started = true;
    if (chunk.type !== 'start') return first ? [{ type: 'start', messageId }, chunk] : [chunk];
    return [first || chunk.messageId !== undefined ? { ...chunk, messageId } : chunk];
  };
}

/**
 * The chunk as it is now: the app may go on changing the object that it emitted. Throws `too_large` for one that is
 * nested too deeply for those who read it.
 */
export function copyOf(chunk: UIMessageChunk): UIMessageChunk {
  // Deltas come by the thousand: what holds nothing but text needs no way through JSON.
  const isFlat = Object.values(chunk).every((value) => typeof value === 'string');
  if (isFlat) return { ...chunk };
  const copy = throughJson(chunk);
  if (copy === undefined || isNestedOver(copy)) {
    throw new DurableChatError(
      'too_large',
      `A chunk is nested more than ${maxLevels} levels deep. The log keeps the run up to that chunk.`,
    );
  }
  return copy;
}

/** Undefined for what has too many levels even for JSON. */
function throughJson(chunk: UIMessageChunk): UIMessageChunk | undefined {
  try {
    return JSON.parse(JSON.stringify(chunk)) as UIMessageChunk; // what it was, without what JSON has no words for
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
