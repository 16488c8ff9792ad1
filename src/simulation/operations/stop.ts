import type { Operation } from './operation.ts';

/** A page stops all runs. */
export const stop: Operation = {
  name: 'stop',
  weight: 3,
  perform(stage, random) {
    void random.pick(stage.awake)?.stop();
  },
};
