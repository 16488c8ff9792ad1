// Failures of server instances.

import type { Fault } from './fault.ts';

/** An instance dies, and another one takes its place after a while. */
export const kill: Fault = {
  name: 'kill',
  weight: 3,
  lasts: [100, 10_000],
  begin(stage, random) {
    const instance = random.pick([...stage.instances]);
    if (instance) stage.kill(instance);
    return () => void (instance && stage.start());
  },
};

/** An instance gets no time for a while. */
export const freeze: Fault = {
  name: 'freeze',
  weight: 2,
  lasts: [100, 40_000],
  begin(stage, random) {
    const process = random.pick([...stage.instances])?.process;
    stage.world.trace(() => `${process?.name} freezes`);
    process?.freeze();
    return () => {
      stage.world.trace(() => `${process?.name} thaws`);
      process?.thaw();
    };
  },
};
