// The port for time and randomness: the system clock, or a simulated one.

/** Cancels a timer. A second or a late call does nothing. */
export type Cancel = () => void;

/** The source of time and randomness. */
export interface Runtime {
  /** @returns The system time in milliseconds since 1970, for people to read. It can be changed. */
  now(): number;
  /** @returns Whole milliseconds on a monotonic clock, for durations. */
  monotonic(): number;
  /**
   * Calls back once.
   *
   * @param callback - Called after `ms`. Its exceptions are not caught.
   * @param ms - Milliseconds. A time of 2 ** 31 ms (25 days) or more never comes.
   * @param options - With `background` the timer does not keep the process alive.
   * @returns Cancels the timer.
   */
  schedule(callback: () => void, ms: number, options?: { readonly background?: boolean }): Cancel;
  /** @returns A number from 0 up to, and not including, 1. */
  random(): number;
  /**
   * @param length - How many bytes.
   * @returns Cryptographically random bytes.
   */
  randomBytes(length: number): Uint8Array;
  /**
   * @param data - What to digest.
   * @returns Its SHA-256 digest.
   */
  sha256(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

/** The longest timer. A larger number would make it fire at once. */
const longestMs = 2 ** 31 - 1;

/** The system's time and randomness. */
export const systemRuntime: Runtime = {
  now: () => Date.now(),
  monotonic: () => Math.floor(performance.now()),
  schedule(callback, ms, { background = false } = {}) {
    if (ms > longestMs) return () => {};
    const timer = setTimeout(callback, ms);
    // In a browser a timer is a number.
    if (background && typeof timer === 'object') timer.unref?.();
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  sha256: async (data) => new Uint8Array(await crypto.subtle.digest('SHA-256', data)),
};
