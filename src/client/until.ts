import type { ClientStore, SessionSnapshot } from './store.ts';

export interface UntilOptions {
  /** Milliseconds after which the wait is due to end. */
  readonly ms?: number;
  /** Its abort makes the wait due to end at once. */
  readonly signal?: AbortSignal | undefined;
}

/** Resolves when `condition` holds, which is asked now, after each change, and when the wait is due. */
export function until(
  store: Pick<ClientStore, 'getSnapshot' | 'subscribe'>,
  condition: (snapshot: SessionSnapshot, isDue: boolean) => boolean,
  { ms, signal }: UntilOptions = {},
): Promise<void> {
  return new Promise((resolve) => {
    let isDue = signal?.aborted === true;
    const check = () => {
      if (!condition(store.getSnapshot(), isDue)) return;
      off();
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const off = store.subscribe(check);
    const end = () => {
      isDue = true;
      check();
    };
    const timer = ms === undefined ? undefined : setTimeout(end, ms);
    signal?.addEventListener('abort', end);
    check();
  });
}
