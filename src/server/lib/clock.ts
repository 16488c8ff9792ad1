// Durations are measured on a monotonic clock, which a change of the system time does not affect.

/** Whole milliseconds since a moment that is fixed for the process. */
export function monotonicMs(): number {
  return Math.floor(performance.now());
}
