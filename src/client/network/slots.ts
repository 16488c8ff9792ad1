// The connections that stay open. Over HTTP/1.1 a browser has six to a host, for all its tabs together. At most four of
// them are taken here, so that commands and the app's own requests always get one. Each of the four is a Web Lock.
//
//   slot 1      subscriptions
//   slots 2, 3  subscriptions and responses to sends
//   slot 4      subscriptions without another slot, one after the other
//
// Named locks are enough, because the browser releases those of a tab that ends in any way. Tabs with the same route and
// the same headers share one subscription (see tabs/line.ts), so that only a browser with many users or many routes
// shares slot 4.

import type { Runtime } from '../../lib/runtime.ts';
import { within } from '../../lib/time.ts';
import { isMultiplexed, isPage, pageLocks } from './browser.ts';

/** The right to one connection, until `release`. */
export interface Slot {
  /** Whether it must be released soon, because others wait for it. */
  readonly isTimeSlice: boolean;
  readonly release: () => void;
}

const unlimited: Slot = { isTimeSlice: false, release: () => {} };

/** The slot where connections are not scarce. */
export const noSlot = async (): Promise<Slot> => unlimited;

/** A slot for a subscription to `url`. Waits while all are taken. Rejects when `signal` aborts. */
export async function takeSlot(url: string, signal: AbortSignal): Promise<Slot> {
  if (isMultiplexed(url)) return unlimited;
  try {
    const free = await firstFree([1, 2, 3]);
    if (free) return { isTimeSlice: false, release: free };
    const slice = await lock(4, { signal });
    return slice ? { isTimeSlice: true, release: slice } : unlimited;
  } catch {
    signal.throwIfAborted();
    return unlimited;
  }
}

/** How long a POST waits for the browser's lock, in milliseconds. */
const lockWithinMs = 1_000;

let isTaken = false;

/**
 * Takes a connection on which the response to a send is read to its end, at most one per page. Resolves with a function
 * that releases it, or with undefined: then the run must be read from the subscription.
 */
export async function takeStreamSlot(url: string, runtime: Runtime): Promise<(() => void) | undefined> {
  if (!isPage()) return () => {};
  if (isTaken) return undefined;
  isTaken = true;
  const taken = (isMultiplexed(url) ? Promise.reject() : firstFree([3, 2]))
    .catch(() => () => {})
    .then((free) => {
      isTaken = free !== undefined;
      const release = () => {
        isTaken = false;
        free?.();
      };
      return { release: free && release };
    });
  const got = await within(runtime, lockWithinMs, taken);
  if (!got) void taken.then(({ release }) => release?.());
  return got?.release;
}

async function firstFree(numbers: readonly number[]): Promise<(() => void) | undefined> {
  for (const number of numbers) {
    const release = await lock(number, { ifAvailable: true });
    if (release) return release;
  }
  return undefined;
}

/** Resolves with a function that releases the lock, or with undefined if it is not available. Rejects without Web Locks. */
function lock(number: number, options: LockOptions): Promise<(() => void) | undefined> {
  const locks = pageLocks();
  return new Promise((resolve, reject) => {
    if (!locks) throw new Error('This page has no locks.');
    locks
      .request(`durable-chat slot ${number}`, options, (lock) =>
        lock ? new Promise<void>((release) => resolve(release)) : resolve(undefined),
      )
      .catch(reject);
  });
}
