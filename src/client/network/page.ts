// The page's own state: whether it is visible, and whether there is a network.

export interface PageSubscription {
  start(): void;
  stop(): void;
  wake(): void;
  pause(): void;
}

/** How long a hidden page with nothing to wait for keeps its connection, in milliseconds. */
const restAfterMs = 60_000;

/**
 * Until the result is called, `subscription` connects at once when the page is seen or the network is back, and
 * rests while the page is hidden and not busy. It goes on where it was.
 */
export function watchPage(subscription: PageSubscription, isBusy: () => boolean): () => void {
  let timer: ReturnType<typeof setInterval> | undefined;
  const look = () => {
    clearInterval(timer);
    if (document.hidden) timer = setInterval(() => isBusy() || subscription.stop(), restAfterMs);
    else subscription.start();
    if (navigator.onLine) subscription.wake();
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
    clearInterval(timer);
    for (const [target, type] of events) target.removeEventListener(type, look);
  };
}
