// Waiting for something to hold.

export interface Patience {
  readonly signal?: AbortSignal | undefined;
  readonly ms?: number;
}

/**
 * Resolves once `condition` holds, with its value; undefined when `signal` aborts or `ms` pass first. `onChange` calls
 * back after everything that may make it hold, until its result is called.
 */
export function until<T>(
  onChange: (listener: () => void) => () => void,
  condition: () => T | undefined,
  { signal, ms }: Patience = {},
): Promise<T | undefined> {
  return new Promise((resolve) => {
    const settle = (value: T | undefined) => {
      off();
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      resolve(value);
    };
    const giveUp = () => settle(undefined);
    const check = () => {
      const value = condition();
      if (value !== undefined) settle(value);
    };
    const timer = ms === undefined ? undefined : setTimeout(giveUp, ms);
    const off = onChange(check);
    signal?.addEventListener('abort', giveUp);
    if (signal?.aborted) giveUp();
    else check();
  });
}
