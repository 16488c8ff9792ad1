import { Redis } from '@upstash/redis';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { describeEngines } from '../test/fixtures/engines.fixture.ts';
import { startUpstashServer, type UpstashServer } from './upstash-server.ts';

const TRICKY = 'naïve 🙂 \u2028\u2029 "quoted" \\ \r\n\t, end\u0000';

describeEngines('the local Upstash on %s', (redis) => {
  let server: UpstashServer;
  beforeAll(async () => {
    server = await startUpstashServer({ redis });
  });
  afterEach(async () => {
    await server.command('FLUSHALL');
  });
  afterAll(() => server.close());

  const client = (options: { automaticDeserialization?: boolean; responseEncoding?: false } = {}): Redis =>
    new Redis({ url: server.url, token: server.token, retry: false, enableTelemetry: false, ...options });

  async function rest(path: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> {
    const headers = { authorization: `Bearer ${server.token}`, ...(init.headers as Record<string, string>) };
    const response = await fetch(server.url + path, { ...init, headers });
    return { status: response.status, body: await response.json() };
  }
  const post = (path: string, body: unknown, headers: Record<string, string> = {}): ReturnType<typeof rest> =>
    rest(path, { method: 'POST', body: JSON.stringify(body), headers });

  describe.each([
    { automaticDeserialization: true },
    { automaticDeserialization: false },
    { automaticDeserialization: false, responseEncoding: false as const },
  ])('with a client set to %o', (options) => {
    it('returns strings unchanged, and nil as null', async () => {
      const db = client(options);
      for (const value of [TRICKY, '', 'OK', 'x'.repeat(1_500_000), '🙂'.repeat(100_000)]) {
        expect(await db.set('k', value)).toBe('OK');
        expect(await db.get('k')).toBe(value);
      }
      expect(await db.get('missing')).toBeNull();
      expect(await db.mget('k', 'missing')).toEqual(['🙂'.repeat(100_000), null]);
      expect(await db.incr('n')).toBe(1);
    });

    it('runs streams with explicit ids', async () => {
      const db = client(options);
      expect(await db.xadd('{s}:run', '1-0', { chunk: TRICKY })).toBe('1-0');
      await expect(db.xadd('{s}:run', '1-0', { chunk: 'again' })).rejects.toThrow('equal or smaller');
      expect(await db.xrange('{s}:run', '-', '+')).toEqual(
        options.automaticDeserialization ? { '1-0': { chunk: TRICKY } } : [['1-0', ['chunk', TRICKY]]],
      );
    });

    it('answers a pipeline in order, item by item', async () => {
      const db = client(options);
      const results = await db
        .pipeline()
        .set('a', 'text')
        .incr('a')
        .xadd('s', '5-0', { f: 'v' })
        .publish('nobody', 'hi')
        .get('a')
        .exec({ keepErrors: true });
      expect(results.map(({ error }) => error)).toEqual([
        undefined,
        'ERR value is not an integer or out of range',
        undefined,
        undefined,
        undefined,
      ]);
      expect(results.map(({ result }) => result)).toEqual(['OK', undefined, '5-0', 0, 'text']);
    });

    it('runs a transaction', async () => {
      expect(await client(options).multi().set('a', '1').incr('a').exec()).toEqual(['OK', 2]);
    });

    it('delivers published messages after the acknowledgement', async () => {
      const db = client(options);
      const messages: unknown[] = [];
      const subscription = db.subscribe('{s}');
      subscription.on('message', ({ message }) => messages.push(message));
      await new Promise((resolve) => subscription.on('subscribe', resolve));
      expect(server.subscriptions).toBe(1);

      const long = '🙂'.repeat(50_000);
      for (const message of ['one', 'a,b\u2028', long]) expect(await db.publish('{s}', message)).toBe(1);
      await vi.waitFor(() => expect(messages).toEqual(['one', 'a,b\u2028', long]));

      await subscription.unsubscribe();
      await vi.waitFor(() => expect(server.subscriptions).toBe(0));
      await vi.waitFor(async () =>
        expect(await server.command('PUBSUB', 'NUMSUB', '{s}')).toEqual(['{s}', 0]),
      );
    });

    it('delivers by pattern', async () => {
      const db = client(options);
      const messages: unknown[] = [];
      const subscription = db.psubscribe('room:*');
      subscription.on('pmessage', (message) => messages.push(message));
      await new Promise((resolve) => subscription.on('psubscribe', resolve));
      await db.publish('room:1', '"hi"');
      await vi.waitFor(() => expect(messages).toHaveLength(1));
      expect(messages[0]).toMatchObject({ pattern: 'room:*', channel: 'room:1' });
      await subscription.unsubscribe();
    });
  });

  it('no other writer interrupts a transaction', async () => {
    const db = client();
    const transactions = Array.from({ length: 20 }, () =>
      db.multi().incr('n').incr('n').incr('n').exec<[number, number, number]>(),
    );
    const others = Array.from({ length: 20 }, () => db.incr('n'));
    for (const [a, b, c] of await Promise.all(transactions)) expect([b, c]).toEqual([a + 1, a + 2]);
    await Promise.all(others);
    expect(await db.get('n')).toBe(80);
  });

  it('discards a whole transaction that Redis cannot queue, or that contains a refused command', async () => {
    expect(
      await post('/multi-exec', [
        ['SET', 'a', '1'],
        ['SET', 'a'],
      ]),
    ).toEqual({
      status: 400,
      body: { error: expect.stringContaining('EXECABORT') },
    });
    expect((await post('/multi-exec', [['SET', 'a', '1'], ['EXEC']])).status).toBe(400);
    expect(await server.command('GET', 'a')).toBeNull();
    expect(
      await post('/multi-exec', [
        ['SET', 'a', '1'],
        ['LPUSH', 'a', 'x'],
      ]),
    ).toMatchObject({
      status: 200,
      body: [{ result: 'OK' }, { error: expect.stringMatching(/^WRONGTYPE/) }],
    });
  });

  it('accepts commands in the path, with a body and options after it', async () => {
    expect(await rest('/set/a%2Fb/v%20%F0%9F%99%82')).toEqual({ status: 200, body: { result: 'OK' } });
    expect(await rest('/get/a%2Fb')).toEqual({ status: 200, body: { result: 'v 🙂' } });
    await rest('/set/k?EX=100&nx', { method: 'POST', body: TRICKY });
    expect(await server.command('GET', 'k')).toBe(TRICKY);
    expect(await server.command('TTL', 'k')).toBeGreaterThan(90);
    expect((await rest('/get/%E0%A4%A')).status).toBe(400);
  });

  it('encodes every nested string in base64 except "OK", and no error', async () => {
    const base64 = { 'upstash-encoding': 'base64' };
    const script = "return {'a', {'b', 3, {'OK'}}, false}";
    expect((await post('/', ['EVAL', script, 0], base64)).body).toEqual({
      result: ['YQ==', ['Yg==', 3, ['OK']], null],
    });
    expect((await post('/', ['SET', 'a', 'b'], base64)).body).toEqual({ result: 'OK' });
    expect((await post('/', ['LPUSH', 'a', 'b'], base64)).body).toEqual({
      error: 'WRONGTYPE Operation against a key holding the wrong kind of value',
    });
  });

  it('refuses with JSON', async () => {
    const plain = async (path: string, init?: RequestInit): Promise<unknown> => {
      const response = await fetch(server.url + path, init);
      return [response.status, await response.json()];
    };
    expect(await plain('/get/k')).toEqual([401, { error: 'Unauthorized' }]);
    expect(await plain('/get/k?_token=wrong')).toEqual([401, { error: 'Unauthorized' }]);
    expect(await plain(`/get/k?_token=${server.token}`)).toEqual([200, { result: null }]);
    expect((await rest('/get/k', { method: 'DELETE' })).status).toBe(405);
    expect((await rest('/pipeline')).status).toBe(405);
    expect((await rest('/', { method: 'POST', body: '{"not json' })).status).toBe(400);
    for (const body of [{}, [], [[]], ['GET', 'k']]) expect((await post('/pipeline', body)).status).toBe(400);
    expect(await post('/', ['NOPE'])).toEqual({
      status: 400,
      body: { error: expect.stringContaining("unknown command 'NOPE'") },
    });
  });

  it('refuses commands that cannot work over REST', async () => {
    const commands = [
      ['blpop', 'k', 0],
      ['XREAD', 'block', 0, 'STREAMS', 's', '$'],
      ['WATCH', 'k'],
      ['MULTI'],
      ['SUBSCRIBE', 'c'],
      ['CLIENT', 'ID'],
      ['CONFIG', 'GET', '*'],
      ['SHUTDOWN'],
    ];
    for (const command of commands) {
      const name = String(command[0]).toUpperCase();
      const error = expect.stringContaining(`ERR Command is not available: '${name}'`);
      expect(await post('/', command)).toEqual({ status: 400, body: { error } });
      expect(await post('/pipeline', [command, ['PING']])).toEqual({
        status: 200,
        body: [{ error }, { result: 'PONG' }],
      });
    }
    expect((await post('/', ['XREAD', 'STREAMS', 'BLOCK', '0'])).body).toEqual({ result: null });
  });

  it('accepts 10 MB and no more', async () => {
    const room = 10 * 1024 * 1024 - JSON.stringify(['SET', 'k', '']).length;
    expect((await post('/', ['SET', 'k', 'x'.repeat(room)])).body).toEqual({ result: 'OK' });
    expect(await post('/', ['SET', 'k', 'x'.repeat(room + 1)])).toEqual({
      status: 413,
      body: { error: expect.stringContaining('max request size') },
    });
  });

  it('sends a sync token that grows', async () => {
    const tokens: number[] = [];
    for (let i = 0; i < 3; i++) {
      const response = await fetch(`${server.url}/incr/n?_token=${server.token}`);
      tokens.push(Number(response.headers.get('upstash-sync-token')));
    }
    expect(tokens[1]).toBeGreaterThan(tokens[0]!);
    expect(tokens[2]).toBeGreaterThan(tokens[1]!);
  });

  it('subscribes to several channels over GET, decoded', async () => {
    const response = await fetch(`${server.url}/subscribe/%7Ba%7D,b%2Cc?_token=${server.token}`);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const until = async (end: string): Promise<void> => {
      while (!text.endsWith(end)) text += (await reader.read()).value;
    };
    await until('data: subscribe,b,c,2\n\n');
    await server.command('PUBLISH', '{a}', 'hi');
    await until('data: message,{a},hi\n\n');
    expect(text).toBe('data: subscribe,{a},1\n\ndata: subscribe,b,c,2\n\ndata: message,{a},hi\n\n');
    await reader.cancel();
    expect((await rest('/subscribe')).status).toBe(400);
  });

  it('counts what Upstash would bill', async () => {
    server.resetCounts();
    const db = client();
    await db.pipeline().xadd('s', '*', { f: 'v' }).publish('c', 'm').exec();
    await db.multi().set('a', 1).get('a').exec();
    await rest('/get/a');
    await post('/', ['BLPOP', 'a', 0]);
    await server.command('GET', 'a');
    const controller = new AbortController();
    await fetch(`${server.url}/subscribe/c?_token=${server.token}`, { signal: controller.signal });
    controller.abort();
    expect(server.counts()).toEqual({ XADD: 1, PUBLISH: 1, SET: 1, GET: 2, SUBSCRIBE: 1 });
    expect(server.commands).toBe(6);
    expect(server.requests).toBe(5);
    server.resetCounts();
    expect([server.commands, server.requests, server.counts()]).toEqual([0, 0, {}]);
  });

  it('rejects a raw command with the error of Redis', async () => {
    await expect(server.command('NOPE')).rejects.toThrow('unknown command');
  });
});

describe('starting and stopping', () => {
  it('close ends all open connections', async () => {
    const server = await startUpstashServer();
    const { url, token } = server;
    const stream = await fetch(`${url}/subscribe/c?_token=${token}`);
    await server.close();
    await server.close();
    await expect(stream.text()).rejects.toThrow();
    await expect(fetch(url)).rejects.toThrow();
  });

  it('rejects if the port is in use', async () => {
    const server = await startUpstashServer({ token: 'mine' });
    expect(server.token).toBe('mine');
    await expect(startUpstashServer({ port: Number(new URL(server.url).port) })).rejects.toThrow(
      'EADDRINUSE',
    );
    await server.close();
  });
});
