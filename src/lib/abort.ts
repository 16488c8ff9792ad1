// Helpers on signals.

import type { Cancel } from './runtime.ts';

/** Calls `listener` when the signal aborts, or at once if it has aborted. The result ends that. */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): Cancel {
  if (signal?.aborted) listener();
  else signal?.addEventListener('abort', listener);
  return () => signal?.removeEventListener('abort', listener);
}

/** Resolves once the signal has aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => void onAbort(signal, resolve));
}
