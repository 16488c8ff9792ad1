// The times at which a scripted model emits its items: at a rate, and after a hold once the test releases it.

/** Returns what to wait for before the item of this index; undefined if there is nothing to wait for. */
export type Pace = (index: number, ended: AbortSignal) => Promise<void> | undefined;

/** How often a script without a pace yields to the event loop. Otherwise no timer could abort it. */
const YIELD_EVERY_MS = 10;

/** Item `n` is due `n / rate` seconds after the first, by the clock: late items do not delay later ones. */
export function pacer(rate: number): Pace {
  let first: { readonly at: number; readonly index: number } | undefined;
  let yieldedAt = 0;
  return (index, ended) => {
    const now = performance.now();
    if (first === undefined) {
      first = { at: now, index };
      yieldedAt = now;
    }
    const wait = rate === Infinity ? 0 : first.at + ((index - first.index) * 1000) / rate - now;
    if (wait <= 0 && now - yieldedAt < YIELD_EVERY_MS) return undefined;
    return sleep(Math.max(0, wait), ended).then(() => {
      yieldedAt = performance.now();
    });
  };
}

/** The time of a hold does not count as a delay, so that later items do not come faster. */
export function holding(
  pacer: () => Pace,
  holds: readonly number[],
  hold: (signal: AbortSignal) => Promise<unknown> = () => Promise.resolve(),
): Pace {
  let pace = pacer();
  return (index, ended) => {
    if (!holds.includes(index)) return pace(index, ended);
    return hold(ended).then(() => {
      pace = pacer();
      return pace(index, ended);
    });
  };
}

function sleep(ms: number, ended: AbortSignal): Promise<void> {
  if (ended.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      ended.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    ended.addEventListener('abort', done, { once: true });
  });
}
