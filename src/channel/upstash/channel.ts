// Sessions in Upstash Redis, on Redis Streams.
//
// A run's stream has explicit ids: the batch that brings the run to n chunks is `n-0`. Redis refuses a batch that is
// written twice as "equal or smaller", which means that it is stored. A closed run has an entry with the highest id, so
// that Redis itself refuses every later write. Only a run's first batch and its closing create the stream and set its
// expiry. A later batch that finds no stream means that the run's chunks are gone. No script is needed.
//
// A plain read can come from a stale replica. Every read that decides something is in a transaction, which is never
// served by a replica.

import type { Redis } from '@upstash/redis';
import type { UIMessageChunk } from 'ai';
import { systemRuntime, type Runtime } from '../../lib/runtime.ts';
import { deletedEntry, startedBy, unendedRuns, versioned, type LogEntry } from '../../protocol/entries.ts';
import { checkEntry } from '../../protocol/size.ts';
import type { Channel, LeaseChange, Subscription, Wake } from '../channel.ts';
import {
  decodeBatch,
  decodeClosure,
  decodeEntries,
  decodeValue,
  encodeValue,
  type StreamEntry,
} from './codec.ts';
import { connect, type UpstashChannelOptions } from './connect.ts';
import { scrubErrors, within } from './failures.ts';
import { keysOf as sessionKeys, type SessionKeys } from './keys.ts';
import { after, createReader, pageSize, type Reading } from './reading.ts';
import { subscribeTo } from './subscription.ts';
import { createWakeUps } from './wake-ups.ts';

/** How often a deletion is tried while other entries come first. */
const mostTries = 10;
const closedId = '9007199254740991-0';
/** A longer wake-up carries no chunks, only their count: a line over 1 MB would end the subscription. */
const maxWakeLength = 200_000;

/**
 * A channel on Upstash Redis, over its REST API.
 *
 * @param options The database, and how sessions are kept in it. Every option has a default.
 * @param runtime Timers, for tests that simulate time.
 * @returns The channel, for the option `channel` of `createDurableChat` and `durableRoute`.
 * @throws DurableChatError `config` if neither the options nor the environment name a database.
 *
 * @example
 * ```ts
 * const channel = upstashChannel({ url: 'https://example.upstash.io', token: 'secret' });
 * ```
 */
