// A session's subscription: one stream of frames over many connections. It reconnects where it
// stopped, and does not know the meaning of the frames.

import type { Cancel, Runtime } from '../../lib/runtime.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { Frame } from '../../protocol/frames.ts';
import { silenceMs } from '../../protocol/requests.ts';
import type { SseEvent } from '../../protocol/sse.ts';
import { elapsedWithSleepMs, thisMoment, type Moment } from './clock.ts';
import { nextConnection, type ConnectionEvent, type ConnectionState } from './connection.ts';

/**
 * One connection, after the cursor `after` or from a snapshot. Calls back for each event, and without one for a heartbeat.
 * Resolves when it has ended, with whether the server asked the client to reconnect at once.
 */
type Connect = (
  after: string | undefined,
  signal: AbortSignal,
  onEvent: (event?: SseEvent) => void,
) => Promise<boolean>;

/** How a subscription connects, and what is called for its frames. */
export interface SubscriptionOptions {
  readonly runtime: Runtime;
  readonly connect: Connect;
  /** Asks the server whether this session alone may be read. Rejects like `connect`. */
  readonly ask: (after: string | undefined, signal: AbortSignal) => Promise<void>;
  /** Milliseconds to wait before attempt 1, 2, … */
  readonly retryDelay: (attempt: number) => number;
  readonly onFrame: (frame: Frame) => void;
  readonly onConnection: (state: ConnectionState) => void;
}

/** A connection that lasts this long counts as progress, also without a frame. */
const steadyMs = 5_000;

/** Whether a retry would get the same refusal. 408, 425 and 429 are temporary. */
function isFinal({ code, status }: DurableChatError, wasOpen: boolean): boolean {
  // A route that had the session is a route with sessions.
  if (code === 'not_found') return !wasOpen;
  return status >= 400 && status < 500 && ![408, 425, 429].includes(status);
}

/** A subscription. It makes no connection before `start`. */
export class Subscription {
  readonly #options: SubscriptionOptions;
  #state: ConnectionState = { type: 'idle' };
  #cursor: string | undefined;
  /** When the last bytes arrived, or the wait for them began. */
  #heardAt: Moment | undefined;
  #abort: AbortController | undefined;
  #cancelRetry: Cancel = () => {};
  /** The permission was refused on a connection. The response to the next request, with fresh headers, is final. */
  #isInDoubt = false;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
  }

  /** The cursor after the newest frames that have come. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  /** Connects. A stopped subscription continues where it was. */
  start(): void {
    this.#dispatch({ type: 'start' });
  }

  stop(): void {
    this.#dispatch({ type: 'stop' });
  }

  /** A frame is missing: subscribes again without a cursor. */
  renew(): void {
    this.#cursor = undefined;
    this.#dispatch({ type: 'lost' });
  }

  /** Connects at once if a retry waits, or if the connection is silent for too long. Timers stop while a machine sleeps. */
  retryNow(): void {
    if (this.#heardAt && elapsedWithSleepMs(this.#heardAt, this.#options.runtime) > silenceMs)
      this.#dispatch({ type: 'lost' });
    this.#dispatch({ type: 'online' });
  }

  /** There is no network: no attempt is made until `retryNow`. */
  pause(): void {
    this.#dispatch({ type: 'offline' });
  }

  #dispatch(event: ConnectionEvent): void {
    const before = this.#state;
    const after = nextConnection(before, event);
    if (after === before) return;
    this.#state = after;
    this.#cancelRetry();
    if (after.type !== 'open') this.#abort?.abort();
    if (after.type === 'connecting' || after.type === 'rotating') void this.#connect();
    if (after.type === 'waiting') {
      const { runtime, retryDelay } = this.#options;
      this.#cancelRetry = runtime.schedule(
        () => this.#dispatch({ type: 'retry' }),
        retryDelay(after.attempt),
      );
    }
    this.#options.onConnection(after);
  }

  async #connect(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    const { signal } = abort;
    // The result of an aborted connection is ignored.
    const dispatch = (event: ConnectionEvent) => {
      if (!signal.aborted) this.#dispatch(event);
    };
    const { runtime } = this.#options;
    let cancelSilence = () => {};
    const listen = () => {
      this.#heardAt = thisMoment(runtime);
      cancelSilence();
      cancelSilence = runtime.schedule(() => dispatch({ type: 'lost' }), silenceMs);
    };
    const onEvent = (event?: SseEvent) => {
      if (signal.aborted) return;
      listen();
      dispatch({ type: 'opened' });
      if (!event) return;
      const frame = JSON.parse(event.data) as Frame; // a response of our server; unknown types fall through
      if (frame.type === 'refused') {
        this.#isInDoubt = true;
        return dispatch({ type: 'rotated' });
      }
      this.#options.onFrame(frame);
      // Unless this frame has shown that another one is missing.
      if (signal.aborted) return;
      this.#cursor = event.id ?? this.#cursor;
      dispatch({ type: 'progress' });
    };
    listen();
    const startedAt = runtime.monotonic();
    let end: ConnectionEvent = { type: 'lost' };
    try {
      if (this.#isInDoubt) await this.#options.ask(this.#cursor, signal);
      this.#isInDoubt = false;
      if (await this.#options.connect(this.#cursor, signal, onEvent)) end = { type: 'rotated' };
    } catch (error) {
      if (error instanceof DurableChatError) {
        if (error.code === 'invalid_cursor') this.#cursor = undefined;
        else if (isFinal(error, this.#cursor !== undefined)) end = { type: 'refused', error };
      }
    }
    cancelSilence();
    if (runtime.monotonic() - startedAt > steadyMs) dispatch({ type: 'progress' });
    dispatch(end);
  }
}
