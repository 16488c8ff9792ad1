// Trying again, with growing pauses and full jitter.

import { systemRuntime, type Runtime } from '../../lib/runtime.ts';
import { sleep } from '../../lib/time.ts';
import { DurableChatError } from '../../protocol/errors.ts';

export interface RetryOptions {
  /** How long to go on, in milliseconds: after that no attempt begins. Default 3,000. */
  readonly forMs?: number;
  readonly runtime?: Runtime;
}

/** How long a store may be away before it is given up, in milliseconds. */
export const patienceMs: number = 5 * 60_000;

/** For what must not be lost. */
export const patiently: RetryOptions = { forMs: patienceMs };

/**
 * The result of the first attempt that succeeds; the last attempt's error when none does. What is refused for any
 * reason but a failure of the store is refused again, and is not tried again.
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
