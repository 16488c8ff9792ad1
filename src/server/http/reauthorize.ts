// Asks for a permission again while it is used. A permission holds until the answer says otherwise.

import type { Cancel, Runtime } from '../../lib/runtime.ts';

export interface ReauthorizeOptions {
  readonly runtime: Pick<Runtime, 'schedule' | 'random'>;
  /** Rejects if the permission is refused, or if that cannot be known. */
  readonly ask: () => Promise<unknown>;
  /** Whether what `ask` rejected with is a refusal. */
  readonly isRefusal: (error: unknown) => boolean;
  /** The mean time between an answer and the next question, in milliseconds; Infinity: never. */
  readonly everyMs: number;
  readonly onRefused: (refusal: unknown) => void;
  /** Called with what `ask` rejected with if that is no refusal. The permission stays. */
  readonly onError: (error: unknown) => void;
  /** Ends the questions. */
  readonly signal: AbortSignal;
}

/**
 * Asks again until a refusal or `signal`. To be called in the context of the viewer's own request: each question is asked
 * in that context (`AsyncLocalStorage`), because the first timer is set in it and each other one by the one before. There
 * is one question at a time: while an answer is due, nothing is asked.
 */
export function reauthorize(options: ReauthorizeOptions): void {
  const { runtime, ask, isRefusal, everyMs, onRefused, onError, signal } = options;
  if (signal.aborted) return;
  let cancel: Cancel = () => {};
  const wait = () => {
    // Viewers that came at the same moment do not ask at the same moment for ever.
    cancel = runtime.schedule(() => void askNow(), everyMs * (0.9 + runtime.random() / 5));
  };
  async function askNow(): Promise<void> {
    try {
      await ask();
    } catch (error) {
      if (signal.aborted) return;
      if (isRefusal(error)) return onRefused(error);
      onError(error);
    }
    if (!signal.aborted) wait();
  }
  wait();
  signal.addEventListener('abort', () => cancel());
}
