// The browser's APIs. A browser can refuse some of them, often with an exception: with blocked cookies, without HTTPS, in a
// sandboxed frame. Only this module uses them, and each result can be undefined.

import type { Runtime } from '../../lib/runtime.ts';

function attempt<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}

/** Whether this code runs in a page, which shares the browser's connections with other pages. */
export function isPage(): boolean {
  return typeof document !== 'undefined';
}

/** The tab's storage, which survives a reload and ends with the tab. */
export function tabStorage(): Storage | undefined {
  return attempt(() => (isPage() ? sessionStorage : undefined));
}

/** The Web Locks. A request can reject with a `SecurityError` although they exist. */
export function pageLocks(): LockManager | undefined {
  // By its type every page has them, but pages without HTTPS do not.
  return attempt(() => (isPage() ? (navigator.locks as LockManager | undefined) : undefined));
}

/** A channel to the other tabs of the browser. */
export function openChannel(name: string, onMessage: (data: unknown) => void): BroadcastChannel | undefined {
  return attempt(() => {
    const channel = new BroadcastChannel(name);
    channel.addEventListener('message', ({ data }: MessageEvent<unknown>) => onMessage(data));
    return channel;
  });
}

/** A one-way digest; undefined in a page without HTTPS. */
export async function digest(text: string, runtime: Runtime): Promise<string | undefined> {
  try {
    return btoa(String.fromCharCode(...(await runtime.sha256(new TextEncoder().encode(text)))));
  } catch {
    return undefined;
  }
}

/** Whether requests to the host of `url` share one connection, as with HTTP/2, so connections are not scarce. */
export function isMultiplexed(url: string): boolean {
  return (
    attempt(() => {
      const { origin } = new URL(url, location.href);
      const entries = [
        ...performance.getEntriesByType('navigation'),
        ...performance.getEntriesByType('resource'),
      ] as PerformanceResourceTiming[]; // both types have a `nextHopProtocol`
      return entries.some(
        ({ name, nextHopProtocol }) => /^h[23]/.test(nextHopProtocol) && new URL(name).origin === origin,
      );
    }) ?? false
  );
}

/** Calls back when the page is hidden or unloaded (it can be restored later), until the result is called. */
export function onPageHide(listener: () => void): () => void {
  attempt(() => window.addEventListener('pagehide', listener));
  return () => attempt(() => window.removeEventListener('pagehide', listener));
}
