import { Redis } from '@upstash/redis';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { describeChannel } from '../../channel/conformance.fixture.ts';
import type { Wake } from '../../channel/channel.ts';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import { timeoutSignal } from '../../lib/time.ts';
import { playedWorld } from './played-world.fixture.ts';
import { createRedis } from './redis.ts';
import { createUpstashWay, simulatedToken, simulatedUrl, type WayFault } from './upstash-way.ts';

const address = { url: simulatedUrl, token: simulatedToken };

function setUp(seed?: number) {
  const world = playedWorld(seed);
  const redis = createRedis(() => world.now());
  const way = createUpstashWay(redis, world);
  /** One request, as an instance sends it. */
  const ask = async (fetch: typeof globalThis.fetch, path: string, body: unknown, signal?: AbortSignal) => {
    const response = await fetch(`${simulatedUrl}${path}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${simulatedToken}` },
      body: JSON.stringify(body),
      ...(signal && { signal }),
    });
    return JSON.parse(await response.text()) as unknown;
  };
  const asks = (origin: string) => {
    const fetch = way.fetchFor(origin);
    return {
      one: (...words: string[]) => ask(fetch, '/', words),
      within: (ms: number, ...words: string[]) =>
        ask(
          fetch,
          '/',
          words,
          timeoutSignal({ ...world.runtime, schedule: (callback) => world.schedule(callback, ms) }, ms),
        ),
      pipeline: (...commands: string[][]) => ask(fetch, '/pipeline', commands),
      transaction: (...commands: string[][]) => ask(fetch, '/multi-exec', commands),
    };
  };
  const listenTo = (fetch: typeof globalThis.fetch, signal?: AbortSignal) =>
    fetch(`${simulatedUrl}/subscribe/c`, {
      method: 'POST',
      headers: { authorization: `Bearer ${simulatedToken}` },
      ...(signal && { signal }),
    });
  /** The events of a subscription, once it is acknowledged. */
  const listen = async (fetch: typeof globalThis.fetch) => {
    const response = await listenTo(fetch);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const heard: string[] = [];
    const over = (async () => {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        heard.push(next.value.trim().replace('data: ', ''));
      }
      return 'end';
    })().catch((error: Error) => error.message);
    await expect.poll(() => heard).toEqual(['subscribe,c,1']);
    heard.length = 0;
    return { heard, over };
  };
  const pass = (ms: number) => new Promise<void>((resolve) => void world.schedule(resolve, ms));
  return { world, redis, way, asks, listen, listenTo, pass };
}

describe('a channel on the simulated store', () => {
  const { world, way } = setUp();
  beforeEach(() => void vi.stubGlobal('fetch', way.fetchFor('an instance')));
  afterEach(() => void vi.unstubAllGlobals());
  describeChannel('simulated', async () => upstashChannel(address, world.runtime));
  describeChannel('simulated, a client with its defaults', async () =>
    upstashChannel({ redis: new Redis(address), prefix: 'given' }, world.runtime),
  );

  it('fails to write while memory is full, and reads', async () => {
    const { world, redis, way } = setUp();
    vi.stubGlobal('fetch', way.fetchFor('an instance'));
    const channel = upstashChannel(address, world.runtime);
    const wakes: Wake[] = [];
    const subscription = await channel.subscribe('s', (wake) => wakes.push(wake));
    await channel.write('s', 'run', 0, [{ type: 'start' }]);
    redis.setFull(true);
    await expect(channel.write('s', 'run', 1, [{ type: 'start' }])).rejects.toMatchObject({
      code: 'store_failed',
    });
    await expect(channel.append('s', { key: 'k', frames: [] }, {})).rejects.toMatchObject({
      code: 'store_failed',
    });
    expect((await channel.readRun('s', 'run', 0)).chunks).toHaveLength(1);
    redis.setFull(false);
    await channel.append('s', { key: 'k', frames: [] }, {});
    await expect.poll(() => wakes.at(-1)).toEqual({ type: 'log', key: 'k' });
    expect(wakes).toMatchObject([{ type: 'chunks', from: 0 }, { type: 'log' }]);
    subscription.close();
    expect(way.openSubscriptions).toBe(0);
  });
});

