// Reads of streams. A plain read can come from a stale replica; a fresh read cannot.

import type { Redis } from '@upstash/redis';
import { decodeEntries, type StreamEntry } from './codec.ts';

/** Which stream is read, and how. */
export interface Reading {
  readonly key: string;
  /** A key of the same shard that never exists. */
  readonly none: string;
  readonly fresh?: boolean;
}

/** Reads whole streams, page by page. */
export interface Reader {
  /** The entries of a stream from `start` on, in the syntax of XRANGE. */
  read(what: Reading, start: string): Promise<StreamEntry[]>;
  /** The entries of a reply to XRANGE, and all that follow them. */
  goOn(what: Reading, reply: unknown): Promise<StreamEntry[]>;
}

/** How many entries one request reads. */
export const pageSize = 1000;

/** A reader of streams. `ask` gives each of its requests the time limit and the errors of the channel. */
export function createReader(redis: Redis, ask: <T>(request: Promise<T>) => Promise<T>): Reader {
  async function page({ key, none, fresh = false }: Reading, start: string): Promise<unknown> {
    if (!fresh) return ask(redis.xrange(key, start, '+', pageSize));
    // A replica does not serve a transaction with a write, even if the write changes nothing.
    const transaction = redis.multi().del(none).xrange(key, start, '+', pageSize);
    return (await ask(transaction.exec<unknown[]>())).at(-1);
  }

  async function goOn(what: Reading, reply: unknown): Promise<StreamEntry[]> {
    let last = decodeEntries(reply);
    const entries = [...last];
    while (last.length === pageSize) {
      last = decodeEntries(await page(what, after(last.at(-1)!.id)));
      entries.push(...last);
    }
    return entries;
  }

  return { goOn, read: async (what, start) => goOn(what, await page(what, start)) };
}

/** The start of an XRANGE after the entry `id`; '' means from the beginning. */
export function after(id: string): string {
  return id === '' ? '-' : `(${id}`;
}
