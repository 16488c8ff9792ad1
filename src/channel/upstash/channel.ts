// Sessions in Upstash Redis, on Redis Streams. The one file that knows `@upstash/redis`.
//
// A run's stream has explicit ids: the batch that brings the run to n chunks is `n-0`. A batch written twice
// is refused as "equal or smaller", which means stored; a closed run has an entry with the highest id, so
// that Redis itself refuses every later write. No script is needed.
//
// A plain read may be answered by a replica that is behind. What decides something is read in a transaction, which
// never is.

import { Redis } from '@upstash/redis';
import type { UIMessageChunk } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import type { LogEntry, NewEntry } from '../../protocol/frames.ts';
import type { Channel, Closure, LeaseChange, Subscription, Wake } from '../channel.ts';
import { decodeEntries, decodeValue, encodeValue, type StreamEntry } from './codec.ts';
import { keysOf as sessionKeys, type SessionKeys } from './keys.ts';
import { subscribeTo } from './subscription.ts';

/** Either a client of your own, or where to find the database. */
export type UpstashChannelOptions = (
  | { readonly redis: Redis }
  | {
      /** Default: `UPSTASH_REDIS_REST_URL`, then `KV_REST_API_URL`. */
      readonly url?: string;
      /** Default: `UPSTASH_REDIS_REST_TOKEN`, then `KV_REST_API_TOKEN`. */
      readonly token?: string;
    }
) & {
  /** What every key and pub/sub channel begins with. Default `dc`. */
  readonly prefix?: string;
  /** How long a session is kept after its last send, in seconds. Default 7 days. */
  readonly ttl?: number;
  /** How long one request may take before it counts as failed, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
};

const closedId = '9007199254740991-0';
const pageSize = 1000;
/** Above this a wake-up only says that there is more: one line over 1 MB would end the subscription. */
const maxWakeLength = 200_000;

/** A channel on Upstash Redis, over its REST API. Throws `config` when it is not told where. */
export function upstashChannel(options: UpstashChannelOptions = {}): Channel {
  const { prefix = 'dc', ttl = 7 * 24 * 3600, timeoutMs = 10_000 } = options;
  const redis = 'redis' in options ? options.redis : connect(options, timeoutMs);
  /** A client that was given to us may wait for ever. */
  const ask = <T>(request: Promise<T>) => within(timeoutMs, request);
  const keysOf = (session: string) => sessionKeys(prefix, session);

  /** The entries of a stream from `start` on, as XRANGE understands it. */
  async function readAll(key: string, start: string): Promise<StreamEntry[]> {
    const entries: StreamEntry[] = [];
    for (let from = start; ;) {
      const page = decodeEntries(await ask(redis.xrange(key, from, '+', pageSize)));
      entries.push(...page);
      if (page.length < pageSize) return entries;
      from = after(page.at(-1)!.id);
    }
  }

  /** The page that XRANGE answered with, and what follows it. */
  async function readRest(key: string, answer: unknown): Promise<StreamEntry[]> {
    const page = decodeEntries(answer);
    return page.length < pageSize ? page : [...page, ...(await readAll(key, after(page.at(-1)!.id)))];
  }

  function changeLease(
    pipeline: ReturnType<Redis['pipeline']>,
    keys: SessionKeys,
    change: LeaseChange,
  ): void {
    if (change.type === 'take') pipeline.set(keys.lease(change.run), 'running', { px: change.ms });
    else if (change.type === 'stop')
      pipeline.set(keys.lease(change.run), 'stop', { xx: true, keepTtl: true });
    else if (change.key === undefined) pipeline.del(keys.lease(change.run));
    else pipeline.del(keys.lease(change.run), keys.send(change.key));
  }

  return scrubErrors({
    async claim(session, key, run) {
      const keys = keysOf(session);
      const transaction = redis
        .multi()
        .set(keys.send(key), run, { nx: true, ex: 60 })
        .get(keys.send(key))
        .xrange(keys.log, '-', '+', pageSize);
      const [, winner, log] = await ask(transaction.exec<[unknown, string | null, unknown]>());
      return { run: winner ?? run, entries: (await readRest(keys.log, log)).map(toLogEntry) };
    },

    async hold(session, name, holder, ms) {
      const key = keysOf(session).hold(name);
      const transaction = redis.multi().set(key, encodeValue(holder), { nx: true, px: ms }).get(key);
      const [taken, current] = await ask(transaction.exec<[unknown, string | null]>());
      const held = current === null ? holder : decodeValue<string>(current);
      if (taken === null && held === holder) await ask(redis.pexpire(key, ms));
      return held;
    },

    async unclaim(session, key) {
      await ask(redis.del(keysOf(session).send(key)));
    },

    async readLog(session, from) {
      const { log } = keysOf(session);
      const entries = await readAll(log, from === '' ? '-' : from);
      if (from === '' || entries[0]?.id === from) return entries.map(toLogEntry);
      // Gone, or read from a replica that is behind: a transaction that writes is not.
      const transaction = redis.multi().expire(log, ttl).xrange(log, '-', '+', pageSize);
      const all = await readRest(log, (await ask(transaction.exec<unknown[]>())).at(-1));
      return all
        .slice(
          Math.max(
            0,
            all.findIndex(({ id }) => id === from),
          ),
        )
        .map(toLogEntry);
    },

    async append(session, entry, { after: known, lease, existing }) {
      const keys = keysOf(session);
      // What only ends something does not begin a session anew that is gone.
      const nomkStream = existing ?? (lease?.type === 'stop' || lease?.type === 'release');
      const transaction = redis.multi();
      if (lease) changeLease(transaction, keys, lease);
      transaction
        .xadd(keys.log, '*', { v: encodeValue(entry) }, { nomkStream })
        .publish(keys.channel, encodeValue({ type: 'log', key: entry.key } satisfies Wake));
      if (!nomkStream) transaction.expire(keys.log, ttl);
      if (known === undefined) {
        await ask(transaction.exec());
        return [];
      }
      transaction.xrange(keys.log, after(known), '+', pageSize);
      const answer = (await ask(transaction.exec<unknown[]>())).at(-1);
      return (await readRest(keys.log, answer)).map(toLogEntry);
    },

    async write(session, run, from, chunks) {
      const keys = keysOf(session);
      const wake = encodeValue({ type: 'chunks', run, from, chunks } satisfies Wake);
      // What Redis refuses before it runs it, such as anything that needs memory it has not got, is refused with
      // all of its transaction: nobody hears of chunks that were not stored.
      const transaction = redis
        .multi()
        .xadd(keys.run(run), `${from + chunks.length}-0`, { v: encodeValue(chunks) })
        .publish(
          keys.channel,
          wake.length > maxWakeLength ? encodeValue({ type: 'run', run } satisfies Wake) : wake,
        );
      if (from === 0) transaction.expire(keys.run(run), ttl);
      const [added] = await ask(transaction.exec<unknown[]>({ keepErrors: true }));
      if (!added?.error) return 'stored';
      if (!isRefusal(added.error)) throw new Error('XADD failed');
      // Refused: either this very batch is there already, or the run was closed.
      const [newest] = await ask(redis.multi().xrevrange(keys.run(run), '+', '-', 1).exec<[unknown]>());
      return decodeEntries(newest)[0]?.id === closedId ? 'closed' : 'stored';
    },

    async close(session, run, closure, { fence = false, written = false } = {}) {
      const keys = keysOf(session);
      // Atomic, so that no refused write's wake-up can be heard between the closing and the word of it.
      const transaction = redis.multi().xadd(keys.run(run), closedId, { v: encodeValue(closure) });
      if (fence) transaction.publish(keys.channel, encodeValue({ type: 'closed', run } satisfies Wake));
      if (!written) transaction.expire(keys.run(run), ttl);
      const [added] = await ask(transaction.exec<unknown[]>({ keepErrors: true }));
      if (!added?.error) return closure;
      if (!isRefusal(added.error)) throw new Error('XADD failed');
      const [winner] = decodeEntries(await ask(redis.xrange(keys.run(run), closedId, closedId)));
      if (!winner) throw new Error('the closing entry is not there yet');
      return decodeValue<Closure>(winner.value);
    },

    async readRun(session, run, from) {
      const entries = await readAll(keysOf(session).run(run), after(from === 0 ? '' : `${from}-0`));
      const closing = entries.at(-1)?.id === closedId ? entries.pop() : undefined;
      const chunks: UIMessageChunk[] = [];
      for (const { id, value } of entries) {
        const batch = decodeValue<UIMessageChunk[]>(value);
        // A batch can begin before `from`, and never after what was read so far.
        chunks.push(...batch.slice(from + chunks.length - (Number.parseInt(id, 10) - batch.length)));
      }
      return { chunks, ...(closing && { closure: decodeValue<Closure>(closing.value) }) };
    },

    async delete(session, closed = []) {
      const keys = keysOf(session);
      const entries = (await readAll(keys.log, '-')).map(toLogEntry);
      const starts = entries.flatMap(({ frames }) => frames.filter((frame) => frame.type === 'run-start'));
      const names = starts.flatMap(({ run, send }) => [
        keys.lease(run),
        ...(closed.includes(run) ? [] : [keys.run(run)]),
        ...(send ? [keys.send(send.key)] : []),
      ]);
      const transaction = redis.multi();
      for (const run of closed) {
        transaction.xtrim(keys.run(run), { strategy: 'MINID', exactness: '=', threshold: closedId });
      }
      transaction
        .del(keys.log, ...names)
        .publish(keys.channel, encodeValue({ type: 'deleted' } satisfies Wake));
      await ask(transaction.exec());
    },

    async heartbeat(session, run, ms) {
      const key = keysOf(session).lease(run);
      // The mark of a stop stays: this answer may be lost.
      const lease = await ask(redis.getex<string>(key, { px: ms }));
      if (lease !== null) return lease === 'stop' ? 'stop' : 'running';
      await ask(redis.set(key, 'running', { px: ms }));
      return 'lapsed';
    },

    async alive(session, runs) {
      if (runs.length === 0) return [];
      const keys = keysOf(session);
      const transaction = redis.multi().mget(runs.map(keys.lease));
      const [leases] = await ask(transaction.exec<[unknown[]]>());
      return leases.map((lease) => lease !== null);
    },

    async subscribe(session, onWake): Promise<Subscription> {
      return subscribeTo(redis, keysOf(session).channel, (value) => onWake(decodeValue<Wake>(value)));
    },
  });
}

/** Where XRANGE begins behind an entry; '' stands before all. */
function after(id: string): string {
  return id === '' ? '-' : `(${id}`;
}

function toLogEntry({ id, value }: StreamEntry): LogEntry {
  return { id, ...decodeValue<NewEntry>(value) };
}

function isRefusal(error: string): boolean {
  return error.includes('equal or smaller');
}

function connect(given: { readonly url?: string; readonly token?: string }, timeoutMs: number): Redis {
  const env = typeof process === 'undefined' ? {} : process.env;
  // The first complete pair: never the address of one database with the token of another.
  const pairs = [
    [given.url, given.token],
    [env['UPSTASH_REDIS_REST_URL'], env['UPSTASH_REDIS_REST_TOKEN']],
    [env['KV_REST_API_URL'], env['KV_REST_API_TOKEN']],
  ];
  const [address, secret] = pairs.find(([url, token]) => url && token) ?? [];
  if (!address || !secret) {
    throw new DurableChatError(
      'config',
      'upstashChannel needs a database: set UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN ' +
        '(or KV_REST_API_URL and KV_REST_API_TOKEN), or pass { redis } or { url, token }.',
    );
  }
  return new Redis({
    url: address,
    token: secret,
    automaticDeserialization: false,
    enableAutoPipelining: false,
    enableTelemetry: false,
    // Ends a request that nobody waits for any more; subscriptions have a signal of their own.
    signal: () => AbortSignal.timeout(timeoutMs),
  });
}

/** Rejects when the answer has not come in time, whatever becomes of the request. */
async function within<T>(ms: number, request: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DOMException('No answer in time.', 'TimeoutError')), ms);
  });
  try {
    return await Promise.race([request, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The client's errors quote the whole command, chat text and all: none of that may leave this file. */
function scrubErrors(channel: Channel): Channel {
  const wrap =
    <A extends unknown[], R>(name: string, method: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      try {
        return await method(...args);
      } catch (error) {
        if (error instanceof DurableChatError) throw error;
        const kind = error instanceof Error ? error.name : typeof error;
        throw new DurableChatError('store_failed', `The store failed to ${name} (${kind}). Try again.`);
      }
    };
  return Object.fromEntries(
    Object.entries(channel).map(([name, method]) => [name, wrap(name, method as never)]),
  ) as unknown as Channel; // the same methods under the same names
}
