// Helpers on a runtime's timers.

import type { Cancel, Runtime } from './runtime.ts';

/** Resolves after `ms`. */
export function sleep(runtime: Runtime, ms: number): Promise<void> {
  return new Promise((resolve) => runtime.schedule(resolve, ms));
}

/** Calls back every `ms`, until the result is called. */
export function every(runtime: Runtime, ms: number, callback: () => void): Cancel {
  const again = () => {
    cancel = runtime.schedule(again, ms);
    callback();
  };
  let cancel = runtime.schedule(again, ms);
  return () => cancel();
}

/** The promise's result, or undefined if it has not settled after `ms`. Rejects like the promise. */
export async function within<T>(runtime: Runtime, ms: number, promise: Promise<T>): Promise<T | undefined> {
  let cancel: Cancel = () => {};
  const late = new Promise<undefined>((resolve) => {
    cancel = runtime.schedule(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel();
  }
}

/** Like `AbortSignal.timeout`: aborts with a `TimeoutError` after `ms`, and keeps no process alive. */
export function timeoutSignal(runtime: Runtime, ms: number): AbortSignal {
  const controller = new AbortController();
  const abort = () => controller.abort(new DOMException('No response in time.', 'TimeoutError'));
  runtime.schedule(abort, ms, { background: true });
  return controller.signal;
}
