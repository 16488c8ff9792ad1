// Failures of requests: they come in time, and contain nothing of the request.

import type { Cancel, Runtime } from '../../lib/runtime.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { Channel } from '../channel.ts';

/** Rejects after `ms` without a response. The request itself is not cancelled. */
export async function within<T>(runtime: Runtime, ms: number, request: Promise<T>): Promise<T> {
  let cancel: Cancel = () => {};
  const late = new Promise<never>((_, reject) => {
    const fail = () => reject(new DOMException('No response in time.', 'TimeoutError'));
    cancel = runtime.schedule(fail, ms);
  });
  try {
    return await Promise.race([request, late]);
  } finally {
    cancel();
  }
}

/** Replaces the client's errors, which quote the whole command with its chat text. */
export function scrubErrors(channel: Channel): Channel {
  const wrap =
    <A extends unknown[], R>(name: string, method: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      try {
        return await method(...args);
      } catch (error) {
        if (error instanceof DurableChatError) throw error;
        const kind = error instanceof Error ? error.name : typeof error;
        throw new DurableChatError('store_failed', `The store failed to ${name} (${kind}). Try again.`);
      }
    };
  return Object.fromEntries(
    Object.entries(channel).map(([name, method]) => [name, wrap(name, method as never)]),
  ) as unknown as Channel; // the same methods under the same names
}
