// Durations are measured on a clock that cannot be set. On some machines it stands still while they sleep.

import { systemRuntime, type Runtime } from '../../lib/runtime.ts';

export interface Moment {
  readonly steady: number;
  readonly wall: number;
}

export function thisMoment(runtime: Runtime = systemRuntime): Moment {
  return { steady: runtime.monotonic(), wall: runtime.now() };
}

/** Whole milliseconds of this page's life since then. */
export function elapsedMs(since: Moment, runtime: Runtime = systemRuntime): number {
  return Math.floor(runtime.monotonic() - since.steady);
}

/** The same with the time that the machine has slept; too long when its clock was set forward. */
export function elapsedWithSleepMs(since: Moment, runtime: Runtime = systemRuntime): number {
  return Math.max(elapsedMs(since, runtime), runtime.now() - since.wall);
}