describe('a request', () => {
  it.each<[name: string, fault: WayFault, rejects: boolean, isApplied: boolean]>([
    ['refused', { kind: 'refuse' }, true, false],
    ['applied, and its response lost', { kind: 'lose-reply' }, true, true],
    ['refused with a status', { kind: 'status', status: 503 }, false, false],
  ])('can be %s', async (_name, fault, rejects, isApplied) => {
    const { way, redis, asks } = setUp();
    way.faults.inject(fault, { times: 1 });
    const { one } = asks('a');
    const reply = await one('SET', 'k', 'v').catch((error: unknown) => error);
    expect(reply instanceof TypeError).toBe(rejects);
    if (!rejects) expect(reply).toEqual({ error: 'ERR injected fault: status 503' });
    expect(redis.keys()).toEqual(isApplied ? ['k'] : []);
    expect(await one('GET', 'k')).toEqual({ result: isApplied ? 'v' : null });
  });

  it('that hangs ends with its signal, and is never applied', async () => {
    const { way, redis, asks } = setUp();
    way.faults.inject({ kind: 'hang' });
    await expect(asks('a').within(5_000, 'SET', 'k', 'v')).rejects.toThrow('No response in time.');
    expect(redis.keys()).toEqual([]);
  });

  it('that is held is applied after its sender has given up, and after the fault is removed', async () => {
    const { way, redis, asks, world, pass } = setUp();
    const begin = world.now();
    const remove = way.faults.inject({ kind: 'hold', ms: 11_000 });
    await expect(asks('a').within(10_000, 'SET', 'k', 'v')).rejects.toThrow('No response in time.');
    remove();
    way.faults.clear();
    expect(redis.keys()).toEqual([]);
    await pass(begin + 11_020 - world.now());
    expect(redis.keys()).toEqual(['k']);
  });

  it('that comes twice is applied again later', async () => {
    const { way, redis, asks, pass } = setUp();
    const { transaction } = asks('a');
    way.faults.inject({ kind: 'twice', ms: 3_000 }, { times: 1 });
    await transaction(['XADD', 's', '*', 'f', 'v'], ['XADD', 't', '1-0', 'f', 'v']);
    const sizes = () =>
      ['s', 't'].map((name) => (redis.execute(['XRANGE', name, '-', '+']) as unknown[]).length);
    expect(sizes()).toEqual([1, 1]);
    await pass(3_000);
    expect(sizes()).toEqual([2, 1]);
  });

  it('takes some milliseconds, and more with a delay', async () => {
    const { way, asks, world } = setUp();
    const took = async () => {
      const begin = world.now();
      await asks('a').one('GET', 'k');
      return world.now() - begin;
    };
    const usual = await took();
    expect(usual).toBeGreaterThanOrEqual(2);
    expect(usual).toBeLessThanOrEqual(16);
    way.faults.inject({ kind: 'delay', ms: 4_000 });
    expect(await took()).toBeGreaterThanOrEqual(4_002);
  });

  it('a refused XADD does not end its transaction', async () => {
    const { way, asks } = setUp();
    way.faults.inject({ kind: 'refuse-xadd' });
    expect(await asks('a').transaction(['XADD', 's', '1-0', 'f', 'v'], ['SET', 'k', 'v'])).toEqual([
      { error: 'ERR The ID specified in XADD must be greater than 0-0' },
      { result: 'OK' },
    ]);
  });

  it('others come between the commands of a pipeline, and not between those of a transaction', async () => {
    const { asks } = setUp();
    const [a, b] = [asks('a'), asks('b')];
    const mixed = async (how: 'pipeline' | 'transaction') => {
      const all = Array.from({ length: 60 }, async (_, index) => {
        const [, read] = (await [a, b][index % 2]![how](['SET', 'k', String(index)], ['GET', 'k'])) as [
          unknown,
          { result: string },
        ];
        return read.result !== String(index);
      });
      return (await Promise.all(all)).filter(Boolean).length;
    };
    expect(await mixed('pipeline')).toBeGreaterThan(0);
    expect(await mixed('transaction')).toBe(0);
  });

  it('can be read from a replica, outside of transactions', async () => {
    const { way, asks } = setUp();
    const { one, transaction } = asks('a');
    await one('SET', 'k', '0');
    const remove = way.faults.inject({ kind: 'stale' });
    await one('SET', 'k', '1');
    expect(await one('GET', 'k')).toEqual({ result: '0' });
    expect(await transaction(['GET', 'k'])).toEqual([{ result: '1' }]);
    remove();
    expect(await one('GET', 'k')).toEqual({ result: '1' });
    way.faults.inject({ kind: 'stale', lag: { writes: 1 } });
    for (const value of ['2', '3']) await one('SET', 'k', value);
    expect(await one('GET', 'k')).toEqual({ result: '2' });
    way.faults.clear();
    expect(await one('GET', 'k')).toEqual({ result: '3' });
  });

  it('a fault affects one instance, or a share of the requests', async () => {
    const { way, asks } = setUp();
    const [a, b] = [asks('a'), asks('b')];
    const fails = (origin: typeof a) =>
      origin.one('GET', 'k').then(
        () => 0,
        () => 1,
      );
    way.faults.inject({ kind: 'refuse' }, { origin: 'a' });
    expect(await Promise.all([fails(a), fails(b)])).toEqual([1, 0]);
    way.faults.clear();
    way.faults.inject({ kind: 'refuse' }, { share: 0.5 });
    const failures = await Promise.all(Array.from({ length: 200 }, () => fails(b)));
    const count = failures.reduce<number>((sum, one) => sum + one, 0);
    expect(count).toBeGreaterThan(50);
    expect(count).toBeLessThan(150);
  });

  it('is refused as Upstash refuses it', async () => {
    const { way, asks } = setUp();
    const fetch = way.fetchFor('a');
    const response = await fetch(`${simulatedUrl}/get/k`, { headers: { authorization: 'Bearer another' } });
    expect([response.status, JSON.parse(await response.text())]).toEqual([401, { error: 'Unauthorized' }]);
    expect(await asks('a').one('BLPOP', 'k', '0')).toEqual({
      error: expect.stringContaining('not available') as string,
    });
  });
});

