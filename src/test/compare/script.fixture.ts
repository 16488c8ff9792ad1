// Answers of a scripted server: one chunk at a time, so that each one is rendered, with holds where a scenario needs them.

import type { UIMessageChunk } from 'ai';
import { cleanUp, sse } from '../fixtures/hooks.fixture.tsx';

/** A chunk, a `hold` until the scenario releases it, or a `break` of the connection. */
export type Step = UIMessageChunk | 'hold' | 'break';

export interface Script {
  /** An answer with these steps. */
  reply(steps: readonly Step[]): Response;
  /** Resolves when the scenario releases it. */
  hold(): Promise<void>;
  /** Releases what waits. */
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

/** Waits for turns of the event loop in which all effects of a chunk are done. */
export async function turns(count = 12): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
