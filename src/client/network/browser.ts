// What a browser gives to its pages. It refuses some of it, often by an exception: with blocked cookies, without HTTPS, in a
// sandboxed frame. All of it is asked for here, and each answer may be undefined.

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

/** Survives a reload and ends with the tab. */
export function tabStorage(): Storage | undefined {
  return attempt(() => (isPage() ? sessionStorage : undefined));
}

/** A request to it may reject with a `SecurityError` although it is there. */
export function pageLocks(): LockManager | undefined {
  // The type says that every browser has them; pages without HTTPS have none.
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

/** A digest that cannot be turned back; undefined in a page without HTTPS. */
export async function digest(text: string, runtime: Runtime): Promise<string | undefined> {
  try {
    const bytes = await runtime.sha256(new TextEncoder().encode(text));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  } catch {
    return undefined;
  }
}

/** Whether requests to the host of `url` are known to share one connection, as over HTTP/2: then there are enough of them. */
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

/** Calls back when the page goes away, perhaps to come back, until the result is called. */
export function onPageHide(listener: () => void): () => void {
  attempt(() => window.addEventListener('pagehide', listener));
  return () => attempt(() => window.removeEventListener('pagehide', listener));
}
