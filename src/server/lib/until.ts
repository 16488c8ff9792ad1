// Waits for a condition.

import type { Cancel, Runtime } from '../../lib/runtime.ts';

export interface Patience {
  readonly signal?: AbortSignal | undefined;
  readonly ms?: number;
}

/**
 * Resolves once `condition` returns a value, with that value; with undefined if `signal` aborts or `ms` pass first.
 * `onChange` calls back after each change that can affect the condition, until its result is called.
 */
export function until<T>(
  runtime: Runtime,
  onChange: (listener: () => void) => () => void,
  condition: () => T | undefined,
  { signal, ms }: Patience = {},
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const finish = () => {
      off();
      cancel();
      signal?.removeEventListener('abort', giveUp);
    };
    const settle = (value: T | undefined) => {
      finish();
      resolve(value);
    };
    const giveUp = () => settle(undefined);
    const check = () => {
      try {
        const value = condition();
        if (value !== undefined) settle(value);
      } catch (error) {
        finish();
        reject(error);
      }
    };
    const cancel: Cancel = ms === undefined ? () => {} : runtime.schedule(giveUp, ms);
    const off = onChange(check);
    signal?.addEventListener('abort', giveUp);
    if (signal?.aborted) giveUp();
    else check();
  });
}
