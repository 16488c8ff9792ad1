// The page's own state: whether it is visible, and whether there is a network.

import type { Cancel, Runtime } from '../../lib/runtime.ts';
import { every } from '../../lib/time.ts';

/** What the state of the page changes in a subscription. */
export interface PageSubscription {
  start(): void;
  stop(): void;
  retryNow(): void;
  pause(): void;
}

/** How long a hidden page without a running answer keeps its connection, in milliseconds. */
const restAfterMs = 60_000;

/**
 * Until the result is called, `subscription` connects at once when the page becomes visible or the network is back, and
 * pauses while the page is hidden and not busy. It continues where it was.
 */
export function watchPage(
  runtime: Runtime,
  subscription: PageSubscription,
  isBusy: () => boolean,
): () => void {
  let cancel: Cancel = () => {};
  const look = () => {
    cancel();
    if (document.hidden) cancel = every(runtime, restAfterMs, () => isBusy() || subscription.stop());
    else subscription.start();
    if (navigator.onLine) subscription.retryNow();
    else subscription.pause();
  };
  const events = [
    [window, 'online'],
    [window, 'offline'],
    [window, 'pageshow'],
    [document, 'visibilitychange'],
  ] as const;
  for (const [target, type] of events) target.addEventListener(type, look);
  look();
  return () => {
    cancel();
    for (const [target, type] of events) target.removeEventListener(type, look);
  };
}
