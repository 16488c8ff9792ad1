// The result of an app's handler as one stream of UI message chunks.

import type { UIMessageChunk } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import { isNestedOver, maxLevels } from '../../protocol/size.ts';
import { readEvents } from '../../protocol/sse.ts';

/** The app's own refusal, which the client gets unchanged. */
export interface Refusal {
  readonly type: 'refusal';
  readonly response: Response;
}

/** A stream of chunks that the handler returned, in any of the shapes that it may return. */
export interface ChunkSource {
  readonly type: 'chunks';
  readonly chunks: ReadableStream<UIMessageChunk>;
  /** The headers of the app's Response, if it returned one. */
  readonly headers?: Headers;
}

/** The part of a `streamText` result that is used. */
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
      'or the result of `streamText`.',
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
        'Use `createUIMessageStreamResponse`.',
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
      if (!isComplete)
        controller.error(
          new Error(
            'The stream of the Response ended before [DONE]. Its source broke off, or wrote no [DONE].',
          ),
        );
    },
  });
}

/** Some servers omit `[DONE]`. A stream that ends after such a chunk is complete. */
function endsStream(item: unknown): boolean {
  if (typeof item !== 'object' || item === null || !('type' in item)) return false;
  return item.type === 'finish' || item.type === 'abort';
}

/** Passes on every value with a type. The SDK checks the types. */
function checked(): TransformStream<unknown, UIMessageChunk> {
  return new TransformStream({
    transform(item, controller) {
      checkType(item);
      controller.enqueue(item as UIMessageChunk); // by its type
    },
  });
}

/** Throws `handler_result` for a value without a type. */
function checkType(item: unknown): void {
  if (typeof item === 'object' && item !== null && 'type' in item && typeof item.type === 'string') return;
  throw new DurableChatError(
    'handler_result',
    'The handler returned a stream with a value that is not a UI message chunk. Use `toUIMessageStream` or `createUIMessageStream`.',
  );
}

/**
 * Sets the id of the run's message, whatever id the app's stream has for it. A stream that
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
 * Copies the chunk, because the app can change the object later. Throws `too_large` for a chunk that is
 * nested too deeply, and `handler_result` for one that has no type in JSON.
 */
export function copyOf(chunk: UIMessageChunk): UIMessageChunk {
  // There are thousands of deltas. A chunk with only strings needs no copy through JSON.
  const isFlat =
    Object.hasOwn(chunk, 'type') && Object.values(chunk).every((value) => typeof value === 'string');
  if (isFlat) return { ...chunk };
  const copy = throughJson(chunk);
  if (copy === undefined || isNestedOver(copy)) {
    throw new DurableChatError(
      'too_large',
      `A chunk is nested more than ${maxLevels} levels deep. The log keeps the run up to that chunk. Emit flatter data.`,
    );
  }
  checkType(copy);
  return copy;
}

/** Undefined for a chunk that is nested too deeply for JSON. */
function throughJson(chunk: UIMessageChunk): UIMessageChunk | undefined {
  try {
    return JSON.parse(JSON.stringify(chunk)) as UIMessageChunk; // the same chunk, without what JSON cannot express
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
