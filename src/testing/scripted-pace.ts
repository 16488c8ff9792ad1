// When a scripted model's items are due: at a pace, and behind a hold when the test says so.

/** What to wait for before the item of this index; undefined where there is nothing to wait for. */
export type Pace = (index: number, ended: AbortSignal) => Promise<void> | undefined;

/** An unpaced script gives the event loop a turn this often, or no timer could ever abort it. */
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

/** What a hold takes is no delay that later items would make up for. */
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
