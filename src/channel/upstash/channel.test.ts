import { Redis } from '@upstash/redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DurableChatError } from '../../protocol/errors.ts';
import type { LogFrame } from '../../protocol/frames.ts';
import { deletedEntry } from '../../protocol/entries.ts';
import { startUpstashServer, type UpstashServer } from '../../testing/upstash-server.ts';
import type { Wake } from '../channel.ts';
import { describeChannel } from '../conformance.fixture.ts';
import { upstashChannel } from './channel.ts';

let server: UpstashServer;
beforeAll(async () => {
  server = await startUpstashServer();
});
afterAll(() => server.close());

describeChannel('upstash, by url and token', async () =>
  upstashChannel({ url: server.url, token: server.token, prefix: 'own' }),
);
describeChannel('upstash, a client with its defaults', async () =>
  upstashChannel({ redis: new Redis({ url: server.url, token: server.token }), prefix: 'given' }),
);
describeChannel('upstash, an awkward prefix', async () =>
  upstashChannel({ url: server.url, token: server.token, prefix: "{ü}/a,b?c#d&e %2F=:'\n" }),
);

describeChannel('upstash, a client that does not show its address', async () => {
  const redis = new Redis({ url: server.url, token: server.token });
  const hidden = new Proxy(redis, {
    get: (target, name) => (name === 'client' ? undefined : (Reflect.get(target, name, target) as unknown)),
  });
  return upstashChannel({ redis: hidden, prefix: 'hidden' });
});

describe('an upstash subscription', () => {
  it.each([
    ['end', 1],
    ['reset', 1],
    ['silence', 0],
  ] as const)('says when the store has ended it (%s: %i)', async (how, count) => {
    const channel = upstashChannel({ url: server.url, token: server.token });
    let ends = 0;
    const wakes: Wake[] = [];
    const open = () =>
      channel.subscribe(
        `ends ${how}`,
        (wake) => wakes.push(wake),
        () => void ends++,
      );
    await open();
    server.faults.dropSubscriptions(how);
    const next = await open();
    await channel.append(`ends ${how}`, { key: 'k', frames: [] }, {});
    await expect.poll(() => wakes.length).toBe(1);
    await expect.poll(() => ends).toBe(count);
    next.close();
    await channel.append(`ends ${how}`, { key: 'k', frames: [] }, {});
    expect([ends, wakes.length]).toEqual([count, 1]);
  });

  it('is refused where the store does not take it', async () => {
    const channel = upstashChannel({ url: server.url, token: 'another one' });
    await expect(channel.subscribe('s', () => {})).rejects.toMatchObject({ code: 'store_failed' });
  });
});

