import type { ClientStore, SessionSnapshot } from './store.ts';

export interface UntilOptions {
  /** The time after which `isDue` is true, in milliseconds. */
  readonly ms?: number;
  /** Its abort makes `isDue` true at once. */
  readonly signal?: AbortSignal | undefined;
}

/** Resolves when `condition` holds. It is checked now, after each change, and when `isDue` becomes true. */
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
