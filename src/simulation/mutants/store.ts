// Mutants of the channel: what Redis decides, and how its replies are read.

import type { Mutant } from './mutant.ts';

const channel = 'src/channel/upstash/channel.ts';

/** The mutants of the channel. */
export const storeMutants: readonly Mutant[] = [
  {
    name: 'no fencing',
    file: channel,
    from: `if (decodeEntries(newest)[0]?.id === closedId) return 'closed';`,
    to: ``,
  },
  {
    name: 'two requests reserve the same send',
    file: channel,
    from: `.set(keys.send(key), runId, { nx: true, ex: 60 })`,
    to: `.set(keys.send(key), runId, { ex: 60 })`,
  },
  {
    name: 'the transaction of a reservation is taken apart',
    file: channel,
    from: `const transaction = redis
        .multi()
        .set(keys.send(key)`,
    to: `const transaction = redis
        .pipeline()
        .set(keys.send(key)`,
  },
  {
    name: 'a stale replica is taken for a log that is gone',
    file: channel,
    from: `const all = await reader.read({ ...logOf(keys), fresh: true }, '-');`,
    to: `const all = await reader.read(logOf(keys), '-');`,
  },
  {
    name: 'fresh reads come from a replica',
    file: 'src/channel/upstash/reading.ts',
    from: `if (!fresh) return`,
    to: `if (!fresh || true) return`,
  },
  {
    name: 'a lease without an end',
    file: channel,
    from: `pipeline.set(keys.lease(change.runId), 'running', { px: change.ms });`,
    to: `pipeline.set(keys.lease(change.runId), 'running');`,
  },
  {
    name: 'a lapsed lease is renewed without a word',
    file: channel,
    from: `return 'lapsed';`,
    to: `return 'running';`,
  },
  {
    name: 'later batches create the stream of a run',
    file: channel,
    from: `request.xadd(stream, id, entry, { nomkStream: true });`,
    to: `request.xadd(stream, id, entry);`,
  },
  {
    name: 'chunks that are gone count as stored',
    file: channel,
    from: `return added.result === null ? 'gone' : 'added';`,
    to: `return 'added';`,
  },
  {
    name: 'a run is read with gaps',
    file: channel,
    from: `if (known < 0) break;
        chunks.push(...batch.slice(known));`,
    to: `chunks.push(...batch.slice(Math.max(0, known)));`,
  },
  {
    name: 'an entry that is written twice is read twice from the run',
    file: channel,
    from: `chunks.push(...batch.slice(known));`,
    to: `chunks.push(...batch);`,
  },
  {
    name: 'chunks are published before they are stored',
    file: channel,
    from: 'const added = await add(keys, runId, `${from + chunks.length}-0`, chunks, from === 0);',
    to:
      "const early = encodeValue({ type: 'chunks', runId, from, chunks } satisfies Wake);\n" +
      'await ask(redis.publish(keys.channel, early));\n' +
      'const added = await add(keys, runId, `${from + chunks.length}-0`, chunks, from === 0);',
  },
  {
    name: 'a deletion that is applied late removes what came later',
    file: channel,
    from: `.xtrim(keys.log, { strategy: 'MINID', exactness: '=', threshold: fence })`,
    to: `.del(keys.log)`,
  },
  {
    name: 'an entry that ends something creates a session',
    file: channel,
    from: `const nomkStream = existing ?? (lease?.type === 'stop' || lease?.type === 'release');`,
    to: `const nomkStream = false;`,
  },
  {
    name: 'a claim without an end',
    file: channel,
    from: `{ nx: true, px: ms }).get(key);`,
    to: `{ nx: true }).get(key);`,
  },
  {
    name: 'a refused closing counts as the own one',
    file: channel,
    from: `if (added === 'added') return closure;
      const [winner]`,
    to: `return closure;
      const [winner]`,
  },
  {
    name: 'the end of a subscription is not noticed',
    file: 'src/channel/upstash/subscription.ts',
    from: `throw new Error('The subscription has ended.');`,
    to: ``,
  },
  {
    name: 'a request without a reply is awaited for ever',
    file: channel,
    from: `const ask = <T>(request: Promise<T>) => within(runtime, timeoutMs, request);`,
    to: `const ask = <T>(request: Promise<T>) => within(runtime, timeoutMs * 1e6, request);`,
  },
];