describe('upstash errors', () => {
  it('G10: name what failed, and contain neither chat text nor the token', async () => {
    const redis = new Redis({ url: server.url, token: server.token, retry: false });
    const channel = upstashChannel({ redis });
    const secret = 'a very private sentence';
    const attempts = [
      () => channel.write('s', 'run', 0, [{ type: 'text-delta', id: 't', delta: secret }]),
      () => channel.reserve(secret, secret, 'run'),
      () => channel.readLog(secret, ''),
      () => channel.heartbeat(secret, 'run', 1000),
    ];
    for (const fault of [{ kind: 'status', status: 500 }, { kind: 'refuse' }] as const) {
      for (const attempt of attempts) {
        const clear = server.faults.inject(fault);
        const error: unknown = await attempt().catch((thrown: unknown) => thrown);
        clear();
        expect(error).toBeInstanceOf(DurableChatError);
        expect((error as DurableChatError).code).toBe('store_failed');
        const everything =
          String((error as Error).stack) + JSON.stringify(error) + String((error as Error).cause);
        expect(everything).not.toContain(secret);
        expect(everything).not.toContain(server.token);
      }
    }
  });

  it('G8: a request that hangs fails after timeoutMs, with our own client and with the app’s', async () => {
    const given = { redis: new Redis({ url: server.url, token: server.token }) };
    for (const where of [given, { url: server.url, token: server.token }]) {
      const channel = upstashChannel({ ...where, timeoutMs: 200 });
      const clear = server.faults.inject({ kind: 'hang' });
      const attempts = [
        channel.reserve('hang', 'send', 'run'),
        channel.release('hang', 'send'),
        channel.claim('hang', 'call', 'me', 1_000),
        channel.readLog('hang', ''),
        channel.append('hang', { key: 'k', frames: [] }, {}),
        channel.append('hang', { key: 'k', frames: [] }, { after: '' }),
        channel.write('hang', 'run', 0, [{ type: 'start' }]),
        channel.close('hang', 'run', { reason: 'finish' }),
        channel.readRun('hang', 'run', 0),
        channel.heartbeat('hang', 'run', 1_000),
        channel.leases('hang', ['run']),
      ];
      for (const { reason } of (await Promise.allSettled(attempts)) as PromiseRejectedResult[]) {
        expect(reason).toMatchObject({ code: 'store_failed' });
        expect(String(reason)).toContain('TimeoutError');
      }
      clear();
      expect(await channel.readLog('hang', '')).toEqual([]);
    }
  });

  it('G7: chunks that the store has no memory for are not published, and are published once it has', async () => {
    const channel = upstashChannel({ url: server.url, token: server.token });
    const wakes: Wake[] = [];
    const subscription = await channel.subscribe('full', (wake) => wakes.push(wake));
    const [first, second] = ['a', 'b'].map((delta) => ({ type: 'text-delta', id: 't', delta }) as const);
    await channel.write('full', 'run', 0, [first!]);
    await server.command('CONFIG', 'SET', 'maxmemory', 1);
    await expect(channel.write('full', 'run', 1, [second!])).rejects.toMatchObject({ code: 'store_failed' });
    await server.command('CONFIG', 'SET', 'maxmemory', 0);
    expect((await channel.readRun('full', 'run', 0)).chunks).toEqual([first]);
    server.resetCounts();
    expect(await channel.write('full', 'run', 1, [second!])).toBe('stored');
    await expect.poll(() => wakes.length).toBe(2);
    expect(wakes).toMatchObject([
      { from: 0, chunks: [first] },
      { from: 1, chunks: [second] },
    ]);
    expect(server.counts()).toEqual({ XADD: 1, PUBLISH: 1 });
    subscription.close();
  });

  it('G7: chunks that the store refuses inside the transaction are not published', async () => {
    const channel = upstashChannel({ url: server.url, token: server.token });
    const wakes: Wake[] = [];
    const subscription = await channel.subscribe('refused', (wake) => wakes.push(wake));
    const write = (runId: string, from: number) =>
      channel.write('refused', runId, from, [{ type: 'text-delta', id: runId, delta: String(from) }]);
    await channel.write('refused', 'two', 0, [{ type: 'start' }]);
    // A key that is not a stream, and an entry that Redis refuses: as the run's first batch and as a later one.
    await server.command('SET', 'dc:{refused}:run:one', 'no stream');
    await expect(write('one', 0)).rejects.toMatchObject({ code: 'store_failed' });
    for (const [runId, from] of [['three', 0] as const, ['two', 1] as const]) {
      server.faults.inject({ kind: 'refuse-xadd' }, { times: 1 });
      await expect(write(runId, from)).rejects.toMatchObject({ code: 'store_failed' });
    }
    expect((await channel.readRun('refused', 'two', 0)).chunks).toEqual([{ type: 'start' }]);
    expect(await write('two', 1)).toBe('stored');
    // Every wake-up that was published before this one has arrived by now.
    await expect.poll(() => wakes.at(-1)).toMatchObject({ runId: 'two', from: 1 });
    expect(wakes).toMatchObject([
      { runId: 'two', from: 0 },
      { runId: 'two', from: 1 },
    ]);
    subscription.close();
  });

  it('publishes a batch with the next request, and alone if none follows', async () => {
    const channel = upstashChannel({ url: server.url, token: server.token });
    const wakes: Wake[] = [];
    const subscription = await channel.subscribe('carried', (wake) => wakes.push(wake));
    server.resetCounts();
    for (let from = 0; from < 10; from++) await channel.write('carried', 'run', from, [{ type: 'start' }]);
    await expect.poll(() => wakes.length).toBe(10);
    expect(wakes.map((wake) => 'from' in wake && wake.from)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(server.counts()).toEqual({ XADD: 10, EXPIRE: 1, PUBLISH: 10 });
    expect(server.requests).toBe(11);
    subscription.close();
  });

  it('every key expires, also if a run’s chunks are gone before it ends', async () => {
    const channel = upstashChannel({ url: server.url, token: server.token, prefix: 'gone', ttl: 600 });
    const chunks = [{ type: 'start' } as const];
    for (const runId of ['written', 'closed', 'refused']) await channel.write('s', runId, 0, chunks);
    const left = async () => (await server.command('KEYS', 'gone:*')) as string[];
    await server.command('DEL', ...(await left()));
    expect(await channel.write('s', 'written', 1, chunks)).toBe('gone');
    expect(await left()).toEqual([]);
    await channel.close('s', 'closed', { reason: 'finish' }, { written: true });
    await channel.close('s', 'never written', { reason: 'error' });
    const keys = await left();
    expect(keys.length).toBe(2);
    for (const key of keys) expect(await server.command('TTL', key)).toBeGreaterThan(500);
  });

  it('G1: a stream that has lost its beginning is read without a gap and without a repetition', async () => {
    const channel = upstashChannel({ url: server.url, token: server.token });
    const text = (delta: string) => ({ type: 'text-delta', id: 't', delta }) as const;
    await channel.write('gap', 'run', 0, [text('a'), text('b')]);
    await channel.write('gap', 'run', 2, [text('c'), text('d')]);
    await channel.write('gap', 'run', 4, [text('e')]);
    await server.command('XDEL', 'dc:{gap}:run:run', '2-0');
    expect(await channel.readRun('gap', 'run', 0)).toEqual({ chunks: [] });
    expect(await channel.readRun('gap', 'run', 1)).toEqual({ chunks: [] });
    expect(await channel.readRun('gap', 'run', 3)).toEqual({ chunks: [text('d'), text('e')] });
    await channel.close('gap', 'run', { reason: 'finish' });
    expect(await channel.readRun('gap', 'run', 0)).toEqual({ chunks: [], closure: { reason: 'finish' } });
  });

  it('G1: a stale replica is not taken for a log that is gone', async () => {
    const channel = upstashChannel({ url: server.url, token: server.token });
    const append = (key: string) => channel.append('behind', { key, frames: [] }, { after: '' });
    await append('one');
    const [one, two] = await append('two');
    const catchUp = server.faults.inject({ kind: 'stale' });
    expect(await channel.readLog('behind', one!.id)).toEqual([one, two]);
    expect(await channel.readLog('behind', two!.id)).toEqual([two]);
    catchUp();
    await channel.delete('behind');
    expect(await channel.readLog('behind', two!.id)).toMatchObject([deletedEntry]);
  });

  it('G1: a reply lost after the write was applied stores the batch once', async () => {
    const redis = new Redis({ url: server.url, token: server.token });
    const channel = upstashChannel({ redis });
    server.faults.inject({ kind: 'lose-reply' }, { times: 2 });
    const chunk = { type: 'text-delta', id: 't', delta: 'once' } as const;
    expect(await channel.write('lost', 'run', 0, [chunk])).toBe('stored');
    expect((await channel.readRun('lost', 'run', 0)).chunks).toEqual([chunk]);
  });
});

it('a read that decides something never comes from a stale replica', async () => {
  const channel = upstashChannel({ url: server.url, token: server.token });
  const frames: LogFrame[] = [{ type: 'message', message: { id: '1', role: 'user', parts: [] } }];
  await channel.reserve('s', 'send', 'first');
  await channel.append('s', { key: '1', frames }, { lease: { type: 'take', runId: 'first', ms: 60_000 } });
  const clear = server.faults.inject({ kind: 'stale' });
  // G5: the second of two sends gets the first one's run, and the whole log.
  expect(await channel.reserve('s', 'send', 'second')).toMatchObject({
    runId: 'first',
    entries: [{ key: '1' }],
  });
  expect(await channel.append('s', { key: '2', frames }, { after: '' })).toMatchObject([
    { key: '1' },
    { key: '2' },
  ]);
  // G6: a live producer is not taken for a dead one.
  expect(await channel.leases('s', ['first', 'none'])).toEqual([expect.closeTo(60_000, -4), 0]);
  // G6: a producer whose lease has ended gets `lapsed`.
  await channel.close('s', 'first', { reason: 'interrupted' });
  expect(await channel.write('s', 'first', 0, [{ type: 'start' }])).toBe('closed');
  clear();
});
