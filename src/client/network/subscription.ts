// A session's subscription: one stream of frames that outlives its connections. It reconnects where it left
// off, and knows nothing of what the frames mean.

import type { Cancel, Runtime } from '../../lib/runtime.ts';
import type { DurableChatError } from '../../protocol/errors.ts';
import type { Frame } from '../../protocol/frames.ts';
import { silenceMs } from '../../protocol/requests.ts';
import type { SseEvent } from '../../protocol/sse.ts';
import { elapsedMs, elapsedWithSleepMs, thisMoment, type Moment } from './clock.ts';
import { nextConnection, type ConnectionEvent, type ConnectionState } from './connection.ts';

/**
 * One connection, behind `after` or from a snapshot. Calls back for each event, and without one for a sign of life.
 * Resolves when it has ended, with whether the server asked to come back at once.
 */
type Connect = (
  after: string | undefined,
  signal: AbortSignal,
  onEvent: (event?: SseEvent) => void,
) => Promise<boolean>;

export interface SubscriptionOptions {
  readonly runtime: Runtime;
  readonly connect: Connect;
  /** Asks the server whether this session may be read, apart from all others; rejects as `connect` does. */
  readonly ask: (after: string | undefined, signal: AbortSignal) => Promise<void>;
  /** Milliseconds to wait before attempt 1, 2, … */
  readonly retryDelay: (attempt: number) => number;
  readonly onFrame: (frame: Frame) => void;
  readonly onConnection: (state: ConnectionState) => void;
}

/** A connection that lasts so long was a good one, even if the session had nothing to say. */
const steadyMs = 5_000;

/** By its name: this file is loaded apart from the class. */
function isOurs(error: unknown): error is DurableChatError {
  return error instanceof Error && error.name === 'DurableChatError';
}

/** Whether asking again would get the same answer; 408, 425 and 429 only say: not now. */
function isFinal({ code, status }: DurableChatError, wasOpen: boolean): boolean {
  // A route that has had the session is a route that has sessions.
  if (code === 'not_found') return !wasOpen;
  return status >= 400 && status < 500 && ![408, 425, 429].includes(status);
}

export class Subscription {
  readonly #options: SubscriptionOptions;
  #state: ConnectionState = { type: 'idle' };
  #cursor: string | undefined;
  /** When bytes last came in, or were first waited for. */
  #heardAt: Moment | undefined;
  #abort: AbortController | undefined;
  #cancelRetry: Cancel = () => {};
  /** The permission has ended on a connection. The answer to the next request, with headers of then, is final. */
  #isInDoubt = false;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
  }

  /** Connects; a stopped subscription goes on where it was. */
  start(): void {
    this.#dispatch({ type: 'start' });
  }

  stop(): void {
    this.#dispatch({ type: 'stop' });
  }

  /** Something is missing: begin again with a snapshot. */
  renew(): void {
    this.#cursor = undefined;
    this.#dispatch({ type: 'lost' });
  }

  /** Connects at once what waits, and what is dead by the clock: timers stand still while a machine sleeps. */
  wake(): void {
    if (this.#heardAt && elapsedWithSleepMs(this.#heardAt, this.#options.runtime) > silenceMs)
      this.#dispatch({ type: 'lost' });
    this.#dispatch({ type: 'online' });
  }

  /** There is no network: nothing is tried until `wake`. */
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
    // An aborted connection has nothing more to say.
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
      const frame = JSON.parse(event.data) as Frame; // our own server's; unknown types fall through
      if (frame.type === 'refused') {
        this.#isInDoubt = true;
        return dispatch({ type: 'rotated' });
      }
      this.#options.onFrame(frame);
      // Unless that very frame has shown that something is missing.
      if (signal.aborted) return;
      this.#cursor = event.id ?? this.#cursor;
      dispatch({ type: 'progress' });
    };
    listen();
    const startedAt = thisMoment(runtime);
    let end: ConnectionEvent = { type: 'lost' };
    try {
      if (this.#isInDoubt) await this.#options.ask(this.#cursor, signal);
      this.#isInDoubt = false;
      if (await this.#options.connect(this.#cursor, signal, onEvent)) end = { type: 'rotated' };
    } catch (error) {
      if (isOurs(error)) {
        if (error.code === 'invalid_cursor') this.#cursor = undefined;
        else if (isFinal(error, this.#cursor !== undefined)) end = { type: 'refused', error };
      }
    }
    cancelSilence();
    if (elapsedMs(startedAt, runtime) > steadyMs) dispatch({ type: 'progress' });
    dispatch(end);
  }
}
