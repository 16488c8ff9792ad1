// A session's subscription: one stream of frames that outlives its connections. It reconnects where it left
// off, and knows nothing of what the frames mean.

import { DurableChatError } from '../protocol/errors.ts';
import type { Frame } from '../protocol/frames.ts';
import { createSseParser } from '../protocol/sse.ts';
import { nextConnection, type ConnectionEvent, type ConnectionState } from './connection.ts';

export interface SubscriptionOptions {
  /** Opens a connection behind `after`, or from a snapshot. */
  readonly connect: (after: string | undefined, signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>;
  /** Milliseconds to wait before attempt 1, 2, … */
  readonly retryDelay: (attempt: number) => number;
  readonly onFrame: (frame: Frame) => void;
  readonly onConnection: (state: ConnectionState) => void;
}

/** The server sends something at least every 15 s; after twice that the connection counts as dead. */
const silenceMs = 30_000;

/** Whether asking again would get the same answer; 408, 425 and 429 only say: not now. */
function isFinal({ code, status }: DurableChatError): boolean {
  return code === 'not_found' || (status >= 400 && status < 500 && ![408, 425, 429].includes(status));
}

export class Subscription {
  readonly #options: SubscriptionOptions;
  #state: ConnectionState = { type: 'idle' };
  #cursor: string | undefined;
  #abort: AbortController | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
  }

  /** Connects; a stopped subscription goes on where it was. */
  start(): void {
    if (typeof window !== 'undefined') {
      window.addEventListener('online', this.#onOnline);
      window.addEventListener('offline', this.#onOffline);
    }
    this.#dispatch({ type: 'start' });
  }

  stop(): void {
    if (typeof window !== 'undefined') {
      window.removeEventListener('online', this.#onOnline);
      window.removeEventListener('offline', this.#onOffline);
    }
    this.#dispatch({ type: 'stop' });
  }

  /** Something is missing: begin again with a snapshot. */
  renew(): void {
    this.#cursor = undefined;
    this.#dispatch({ type: 'lost' });
  }

  #onOnline = (): void => this.#dispatch({ type: 'online' });
  #onOffline = (): void => this.#dispatch({ type: 'offline' });

  #dispatch(event: ConnectionEvent): void {
    const before = this.#state;
    const after = nextConnection(before, event);
    if (after === before) return;
    this.#state = after;
    clearTimeout(this.#retry);
    if (after.type !== 'open') this.#abort?.abort();
    if (after.type === 'connecting') void this.#connect();
    if (after.type === 'waiting') {
      this.#retry = setTimeout(
        () => this.#dispatch({ type: 'retry' }),
        this.#options.retryDelay(after.attempt),
      );
    }
    this.#options.onConnection(after);
  }

  async #connect(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    // An aborted connection has nothing more to say.
    const dispatch = (event: ConnectionEvent) => {
      if (!abort.signal.aborted) this.#dispatch(event);
    };
    let silence: ReturnType<typeof setTimeout> | undefined;
    const listen = () => {
      clearTimeout(silence);
      silence = setTimeout(() => dispatch({ type: 'lost' }), silenceMs);
    };
    try {
      listen();
      const body = await this.#options.connect(this.#cursor, abort.signal);
      const decoder = new TextDecoder();
      const feed = createSseParser(({ data, id }) => {
        if (abort.signal.aborted) return;
        this.#options.onFrame(JSON.parse(data) as Frame); // our own server's; unknown types fall through
        // Unless that very frame has shown that something is missing.
        if (id !== undefined && !abort.signal.aborted) this.#cursor = id;
      });
      const reader = body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || abort.signal.aborted) break;
        dispatch({ type: 'opened' });
        listen();
        feed(decoder.decode(value, { stream: true }));
      }
      dispatch({ type: 'lost' });
    } catch (error) {
      if (error instanceof DurableChatError && error.code === 'invalid_cursor') this.#cursor = undefined;
      else if (error instanceof DurableChatError && isFinal(error)) {
        return dispatch({ type: 'refused', error });
      }
      dispatch({ type: 'lost' });
    } finally {
      clearTimeout(silence);
    }
  }
}
