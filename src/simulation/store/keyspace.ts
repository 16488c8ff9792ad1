// The keys of a simulated Redis. A value is never changed, only replaced, so that a replica can keep it.

import type { StreamId } from './stream-id.ts';

/** An entry of a stream. */
export interface StreamEntry {
  readonly id: StreamId;
  /** Field, value, field, value, … */
  readonly fields: readonly string[];
}

/** What a key holds. */
export type Value =
  | { readonly type: 'string'; readonly text: string }
  /** A stream stays when its last entry is removed, and so does its newest id. */
  | { readonly type: 'stream'; readonly entries: readonly StreamEntry[]; readonly newest: StreamId };

/** A value, and how long it lives. */
export interface Item {
  readonly value: Value;
  /** On the store's clock. */
  readonly expiresAt?: number;
}

/** The keys with their items. */
export interface Keyspace {
  /** The store's time in milliseconds since 1970. */
  now(): number;
  read(key: string): Item | undefined;
  /** Without an item, the key is deleted. */
  write(key: string, item: Item | undefined): void;
  /** The keys that have not expired, in the order of their creation. */
  keys(): string[];
}

/**
 * @param now The store's clock. It can be set back.
 * @param items What is there at the beginning.
 * @param onWrite Called for each write, for replicas.
 * @returns The keys. An expired one is not there.
 */
export function createKeyspace(
  now: () => number,
  items: Map<string, Item>,
  onWrite: (key: string, item: Item | undefined) => void = () => {},
): Keyspace {
  function write(key: string, item: Item | undefined): void {
    if (item) items.set(key, item);
    else items.delete(key);
    onWrite(key, item);
  }

  function read(key: string): Item | undefined {
    const item = items.get(key);
    // In its last millisecond a key still exists. A key that was found to be expired is deleted, as in Redis: a clock
    // that is set back does not restore it.
    if (item?.expiresAt === undefined || now() <= item.expiresAt) return item;
    write(key, undefined);
    return undefined;
  }

  return { now, read, write, keys: () => [...items.keys()].filter(read) };
}
