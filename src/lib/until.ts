// Waits for a condition.

import { onAbort } from './abort.ts';
import type { Cancel, Runtime } from './runtime.ts';

/** How long to wait: until `signal` aborts, or for `ms` milliseconds. Without both, without a limit. */
export interface Patience {
  readonly signal?: AbortSignal | undefined;
  readonly ms?: number;
}

/**
 * Resolves with the first value that `condition` returns, or with undefined if `signal` aborts or `ms` pass first.
 * `onChange` registers a listener for each change that can affect the condition. Its result removes the listener.
 */
export function until<T>(
  runtime: Runtime,
  onChange: (listener: () => void) => () => void,
  condition: () => T | undefined,
  { signal, ms }: Patience = {},
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const ends: Cancel[] = [];
    const settle = (value: T | undefined) => {
      resolve(value);
      for (const end of ends) end();
    };
    const giveUp = () => settle(undefined);
    const check = () => {
      try {
        const value = condition();
        if (value !== undefined) settle(value);
      } catch (error) {
        reject(error);
        giveUp();
      }
    };
    if (signal?.aborted) return giveUp();
    ends.push(onChange(check), onAbort(signal, giveUp));
    if (ms !== undefined) ends.push(runtime.schedule(giveUp, ms));
    check();
  });
}
