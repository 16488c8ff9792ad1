// Calls `authorize` again while its permission is used. The permission lasts until a refusal.

import type { Cancel, Runtime } from '../../lib/runtime.ts';

/** How often to ask, and what is called for refusals and errors. */
export interface ReauthorizeOptions {
  readonly runtime: Pick<Runtime, 'schedule' | 'random'>;
  /** Rejects if the permission is refused, or if `authorize` fails. */
  readonly ask: () => Promise<unknown>;
  /** Whether a rejection of `ask` is a refusal. */
  readonly isRefusal: (error: unknown) => boolean;
  /** The mean time between a decision and the next call, in milliseconds. Infinity: no further call. */
  readonly everyMs: number;
  readonly onRefused: (refusal: unknown) => void;
  /** Called with a rejection of `ask` that is not a refusal, or if `ask` does not settle in time. The permission stays. */
  readonly onError: (error: unknown) => void;
  /** Ends the calls. */
  readonly signal: AbortSignal;
}

/** The least time for a decision, in milliseconds. With a longer interval it is the interval. */
const decideWithinMs = 10_000;

/**
 * Calls `ask` again until a refusal or `signal`. Call it in the context of the viewer's own request: each call of `ask`
 * is made in that context (`AsyncLocalStorage`), because the first timer is set in it, and each later one by the previous
 * one. The next call is made after a decision, or after the time for one. A refusal that comes later counts too.
 */
export function reauthorize(options: ReauthorizeOptions): void {
  const { runtime, ask, isRefusal, everyMs, onRefused, onError, signal } = options;
  if (signal.aborted) return;
  let cancel: Cancel = () => {};
  const wait = () => {
    // Random, so that viewers that connected at the same moment do not all call at the same moment.
    cancel = runtime.schedule(() => void askNow(), everyMs * (0.9 + runtime.random() / 5));
  };
  let isRefused = false;
  const isOver = () => isRefused || signal.aborted;

  async function askOnce(): Promise<void> {
    try {
      await ask();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (isOver()) return;
      isRefused = true;
      cancel();
      onRefused(error);
    }
  }

  async function askNow(): Promise<void> {
    const late = new Promise<never>((_, reject) => {
      const error = new DOMException('`authorize` did not return in time.', 'TimeoutError');
      cancel = runtime.schedule(() => reject(error), Math.max(everyMs, decideWithinMs));
    });
    try {
      await Promise.race([askOnce(), late]);
    } catch (error) {
      if (!isOver()) onError(error);
    }
    if (isOver()) return;
    cancel();
    wait();
  }

  wait();
  signal.addEventListener('abort', () => cancel());
}
