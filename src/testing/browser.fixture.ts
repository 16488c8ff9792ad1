// What a browser gives to its pages and Node does not: locks, a document, the page's events, a storage.

import { vi } from 'vitest';

type Callback = (lock: object | null) => unknown;

interface Waiting {
  readonly grant: () => void;
}

/** Exclusive Web Locks, as far as they are used here. https://w3c.github.io/web-locks/ */
export function createLocks(): Pick<LockManager, 'request'> {
  const held = new Set<string>();
  const queues = new Map<string, Waiting[]>();

  async function hold(name: string, callback: Callback): Promise<unknown> {
    held.add(name);
    try {
      return await callback({ name, mode: 'exclusive' });
    } finally {
      held.delete(name);
      queues.get(name)?.shift()?.grant();
    }
  }

  async function request(
    name: string,
    { ifAvailable, signal }: { ifAvailable?: boolean; signal?: AbortSignal },
    callback: Callback,
  ): Promise<unknown> {
    // Nothing is granted within the call that asks.
    await new Promise((resolve) => setTimeout(resolve, 0));
    signal?.throwIfAborted();
    if (!held.has(name)) return hold(name, callback);
    if (ifAvailable) return callback(null);
    const queue = queues.get(name) ?? [];
    queues.set(name, queue);
    return new Promise((resolve, reject) => {
      const waiting = { grant: () => void hold(name, callback).then(resolve, reject) };
      queue.push(waiting);
      signal?.addEventListener('abort', () => {
        const index = queue.indexOf(waiting);
        if (index === -1) return;
        queue.splice(index, 1);
        reject(signal.reason as Error);
      });
    });
  }

  return { request: request as LockManager['request'] }; // its overloads say no more
}

export interface Page {
  hide(): void;
  show(): void;
  goOffline(): void;
  goOnline(): void;
}

/** Makes this process a page with other tabs in it; `vi.unstubAllGlobals()` ends that. */
export function stubPage({ locks }: { readonly locks?: Pick<LockManager, 'request'> } = {}): Page {
  const document = Object.assign(new EventTarget(), { hidden: false });
  const navigator = { onLine: true, ...(locks && { locks }) };
  const window = new EventTarget();
  vi.stubGlobal('document', document);
  vi.stubGlobal('navigator', navigator);
  vi.stubGlobal('window', window);
  const turn = (hidden: boolean) => {
    document.hidden = hidden;
    document.dispatchEvent(new Event('visibilitychange'));
  };
  const connect = (onLine: boolean) => {
    navigator.onLine = onLine;
    window.dispatchEvent(new Event(onLine ? 'online' : 'offline'));
  };
  return {
    hide: () => turn(true),
    show: () => turn(false),
    goOffline: () => connect(false),
    goOnline: () => connect(true),
  };
}

/** A `Storage` of its own. */
export function createStorage(
  entries: Iterable<readonly [string, string]> = [],
): Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> & { readonly entries: ReadonlyMap<string, string> } {
  const map = new Map(entries);
  return {
    entries: map,
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => void map.set(key, value),
    removeItem: (key) => void map.delete(key),
  };
}
