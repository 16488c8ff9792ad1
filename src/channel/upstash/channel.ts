// Sessions in Upstash Redis, on Redis Streams. The one file that calls `@upstash/redis`; others import its types.
//
// A run's stream has explicit ids: the batch that brings the run to n chunks is `n-0`. A batch written twice
// is refused as "equal or smaller", which means stored; a closed run has an entry with the highest id, so
// that Redis itself refuses every later write. Only a run's first batch and its closing create the stream, and make
// it expire: a later batch that finds none learns that the run's chunks are gone. No script is needed.
//
// A plain read may be answered by a replica that is behind. What decides something is read in a transaction, which
// never is.

import { Redis } from '@upstash/redis';
import type { UIMessageChunk } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import type { LogEntry, NewEntry } from '../../protocol/frames.ts';
import { deletedEntry } from '../../protocol/log-entry.ts';
import { checkEntry } from '../../protocol/size.ts';
import type { Channel, Closure, LeaseChange, Subscription, Wake } from '../channel.ts';
import { decodeEntries, decodeValue, encodeValue, type StreamEntry } from './codec.ts';
import { scrubErrors, within } from './failures.ts';
import { keysOf as sessionKeys, type SessionKeys } from './keys.ts';
import { after, createReader, pageSize, type Reading } from './reading.ts';
import { subscribeTo } from './subscription.ts';
import { createWakeUps } from './wake-ups.ts';

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

/** How often a deletion is tried that meets other entries at the same moment. */
const mostTries = 10;
const closedId = '9007199254740991-0';
/** Above this a wake-up only says that there is more: one line over 1 MB would end the subscription. */
const maxWakeLength = 200_000;

