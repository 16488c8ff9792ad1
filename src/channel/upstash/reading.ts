// Reads of streams. A plain one may be answered by a replica that is behind; a fresh one is not.

import type { Redis } from '@upstash/redis';
import { decodeEntries, type StreamEntry } from './codec.ts';

export interface Reading {
  readonly key: string;
  /** A key of the same shard that is never there. */
  readonly none: string;
  readonly fresh?: boolean;
}

export interface Reader {
  /** The entries of a stream from `start` on, as XRANGE understands it. */
  read(what: Reading, start: string): Promise<StreamEntry[]>;
  /** What XRANGE answered with, and what follows it. */
  goOn(what: Reading, answer: unknown): Promise<StreamEntry[]>;
}

/** As many entries are asked for at once. */
export const pageSize = 1000;

export function createReader(redis: Redis, ask: <T>(request: Promise<T>) => Promise<T>): Reader {
  async function page({ key, none, fresh = false }: Reading, start: string): Promise<unknown> {
    if (!fresh) return ask(redis.xrange(key, start, '+', pageSize));
    // A transaction that writes, be it nothing, is not answered by a replica.
    const transaction = redis.multi().del(none).xrange(key, start, '+', pageSize);
    return (await ask(transaction.exec<unknown[]>())).at(-1);
  }

  async function goOn(what: Reading, answer: unknown): Promise<StreamEntry[]> {
    let last = decodeEntries(answer);
    const entries = [...last];
    while (last.length === pageSize) {
      last = decodeEntries(await page(what, after(last.at(-1)!.id)));
      entries.push(...last);
    }
    return entries;
  }

  return { goOn, read: async (what, start) => goOn(what, await page(what, start)) };
}

/** Where XRANGE begins behind an entry; '' stands before all. */
export function after(id: string): string {
  return id === '' ? '-' : `(${id}`;
}
