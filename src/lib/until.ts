// Waits for a condition.

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