/** A channel on Upstash Redis, over its REST API. Throws `config` if neither the options nor the environment name a database. */
export function upstashChannel(options: UpstashChannelOptions = {}): Channel {
  const { prefix = 'dc', ttl = 7 * 24 * 3600, timeoutMs = 10_000 } = options;
  const redis = 'redis' in options ? options.redis : connect(options, timeoutMs);
  /** A client that was given to us may wait for ever. */
  const ask = <T>(request: Promise<T>) => within(timeoutMs, request);
  const keysOf = (sessionId: string) => sessionKeys(prefix, sessionId);

  const wakeUps = createWakeUps((channel, values) => {
    const pipeline = redis.pipeline();
    for (const value of values) pipeline.publish(channel, value);
    return ask(pipeline.exec());
  });

  const reader = createReader(redis, ask);

  function changeLease(
    pipeline: ReturnType<Redis['pipeline']>,
    keys: SessionKeys,
    change: LeaseChange,
  ): void {
    if (change.type === 'take') pipeline.set(keys.lease(change.runId), 'running', { px: change.ms });
    else if (change.type === 'stop')
      pipeline.set(keys.lease(change.runId), 'stop', { xx: true, keepTtl: true });
    else if (change.key === undefined) pipeline.del(keys.lease(change.runId));
    else pipeline.del(keys.lease(change.runId), keys.send(change.key));
  }

  /**
   * Adds an entry to a run's stream. One that does not begin the stream takes along what waits to be published, and
   * answers `gone` when there is no stream; one that does makes it expire.
   */
  async function add(
    keys: SessionKeys,
    runId: string,
    id: string,
    value: unknown,
    begins: boolean,
  ): Promise<'added' | 'refused' | 'gone'> {
    const stream = keys.run(runId);
    const entry = { v: encodeValue(value) };
    const request = begins ? redis.multi() : redis.pipeline();
    if (begins) request.xadd(stream, id, entry).expire(stream, ttl);
    else {
      for (const wake of wakeUps.take(keys.channel)) request.publish(keys.channel, wake);
      request.xadd(stream, id, entry, { nomkStream: true });
    }
    const answers = await ask(request.exec<unknown[]>({ keepErrors: true }));
    const added = answers.at(begins ? 0 : -1);
    if (added?.error?.includes('equal or smaller')) return 'refused';
    if (!added || added.error) throw new Error('XADD failed');
    return added.result === null ? 'gone' : 'added';
  }

  /**
   * Writes the mark of a deletion directly behind what it has read: Redis refuses its id where the log has gone on. So a
   * deletion that lands late removes nothing that came later.
   */
  async function fenceOff(keys: SessionKeys): Promise<{ entries: LogEntry[]; fence: string }> {
    for (let tries = 0; tries < mostTries; tries++) {
      const entries = (await reader.read({ ...logOf(keys), fresh: true }, '-')).map(toLogEntry);
      const fence = nextId(entries.at(-1)?.id);
      const request = redis.multi().xadd(keys.log, fence, { v: encodeValue(deletedEntry) });
      const [added] = await ask(request.expire(keys.log, ttl).exec<unknown[]>({ keepErrors: true }));
      if (added && !added.error) return { entries, fence };
    }
    throw new Error('the log goes on faster than it can be deleted');
  }

  return scrubErrors({
    async reserve(sessionId, key, runId) {
      const keys = keysOf(sessionId);
      const transaction = redis
        .multi()
        .set(keys.send(key), runId, { nx: true, ex: 60 })
        .get(keys.send(key))
        .xrange(keys.log, '-', '+', pageSize);
      const [, winner, log] = await ask(transaction.exec<[unknown, string | null, unknown]>());
      return {
        runId: winner ?? runId,
        entries: (await reader.goOn(logOf(keys), log)).map(toLogEntry),
      };
    },

    async hold(sessionId, name, holder, ms) {
      const key = keysOf(sessionId).hold(name);
      const transaction = redis.multi().set(key, encodeValue(holder), { nx: true, px: ms }).get(key);
      const [taken, current] = await ask(transaction.exec<[unknown, string | null]>());
      const held = current === null ? holder : decodeValue<string>(current);
      if (taken === null && held === holder) await ask(redis.pexpire(key, ms));
      return held;
    },

    async release(sessionId, key) {
      await ask(redis.del(keysOf(sessionId).send(key)));
    },

    async readLog(sessionId, from, { fresh = false } = {}) {
      const keys = keysOf(sessionId);
      const entries = await reader.read({ ...logOf(keys), fresh }, from === '' ? '-' : from);
      if (from === '' || entries[0]?.id === from) return entries.map(toLogEntry);
      // Gone, or read from a replica that is behind.
      const all = await reader.read({ ...logOf(keys), fresh: true }, '-');
      const index = all.findIndex(({ id }) => id === from);
      return all.slice(Math.max(0, index)).map(toLogEntry);
    },

    async append(sessionId, entry, { after: known, lease, existing }) {
      const keys = keysOf(sessionId);
      const value = encodeValue(entry);
      checkEntry(value);
      // What only ends something does not begin a session anew that is gone.
      const nomkStream = existing ?? (lease?.type === 'stop' || lease?.type === 'release');
      const transaction = redis.multi();
      if (lease) changeLease(transaction, keys, lease);
      transaction
        .xadd(keys.log, '*', { v: value }, { nomkStream })
        .publish(keys.channel, encodeValue({ type: 'log', key: entry.key } satisfies Wake));
      if (!nomkStream) transaction.expire(keys.log, ttl);
      if (known === undefined) {
        await ask(transaction.exec());
        return [];
      }
      transaction.xrange(keys.log, after(known), '+', pageSize);
      const answer = (await ask(transaction.exec<unknown[]>())).at(-1);
      return (await reader.goOn(logOf(keys), answer)).map(toLogEntry);
    },

    async write(sessionId, runId, from, chunks) {
      const keys = keysOf(sessionId);
      const added = await add(keys, runId, `${from + chunks.length}-0`, chunks, from === 0);
      if (added === 'gone') return 'gone';
      if (added === 'refused') {
        // Either this very batch is there already, or the run was closed.
        const [newest] = await ask(redis.multi().xrevrange(keys.run(runId), '+', '-', 1).exec<[unknown]>());
        if (decodeEntries(newest)[0]?.id === closedId) return 'closed';
      }
      const wake = encodeValue({ type: 'chunks', runId, from, chunks } satisfies Wake);
      const short = { type: 'run', runId, count: from + chunks.length } satisfies Wake;
      wakeUps.add(keys.channel, wake.length > maxWakeLength ? encodeValue(short) : wake);
      return 'stored';
    },

    async close(sessionId, runId, closure, { written = false } = {}) {
      const keys = keysOf(sessionId);
      let added = await add(keys, runId, closedId, closure, !written);
      if (added === 'gone') added = await add(keys, runId, closedId, closure, true);
      if (added === 'added') return closure;
      const [winner] = decodeEntries(await ask(redis.xrange(keys.run(runId), closedId, closedId)));
      if (!winner) throw new Error('the closing entry is not there yet');
      return decodeValue<Closure>(winner.value);
    },

    async readRun(sessionId, runId, from, { fresh = false } = {}) {
      const { none, ...keys } = keysOf(sessionId);
      const start = after(from === 0 ? '' : `${from}-0`);
      const entries = await reader.read({ key: keys.run(runId), none, fresh }, start);
      const closing = entries.at(-1)?.id === closedId ? entries.pop() : undefined;
      const chunks: UIMessageChunk[] = [];
      for (const { id, value } of entries) {
        const batch = decodeValue<UIMessageChunk[]>(value);
        // How many of them come before what is wanted next; none, and then some are missing, below 0.
        const known = from + chunks.length - (Number.parseInt(id, 10) - batch.length);
        if (known < 0) break;
        chunks.push(...batch.slice(known));
      }
      return { chunks, ...(closing && { closure: decodeValue<Closure>(closing.value) }) };
    },

    async delete(sessionId, closed = []) {
      const keys = keysOf(sessionId);
      const { entries, fence } = await fenceOff(keys);
      const starts = entries.flatMap(({ frames }) => frames.filter((frame) => frame.type === 'run-start'));
      const names = starts.flatMap(({ runId, send }) => [
        keys.lease(runId),
        ...(closed.includes(runId) ? [] : [keys.run(runId)]),
        ...(send ? [keys.send(send.key)] : []),
      ]);
      const transaction = redis.multi();
      for (const runId of closed) {
        transaction.xtrim(keys.run(runId), { strategy: 'MINID', exactness: '=', threshold: closedId });
      }
      if (names.length > 0) transaction.del(...names);
      transaction
        .xtrim(keys.log, { strategy: 'MINID', exactness: '=', threshold: fence })
        .publish(keys.channel, encodeValue({ type: 'deleted' } satisfies Wake));
      await ask(transaction.exec());
    },

    async heartbeat(sessionId, runId, ms) {
      const key = keysOf(sessionId).lease(runId);
      // The mark of a stop stays: this answer may be lost.
      const lease = await ask(redis.getex<string>(key, { px: ms }));
      if (lease !== null) return lease === 'stop' ? 'stop' : 'running';
      await ask(redis.set(key, 'running', { px: ms }));
      return 'lapsed';
    },

    async alive(sessionId, runs) {
      if (runs.length === 0) return [];
      const keys = keysOf(sessionId);
      const transaction = redis.multi().mget(runs.map(keys.lease));
      const [leases] = await ask(transaction.exec<[unknown[]]>());
      return leases.map((lease) => lease !== null);
    },

    async subscribe(sessionId, onWake): Promise<Subscription> {
      return subscribeTo(redis, keysOf(sessionId).channel, (value) => onWake(decodeValue<Wake>(value)));
    },
  });
}

/** The smallest id behind this one. */
function nextId(id = '0-0'): string {
  const [time, sequence] = id.split('-');
  return `${time}-${Number(sequence) + 1}`;
}

function logOf({ log, none }: SessionKeys): Reading {
  return { key: log, none };
}

function toLogEntry({ id, value }: StreamEntry): LogEntry {
  return { id, ...decodeValue<NewEntry>(value) };
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
      'upstashChannel needs a database. Set UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN ' +
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
