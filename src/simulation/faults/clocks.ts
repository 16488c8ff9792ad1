// Clocks that people or machines set.

import type { Fault } from './fault.ts';

/** By how much a clock is set, in milliseconds. */
const steps = [-3_600_000, -60_000, -2_000, 2_000, 60_000, 3_600_000] as const;

/** The system clock of an instance or of a page is set. What measures durations must not notice. */
export const clock: Fault = {
  name: 'clock is set',
  weight: 1,
  lasts: [100, 40_000],
  begin({ instances, pages, world }, random) {
    const process = random.pick([...instances, ...pages])?.process;
    const ms = random.pick([...steps]);
    const step = (by: number) => {
      world.trace(() => `${process?.name} has its clock set by ${by} ms`);
      if (process) process.skewMs += by;
    };
    step(ms);
    return () => step(-ms);
  },
};
