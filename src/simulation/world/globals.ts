// The globals of time and randomness, as a simulated process or the whole worker sees them.

import { createHash } from 'node:crypto';
import { SimulatedRequest, SimulatedResponse } from './http.ts';

/** The clock, the timers and the randomness behind a set of globals. */
export interface Source {
  /** Milliseconds since 1970. */
  now(): number;
  monotonic(): number;
  schedule(callback: () => void, ms: number): () => void;
  random(): number;
}

/** A source that changes: the world of the schedule that runs now. */
export interface Globals {
  readonly setTimeout: unknown;
  readonly clearTimeout: unknown;
  readonly setInterval: unknown;
  readonly clearInterval: unknown;
  readonly Date: DateConstructor;
  readonly performance: unknown;
  readonly crypto: unknown;
  readonly Request: unknown;
  readonly Response: unknown;
}

/** A timer has the methods of Node's, which keep a process alive or not. */
class Timer {
  cancel: () => void = () => {};
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
}

const RealDate = Date;

/** The delay of a timer, as browsers and Node take it. */
const least = (ms: number) => Math.max(1, ms || 0);

/** A digest is computed at once: the real one leaves the turn of the event loop. */
export function sha256(data: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha256').update(data).digest());
}

/** The globals over a source. */
export function globalsOf(source: Source): Globals {
  const clear = (timer: unknown) => timer instanceof Timer && timer.cancel();
  const randomBytes = (bytes: Uint8Array) => {
    for (let index = 0; index < bytes.length; index++) bytes[index] = Math.floor(source.random() * 256);
    return bytes;
  };
  const hex = (length: number) =>
    Array.from({ length }, () => Math.floor(source.random() * 16).toString(16)).join('');
  class SimulatedDate extends RealDate {
    constructor(value?: number) {
      super(value ?? source.now());
    }
    static override now(): number {
      return source.now();
    }
  }
  return {
    setTimeout(callback: (...rest: unknown[]) => void, ms = 0, ...rest: unknown[]) {
      const timer = new Timer();
      timer.cancel = source.schedule(() => callback(...rest), least(ms));
      return timer;
    },
    clearTimeout: clear,
    setInterval(callback: (...rest: unknown[]) => void, ms = 0, ...rest: unknown[]) {
      const timer = new Timer();
      const again = () => {
        timer.cancel = source.schedule(again, least(ms));
        callback(...rest);
      };
      timer.cancel = source.schedule(again, least(ms));
      return timer;
    },
    clearInterval: clear,
    Date: SimulatedDate as DateConstructor, // a call without `new` is not simulated, and nothing makes one
    Request: SimulatedRequest,
    Response: SimulatedResponse,
    performance: { now: () => source.monotonic(), getEntriesByType: () => [], timeOrigin: 0 },
    crypto: {
      getRandomValues: randomBytes,
      randomUUID: () => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`,
      subtle: { digest: async (_: string, data: Uint8Array<ArrayBuffer>) => sha256(data).buffer },
    },
  };
}

/** Replaces the worker's own globals: packages that processes share, such as `ai`, have these. Once, before they load. */
export function replaceGlobals(source: Source): void {
  for (const [name, value] of Object.entries(globalsOf(source)))
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  Math.random = () => source.random();
}