export function upstashChannel(
  options: UpstashChannelOptions = {},
  runtime: Runtime = systemRuntime,
): Channel {
  const { prefix = 'dc', ttl = 7 * 24 * 3600, timeoutMs = 10_000 } = options;
  const redis = 'redis' in options ? options.redis : connect(runtime, options, timeoutMs);
  /** The app's own client may have no timeout. */
  const ask = <T>(request: Promise<T>) => within(runtime, timeoutMs, request);
  const keysOf = (sessionId: string) => sessionKeys(prefix, sessionId);

  const wakeUps = createWakeUps(runtime, (channel, values) => {
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
   * Adds an entry to a run's stream. With `begins`, it creates the stream and sets its expiry. Otherwise it publishes the
   * waiting wake-ups too, and returns `gone` if there is no stream.
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
    const replies = await ask(request.exec<unknown[]>({ keepErrors: true }));
    const added = replies.at(begins ? 0 : -1);
    if (added?.error?.includes('equal or smaller')) return 'refused';
    if (!added || added.error) throw new Error('XADD failed');
    return added.result === null ? 'gone' : 'added';
  }

  /**
   * Writes the entry of a deletion directly after the entries that it has read. Redis refuses its id if the log has newer
   * entries, so that a deletion that is applied late removes nothing that came later.
   */
  async function fenceOff(keys: SessionKeys): Promise<{ entries: LogEntry[]; fence: string }> {
    for (let tries = 0; tries < mostTries; tries++) {
      const entries = (await reader.read({ ...logOf(keys), fresh: true }, '-')).map(toLogEntry);
      const fence = nextId(entries.at(-1)?.id);
      const request = redis.multi().xadd(keys.log, fence, { v: encodeValue(deletedEntry) });
      const [added] = await ask(request.expire(keys.log, ttl).exec<unknown[]>({ keepErrors: true }));
      if (added && !added.error) return { entries, fence };
    }
    throw new Error('other entries came first each time');
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

    async claim(sessionId, name, holder, ms) {
      const key = keysOf(sessionId).claim(name);
      const transaction = redis.multi().set(key, encodeValue(holder), { nx: true, px: ms }).get(key);
      const [taken, current] = await ask(transaction.exec<[unknown, string | null]>());
      const owner = current === null ? holder : decodeValue<string>(current);
      if (taken === null && owner === holder) await ask(redis.pexpire(key, ms));
      return owner;
    },

    async release(sessionId, key) {
      await ask(redis.del(keysOf(sessionId).send(key)));
    },

    async readLog(sessionId, from, { fresh = false } = {}) {
      const keys = keysOf(sessionId);
      const entries = await reader.read({ ...logOf(keys), fresh }, from === '' ? '-' : from);
      if (from === '' || entries[0]?.id === from) return entries.map(toLogEntry);
      // The log is gone, or the replica is stale.
      const all = await reader.read({ ...logOf(keys), fresh: true }, '-');
      const index = all.findIndex(({ id }) => id === from);
      return all.slice(Math.max(0, index)).map(toLogEntry);
    },

    async append(sessionId, entry, { after: known, lease, existing }) {
      const keys = keysOf(sessionId);
      const value = encodeValue(versioned(entry));
      checkEntry(value);
      // An entry that only ends something must not create a session that is gone.
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
      const reply = (await ask(transaction.exec<unknown[]>())).at(-1);
      return (await reader.goOn(logOf(keys), reply)).map(toLogEntry);
    },

    async write(sessionId, runId, from, chunks) {
      const keys = keysOf(sessionId);
      const added = await add(keys, runId, `${from + chunks.length}-0`, chunks, from === 0);
      if (added === 'gone') return 'gone';
      if (added === 'refused') {
        // The stream already has this batch, or the run was closed.
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
      return decodeClosure(winner.value);
    },

    async readRun(sessionId, runId, from, { fresh = false } = {}) {
      const { none, ...keys } = keysOf(sessionId);
      const start = after(from === 0 ? '' : `${from}-0`);
      const entries = await reader.read({ key: keys.run(runId), none, fresh }, start);
      const closing = entries.at(-1)?.id === closedId ? entries.pop() : undefined;
      const chunks: UIMessageChunk[] = [];
      for (const { id, value } of entries) {
        const batch = decodeBatch(value);
        // How many of its chunks are already read. Below 0, chunks before this batch are missing.
        const known = from + chunks.length - (Number.parseInt(id, 10) - batch.length);
        if (known < 0) break;
        chunks.push(...batch.slice(known));
      }
      return { chunks, ...(closing && { closure: decodeClosure(closing.value) }) };
    },

    async delete(sessionId) {
      const keys = keysOf(sessionId);
      const { entries, fence } = await fenceOff(keys);
      // From now on Redis refuses the writes of their producers, also one that would create the stream.
      const closed = unendedRuns(entries);
      await Promise.all(closed.map((runId) => add(keys, runId, closedId, { reason: 'stop' }, true)));
      const sends = entries.flatMap(({ frames }) =>
        frames.flatMap((frame) => (frame.type === 'run-start' && frame.send ? frame.send.key : [])),
      );
      const names = [
        // Runs of other versions, too: what is deleted must not stay until it expires.
        ...entries
          .flatMap((entry) => startedBy(entry) ?? [])
          .flatMap((runId) => [keys.lease(runId), ...(closed.includes(runId) ? [] : [keys.run(runId)])]),
        ...sends.map(keys.send),
      ];
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
      // The mark of a stop stays, because this reply can be lost.
      const lease = await ask(redis.getex<string>(key, { px: ms }));
      if (lease !== null) return lease === 'stop' ? 'stop' : 'running';
      await ask(redis.set(key, 'running', { px: ms }));
      return 'lapsed';
    },

    async leases(sessionId, runs) {
      if (runs.length === 0) return [];
      const keys = keysOf(sessionId);
      const transaction = redis.multi();
      for (const runId of runs) transaction.pttl(keys.lease(runId));
      // Below 0 there is none.
      return (await ask(transaction.exec<number[]>())).map((ms) => Math.max(0, ms));
    },

    async subscribe(sessionId, onWake, onEnd = () => {}): Promise<Subscription> {
      const onValue = (value: string) => onWake(decodeValue<Wake>(value));
      return subscribeTo({ runtime, redis, channel: keysOf(sessionId).channel, onValue, onEnd });
    },
  });
}

/** The smallest id after this one. */
function nextId(id = '0-0'): string {
  const [time, sequence] = id.split('-');
  return `${time}-${Number(sequence) + 1}`;
}

function logOf({ log, none }: SessionKeys): Reading {
  return { key: log, none };
}

function toLogEntry({ id, value }: StreamEntry): LogEntry {
  return { ...decodeValue<Omit<LogEntry, 'id'>>(value), id };
}
