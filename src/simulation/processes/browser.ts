// A browser: its pages share locks, channels and the kind of their connections. Each tab has a storage, which survives a
// reload.

import type { Process } from '../world/process.ts';
import { Locks } from './locks.ts';

/**
 * - `http1`: connections are scarce, and pages share one subscription.
 * - `http2`: connections are not scarce.
 * - `insecure`: a page without HTTPS: it has no locks and no digest.
 * - `none`: no page at all, as in a program of Node.
 */
export type BrowserKind = 'http1' | 'http2' | 'insecure' | 'none';

/** What a tab keeps over a reload. */
export type Storage = Map<string, string>;

type Listener = (event: { readonly data: unknown }) => void;

interface Channel {
  readonly name: string;
  readonly process: Process;
  readonly listeners: Listener[];
  /** When the last message reaches it: messages keep their order. */
  lastAt: number;
}

const address = 'http://app.test/';

/** One browser. */
export class Browser {
  readonly kind: BrowserKind;
  readonly #locks = new Locks();
  readonly #channels = new Set<Channel>();

  constructor(kind: BrowserKind) {
    this.kind = kind;
  }

  /** What a page sees of it. */
  open(process: Process, storage: Storage): Tab | undefined {
    if (this.kind === 'none') return undefined;
    return new Tab(process, {
      location: { href: address },
      navigator: { onLine: true, ...(this.kind !== 'insecure' && { locks: this.#locks.for(process) }) },
      BroadcastChannel: this.#channelsOf(process),
      sessionStorage: {
        getItem: (key: string) => storage.get(key) ?? null,
        setItem: (key: string, value: string) => void storage.set(key, value),
        removeItem: (key: string) => void storage.delete(key),
      },
      performance: {
        now: () => process.runtime.monotonic(),
        getEntriesByType: () => (this.kind === 'http2' ? [{ name: address, nextHopProtocol: 'h2' }] : []),
      },
    });
  }

  /** The class `BroadcastChannel` of a page. */
  #channelsOf(process: Process): unknown {
    const all = this.#channels;
    process.onDeath(() => {
      for (const channel of all) if (channel.process === process) all.delete(channel);
    });
    return class {
      readonly #channel: Channel;
      constructor(name: string) {
        this.#channel = { name, process, listeners: [], lastAt: 0 };
        all.add(this.#channel);
      }
      addEventListener(_: string, listener: Listener): void {
        this.#channel.listeners.push(listener);
      }
      postMessage(value: unknown): void {
        for (const other of all) {
          if (other === this.#channel || other.name !== this.#channel.name) continue;
          const data: unknown = structuredClone(value);
          const { elapsed, random } = process.world;
          other.lastAt = Math.max(other.lastAt, elapsed + random.int(0, 2));
          process.world.after(other.lastAt - elapsed, () =>
            other.process.enter(() => {
              if (all.has(other)) for (const listener of other.listeners) listener({ data });
            }),
          );
        }
      }
      close(): void {
        all.delete(this.#channel);
      }
    };
  }
}

/** The globals that do not depend on the page's state. */
interface Shared {
  readonly navigator: { onLine: boolean };
  readonly [name: string]: unknown;
}

/** A page's own state in its browser. */
export class Tab {
  /** The globals of the page. */
  readonly globals: object;
  readonly #process: Process;
  readonly #document = Object.assign(new EventTarget(), { hidden: false });
  readonly #window = new EventTarget();
  readonly #navigator: { onLine: boolean };

  constructor(process: Process, shared: Shared) {
    this.#process = process;
    this.#navigator = shared.navigator;
    this.globals = { ...shared, document: this.#document, window: this.#window };
  }

  /** The tab is hidden, or shown again. */
  hide(hidden: boolean): void {
    this.#process.world.trace(() => `${this.#process.name} is ${hidden ? 'hidden' : 'shown'}`);
    this.#document.hidden = hidden;
    this.#process.enter(() => this.#document.dispatchEvent(new Event('visibilitychange')));
  }

  /** The browser notices that there is no network, or that it is back. */
  connect(onLine: boolean): void {
    this.#process.world.trace(() => `${this.#process.name} is ${onLine ? 'online' : 'offline'}`);
    this.#navigator.onLine = onLine;
    this.#process.enter(() => this.#window.dispatchEvent(new Event(onLine ? 'online' : 'offline')));
  }

  /** The page is left, as before a reload. */
  unload(): void {
    this.#process.enter(() => this.#window.dispatchEvent(new Event('pagehide')));
  }
}
