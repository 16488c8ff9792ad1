// Durations are measured on a clock that nobody sets. The other one is for moments that people read.

/** Whole milliseconds since some moment that is the same throughout the process. */
export function monotonicMs(): number {
  return Math.floor(performance.now());
}
