// Retries with growing pauses and full jitter.

import type { Runtime } from '../../lib/runtime.ts';
import { sleep } from '../../lib/time.ts';
import { DurableChatError } from '../../protocol/errors.ts';

/** How long the writes of a run are retried, in milliseconds. */
export const patienceMs: number = 5 * 60_000;

/**
 * Returns the result of the first attempt that succeeds. Throws the last attempt's error if none does. After `forMs`
 * milliseconds no new attempt begins. An error of another kind than `store_failed` would come again, and is thrown at once.
 */
export async function retry<T>(
  runtime: Runtime,
  attempt: () => Promise<T>,
  forMs: number = 3_000,
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
