// Durations are measured on a clock that nobody sets, which on some machines stands still while they sleep.

export interface Moment {
  readonly steady: number;
  readonly wall: number;
}

export function thisMoment(): Moment {
  return { steady: performance.now(), wall: Date.now() };
}

/** Whole milliseconds of this page's life since then. */
export function elapsedMs(since: Moment): number {
  return Math.floor(performance.now() - since.steady);
}

/** The same with the time that the machine has slept; too long when its clock was set forward. */
export function elapsedWithSleepMs(since: Moment): number {
  return Math.max(elapsedMs(since), Date.now() - since.wall);
}
