// Retries with growing pauses and full jitter.

import { systemRuntime, type Runtime } from '../../lib/runtime.ts';
import { sleep } from '../../lib/time.ts';
import { DurableChatError } from '../../protocol/errors.ts';

export interface RetryOptions {
  /** After this time no new attempt begins, in milliseconds. Default 3,000. */
  readonly forMs?: number;
  readonly runtime?: Runtime;
}

/** How long the writes of a run are retried, in milliseconds. */
export const patienceMs: number = 5 * 60_000;

/** For writes that must not be lost. */
export const patiently: RetryOptions = { forMs: patienceMs };

/**
 * Returns the result of the first attempt that succeeds. Throws the last attempt's error if none does. An error of another
 * kind than `store_failed` would come again, and is thrown at once.
 */
export async function retry<T>(
  attempt: () => Promise<T>,
  { forMs = 3_000, runtime = systemRuntime }: RetryOptions = {},
): Promise<T> {
  const until = runtime.monotonic() + forMs;
  for (let ceiling = 100; ; ceiling = Math.min(5_000, ceiling * 2)) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof DurableChatError && error.code !== 'store_failed') throw error;
      const pause = runtime.random() * ceiling;
      if (runtime.monotonic() + pause > until) throw error;
      await sleep(runtime, pause);
    }
  }
}
