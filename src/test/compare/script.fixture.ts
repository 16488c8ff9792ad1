// Answers of a scripted server: one chunk at a time, so that each has its render, and held where a scenario says so.

import type { UIMessageChunk } from 'ai';
import { cleanUp, sse } from '../fixtures/hooks.fixture.tsx';

/** A chunk; `hold` until the scenario says go; `break` as a connection does. */
export type Step = UIMessageChunk | 'hold' | 'break';

export interface Script {
  /** An answer of these steps. */
  reply(steps: readonly Step[]): Response;
  /** Resolves when the scenario says go. */
  hold(): Promise<void>;
  /** Lets go on what waits. */
  go(): void;
}

export function createScript(): Script {
  let waiting: (() => void)[] = [];
  const go = () => {
    for (const open of waiting.splice(0)) open();
  };
  cleanUp.push(go);
  const hold = () => new Promise<void>((resolve) => void waiting.push(resolve));
  return {
    hold,
    go,
    reply(steps) {
      async function* chunks(): AsyncGenerator<UIMessageChunk> {
        for (const step of steps) {
          if (step === 'hold') await hold();
          else if (step === 'break') throw new TypeError('network error');
          else yield step;
          await turns();
        }
      }
      return sse(chunks());
    },
  };
}

/** Turns of the event loop, in which whatever hangs on a chunk is done: they are no time. */
export async function turns(count = 12): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