describe('a subscription', () => {
  const publish = (redis: ReturnType<typeof createRedis>, ...messages: string[]) =>
    messages.map((message) => redis.execute(['PUBLISH', 'c', message]));

  it('gets messages in their order', async () => {
    const { way, redis, listen } = setUp();
    const { heard } = await listen(way.fetchFor('a'));
    const messages = Array.from({ length: 20 }, (_, index) => String(index));
    publish(redis, ...messages);
    await expect.poll(() => heard.length).toBe(20);
    expect(heard).toEqual(messages.map((message) => `message,c,${message}`));
  });

  it('can lose a message, or get it twice, or late', async () => {
    const { way, asks, listen } = setUp();
    const { heard } = await listen(way.fetchFor('a'));
    const { one } = asks('b');
    way.faults.inject({ kind: 'drop-publish' }, { times: 1 });
    expect(await one('PUBLISH', 'c', 'lost')).toEqual({ result: 0 });
    way.faults.inject({ kind: 'duplicate-publish' }, { times: 1 });
    expect(await one('PUBLISH', 'c', 'twice')).toEqual({ result: 1 });
    const remove = way.faults.inject({ kind: 'late-publish', ms: 5_000 }, { origin: 'a' });
    await one('PUBLISH', 'c', 'late');
    remove();
    await one('PUBLISH', 'c', 'next');
    await expect.poll(() => heard.length).toBe(4);
    expect(heard.map((line) => line.replace('message,c,', ''))).toEqual(['twice', 'twice', 'next', 'late']);
  });

  it('ends, breaks or falls silent, for one instance or for all', async () => {
    const { way, redis, listen } = setUp();
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => listen(way.fetchFor(name))));
    way.faults.dropSubscriptions('end', 'a');
    expect(await a!.over).toBe('end');
    way.faults.dropSubscriptions('reset', 'b');
    expect(await b!.over).toBe('terminated');
    way.faults.dropSubscriptions('silence');
    expect(way.openSubscriptions).toBe(1);
    const d = await listen(way.fetchFor('d'));
    expect(publish(redis, 'x')).toEqual([2]);
    await expect.poll(() => d.heard).toEqual(['message,c,x']);
    expect(c!.heard).toEqual([]);
    way.leave('c');
    expect(way.openSubscriptions).toBe(1);
  });

  it('ends with its signal', async () => {
    const { way, listenTo } = setUp();
    const controller = new AbortController();
    const response = await listenTo(way.fetchFor('a'), controller.signal);
    expect(way.openSubscriptions).toBe(1);
    controller.abort(new Error('over'));
    expect(way.openSubscriptions).toBe(0);
    await expect(response.text()).rejects.toThrow('over');
  });

  it('what reaches a frozen instance waits', async () => {
    const { way, redis, listen, asks, world } = setUp();
    const waiting: (() => void)[] = [];
    let isFrozen = false;
    const { heard } = await listen(way.fetchFor('a', (run) => (isFrozen ? void waiting.push(run) : run())));
    isFrozen = true;
    publish(redis, 'x');
    await asks('b').one('GET', 'k');
    await new Promise<void>((resolve) => void world.schedule(resolve, 20));
    expect(heard).toEqual([]);
    for (const run of waiting) run();
    await expect.poll(() => heard).toEqual(['message,c,x']);
  });
});

it('the same seed gives the same trace, and another seed another one', async () => {
  const play = async (seed: number) => {
    const { way, asks, world, pass } = setUp(seed);
    way.faults.inject({ kind: 'lose-reply' }, { share: 0.3 });
    way.faults.inject({ kind: 'twice', ms: 40 }, { share: 0.3 });
    const [a, b] = [asks('a'), asks('b')];
    await Promise.allSettled(
      Array.from({ length: 30 }, (_, index) =>
        [a, b][index % 2]!.one('XADD', 's', '*', 'index', String(index)),
      ),
    );
    await pass(100);
    return world.lines;
  };
  const lines = await play(1);
  expect(lines[0]).toMatch(/^a asks the store: XADD s \* index 0/);
  expect(lines).toContainEqual(expect.stringMatching(/^store, for b: XADD s \* index \d+ -> 1\d+-\d$/));
  expect(lines.filter((line) => line.includes('again after 40 ms')).length).toBeGreaterThan(2);
  expect(await play(1)).toEqual(lines);
  expect(await play(2)).not.toEqual(lines);
});
