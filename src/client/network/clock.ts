// Durations are measured on a monotonic clock, which stops on some machines while they sleep.

import type { Runtime } from '../../lib/runtime.ts';

/** A point in time on both clocks, in milliseconds: `steady` can stop while the machine sleeps, `wall` can jump. */
export interface Moment {
  readonly steady: number;
  readonly wall: number;
}

/** The present moment. */
export function thisMoment(runtime: Runtime): Moment {
  return { steady: runtime.monotonic(), wall: runtime.now() };
}

/** Milliseconds since a moment, with the time that the machine has slept. Too many if the system time was set forward. */
export function elapsedWithSleepMs(since: Moment, runtime: Runtime): number {
  return Math.max(runtime.monotonic() - since.steady, runtime.now() - since.wall);
}
