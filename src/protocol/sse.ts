// Server-sent events, both ways: a push parser and an encoder.
// https://html.spec.whatwg.org/multipage/server-sent-events.html

/** One event of a stream. */
export interface SseEvent {
  readonly data: string;
  /** The event's own id; absent when it carried none. */
  readonly id?: string;
}

/** Encodes one event. `data` must have no line break, which JSON never does. */
export function encodeEvent(data: string, id?: string): string {
  return id === undefined ? `data: ${data}\n\n` : `id: ${id}\ndata: ${data}\n\n`;
}

/**
 * The ids of the events of a POST's response, which are most of what an answer of short chunks would cost besides the chunks:
 * only the first chunk of the run is numbered, and what is no chunk of the run after it is marked by an empty id.
 *
 * @returns the id of the next event. `count` is how many chunks the run has with it; undefined for what is no chunk of it
 */
export function chunkIds(): (count: number | undefined) => string | undefined {
  let last: number | undefined;
  return (count) => {
    if (count === undefined) return last === undefined ? undefined : '';
    const isNext = last !== undefined && count === last + 1;
    last = count;
    return isNext ? undefined : count.toString();
  };
}

/**
 * Reads what `chunkIds` made.
 *
 * @returns how many chunks the run has with the next event; undefined if that is no chunk of it
 */
export function chunkCounts(): (id: string | undefined) => number | undefined {
  let last: number | undefined;
  return (id) => {
    if (id === '') return undefined;
    if (id !== undefined) last = Number(id);
    else if (last !== undefined) last++;
    return last;
  };
}

/** A comment: bytes that keep a connection alive. */
export const keepAlive = ': keep-alive\n\n';

/** Ends a connection on purpose: the client reconnects at once. */
export const comeBack = 'retry: 0\n\n';

/**
 * Parses a stream of text into events. The pieces can be cut anywhere.
 *
 * @param onEvent - called for each whole event
 * @param onRetry - called with the value of each `retry` field
 * @returns takes the next piece
 */
export function createSseParser(
  onEvent: (event: SseEvent) => void,
  onRetry: (value: string) => void = () => {},
): (text: string) => void {
  let rest = '';
  let afterCr = false;
  let data: string[] = [];
  let id: string | undefined;

  function line(text: string): void {
    if (text === '') {
      if (data.length > 0) onEvent({ data: data.join('\n'), ...(id !== undefined && { id }) });
      data = [];
      id = undefined;
      return;
    }
    const colon = text.indexOf(':');
    const field = colon === -1 ? text : text.slice(0, colon);
    const value = colon === -1 ? '' : text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') data.push(value);
    else if (field === 'id') id = value;
    else if (field === 'retry') onRetry(value);
  }

  return function feed(text) {
    // A CRLF that is cut in two ends one line.
    const fresh = afterCr && text.startsWith('\n') ? text.slice(1) : text;
    if (text !== '') afterCr = text.endsWith('\r');
    // Only the new text is searched, so that a long line in many pieces takes linear time.
    const pieces = fresh.split(/\r\n|\n|\r/);
    pieces[0] = rest + pieces[0];
    rest = pieces.pop() ?? '';
    for (const piece of pieces) line(piece);
  };
}

/** The events of a byte stream. Cancelling the result cancels the source. */
export function readEvents(bytes: ReadableStream<Uint8Array>): ReadableStream<SseEvent> {
  const decoder = new TextDecoder();
  let feed: (text: string) => void;
  return bytes.pipeThrough(
    new TransformStream<Uint8Array, SseEvent>({
      start: (controller) => {
        feed = createSseParser((event) => controller.enqueue(event));
      },
      transform: (chunk) => feed(decoder.decode(chunk, { stream: true })),
    }),
  );
}

/**
 * Reads a byte stream to its end.
 *
 * @param onEvent - called for each event, and without one for bytes that complete no event
 * @returns whether the sender asked the client to reconnect at once
 */
export async function takeEvents(
  bytes: ReadableStream<Uint8Array>,
  onEvent: (event?: SseEvent) => void,
): Promise<boolean> {
  const decoder = new TextDecoder();
  const reader = bytes.getReader();
  let again = false;
  let silent = false;
  const feed = createSseParser(
    (event) => {
      silent = false;
      onEvent(event);
    },
    (value) => (again = value === '0'),
  );
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return again;
    silent = true;
    feed(decoder.decode(value, { stream: true }));
    if (silent) onEvent();
  }
}
