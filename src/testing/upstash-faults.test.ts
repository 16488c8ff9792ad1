import { Redis } from '@upstash/redis';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { describeEngines } from '../test/fixtures/engines.fixture.ts';
import { startUpstashServer, type UpstashServer } from './upstash-server.ts';

describeEngines('faults of the local Upstash on %s', (redis) => {
  let server: UpstashServer;
  let db: Redis;
  beforeAll(async () => {
    server = await startUpstashServer({ redis });
    // `retry: false` still sends twice (1.39): only `retries: 0` sends once.
    const retry = { retries: 0 };
    db = new Redis({ url: server.url, token: server.token, retry, automaticDeserialization: false });
  });
  afterEach(async () => {
    server.faults.clear();
    await server.command('FLUSHALL');
  });
  afterAll(() => server.close());

  /** The bytes of a subscription. */
  async function listen(channel: string): Promise<{ text: () => string; ended: Promise<'end' | 'error'> }> {
    const response = await fetch(`${server.url}/subscribe/${channel}?_token=${server.token}`);
    let text = '';
    const ended = (async () => {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
    })().then(
      () => 'end' as const,
      () => 'error' as const,
    );
    await vi.waitFor(() => expect(text).toContain('data: subscribe'));
    return { text: () => text, ended };
  }

  it('status: answers an error and applies nothing, in the order injected', async () => {
    server.resetCounts();
    server.faults.inject({ kind: 'status', status: 429 }, { times: 1 });
    server.faults.inject({ kind: 'status', status: 500 }, { times: 1 });
    await expect(db.set('k', 'v')).rejects.toThrow('status 429');
    await expect(db.set('k', 'v')).rejects.toThrow('status 500');
    expect(await server.command('EXISTS', 'k')).toBe(0);
    expect(server.commands).toBe(0);
    expect(await db.set('k', 'v')).toBe('OK');
  });

  it('delay: applies at once and answers later', async () => {
    server.faults.inject({ kind: 'delay', ms: 400 });
    const begin = performance.now();
    let answered = false;
    const set = db.set('k', 'v').finally(() => (answered = true));
    await vi.waitFor(async () => expect(await server.command('GET', 'k')).toBe('v'), { interval: 5 });
    expect(answered).toBe(false);
    await set;
    expect(performance.now() - begin).toBeGreaterThan(390);
  });

  it('hold: applies after its sender has given up, once its time has passed or the fault is removed', async () => {
    const set = (name: string) =>
      fetch(`${server.url}/set/${name}/v?_token=${server.token}`, { signal: AbortSignal.timeout(50) });
    const release = server.faults.inject({ kind: 'hold' }, { times: 1 });
    server.faults.inject({ kind: 'hold', ms: 200 }, { times: 1 });
    server.faults.inject({ kind: 'hold' }, { times: 1 });
    for (const name of ['a', 'b', 'c']) await expect(set(name)).rejects.toThrow('timeout');
    const there = () => server.command('EXISTS', 'a', 'b', 'c');
    expect(await server.command('EXISTS', 'a', 'c')).toBe(0);
    await vi.waitFor(async () => expect(await there()).toBe(1));
    release();
    await vi.waitFor(async () => expect(await there()).toBe(2));
    server.faults.clear();
    await vi.waitFor(async () => expect(await there()).toBe(3));
    expect(await db.set('d', 'v')).toBe('OK');
  });

  it('twice: applies at once, and again after its time, whether it is a command or a transaction', async () => {
    server.faults.inject({ kind: 'twice', ms: 200 }, { times: 2 });
    expect(await db.incr('n')).toBe(1);
    expect(await db.multi().incr('n').xadd('s', '1-0', { f: 'v' }).exec()).toEqual([2, '1-0']);
    expect(await server.command('GET', 'n')).toBe('2');
    await vi.waitFor(async () => expect(await server.command('GET', 'n')).toBe('4'));
    expect(await server.command('XLEN', 's')).toBe(1);
    expect(await db.incr('n')).toBe(5);
  });

  it('refuse-xadd: Redis refuses the command during execution, and executes the rest of the transaction', async () => {
    server.faults.inject({ kind: 'refuse-xadd' }, { times: 1 });
    await db.set('unrelated', '1');
    const transaction = () => db.multi().xadd('s', '1-0', { f: 'v' }).incr('n');
    const [added, counted] = await transaction().exec({ keepErrors: true });
    expect(added?.error).toContain('ERR');
    expect(counted).toEqual({ error: undefined, result: 1 });
    expect(await server.command('EXISTS', 's')).toBe(0);
    expect(await transaction().exec()).toEqual(['1-0', 2]);
  });

  it('hang: neither applies nor answers', async () => {
    server.faults.inject({ kind: 'hang' }, { times: 1 });
    const signal = AbortSignal.timeout(100);
    await expect(fetch(`${server.url}/set/k/v?_token=${server.token}`, { signal })).rejects.toThrow(
      'timeout',
    );
    expect(await server.command('EXISTS', 'k')).toBe(0);
  });

  it('refuse and lose-reply look the same to the client, and differ in the data', async () => {
    server.faults.inject({ kind: 'refuse' }, { times: 1 });
    server.faults.inject({ kind: 'lose-reply' }, { times: 1 });
    await expect(db.incr('n')).rejects.toThrow('fetch failed');
    expect(await server.command('GET', 'n')).toBeNull();
    await expect(db.incr('n')).rejects.toThrow('fetch failed');
    expect(await server.command('GET', 'n')).toBe('1');
  });

  it('stale: reads see an empty replica, writes work', async () => {
    await db.xadd('s', '1-0', { f: 'v' });
    server.faults.inject({ kind: 'stale' }, { times: 1 });
    expect(await db.xadd('s', '2-0', { f: 'v' })).toBe('2-0');
    const pipeline = (): Promise<unknown[]> =>
      db.pipeline().xrange('s', '-', '+').get('s2').mget('a', 'b').exists('s').xlen('s').set('k', 'v').exec();
    expect(await pipeline()).toEqual([[], null, [null, null], 0, 0, 'OK']);
    expect(await db.xlen('s')).toBe(2);
  });

  it('drop-publish and duplicate-publish', async () => {
    const { text } = await listen('c');
    server.faults.inject({ kind: 'drop-publish' }, { times: 1 });
    server.faults.inject({ kind: 'duplicate-publish' }, { times: 1 });
    await db.set('unrelated', '1');
    expect(await db.multi().set('a', '1').publish('c', 'lost').get('a').exec()).toEqual(['OK', 0, '1']);
    expect(await db.pipeline().publish('c', 'twice').get('a').exec()).toEqual([1, '1']);
    await db.publish('c', 'once');
    const line = (message: string): string => `data: message,c,${message}\n\n`;
    await vi.waitFor(() => expect(text()).toMatch(/once\n\n$/));
    expect(text()).toBe(`data: subscribe,c,1\n\n${line('twice')}${line('twice')}${line('once')}`);
    server.faults.dropSubscriptions('end');
  });

  it('a fault applies only to matching requests, until it is removed', async () => {
    const seen: unknown[] = [];
    const remove = server.faults.inject(
      { kind: 'status', status: 503 },
      {
        match: (request) => {
          seen.push(request);
          return request.commands.some(([name, key]) => name === 'GET' && key === 'k');
        },
      },
    );
    expect(await db.set('k', 'v')).toBe('OK');
    await expect(db.get('k')).rejects.toThrow('503');
    expect(await fetch(`${server.url}/get/k?_token=${server.token}`)).toMatchObject({ status: 503 });
    remove();
    expect(await db.get('k')).toBe('v');
    expect(seen.at(-1)).toEqual({ path: '/get/k', commands: [['GET', 'k']] });
  });

  it('faults apply to subscriptions too', async () => {
    const match = ({ path }: { path: string }): boolean => path === '/subscribe/{s}';
    const url = `${server.url}/subscribe/{s}?_token=${server.token}`;
    server.faults.inject({ kind: 'status', status: 429 }, { times: 1, match });
    expect((await fetch(url)).status).toBe(429);
    for (const kind of ['refuse', 'lose-reply'] as const) {
      server.faults.inject({ kind }, { times: 1, match });
      await expect(fetch(url)).rejects.toThrow('fetch failed');
    }
    expect(server.subscriptions).toBe(0);
  });

  it('dropSubscriptions: a clean end, a reset, or silence', async () => {
    const first = await listen('c');
    server.faults.dropSubscriptions('end');
    expect(server.subscriptions).toBe(0);
    expect(await first.ended).toBe('end');

    const second = await listen('c');
    server.faults.dropSubscriptions('reset');
    expect(await second.ended).toBe('error');

    const silent = await listen('c');
    server.faults.dropSubscriptions('silence');
    const heard = await listen('c');
    expect(server.subscriptions).toBe(2);
    expect(await db.publish('c', 'hi')).toBe(2);
    await vi.waitFor(() => expect(heard.text()).toContain('message,c,hi'));
    expect(silent.text()).toBe('data: subscribe,c,1\n\n');
    server.faults.dropSubscriptions('end');
    expect(await Promise.all([silent.ended, heard.ended])).toEqual(['end', 'end']);
  });
});
