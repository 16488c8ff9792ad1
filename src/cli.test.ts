import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { Redis } from '@upstash/redis';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { describeEngines, itOnRedisServer } from './test/fixtures/engines.fixture.ts';
import { connectRedis } from './testing/resp.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'durable-chat-test-'));
  await bundle('./cli.ts', 'cli.mjs');
  await bundle('./testing/redis-process.ts', 'redis.mjs');
});
afterAll(() => rm(dir, { recursive: true }));

async function bundle(source: string, name: string): Promise<void> {
  const url = new URL(source, import.meta.url);
  await build({
    entryPoints: [fileURLToPath(url)],
    outfile: join(dir, name),
    bundle: true,
    platform: 'node',
    format: 'esm',
    // Packages are resolved from the place of the source.
    define: { 'import.meta.url': JSON.stringify(url.href) },
  });
}

const isTerminal = 'data:text/javascript,process.stdout.isTTY=true';

interface Run {
  child: ChildProcess;
  out: () => string;
  err: () => string;
  code: Promise<number | null>;
}

// A process that a failed test leaves would outlive the test run.
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function run(...args: string[]): Run {
  const child = spawn(process.execPath, args, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const code = once(child, 'close').then(([status]) => status as number | null);
  return { child, out: () => out, err: () => err, code };
}

describe('durable-chat upstash', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('prints its two lines, serves, and stops on %s', async (signal) => {
    const cli = run('cli.mjs', 'upstash', '--token', 'secret');
    await vi.waitFor(() => expect(cli.out()).toMatch(/TOKEN=.*\n/), 10_000);
    const [, url] = /^\nUPSTASH_REDIS_REST_URL=(http:\S+)\nUPSTASH_REDIS_REST_TOKEN=secret\n$/.exec(
      cli.out(),
    )!;
    const db = new Redis({ url: url!, token: 'secret', retry: false });
    expect(await db.set('signal', signal)).toBe('OK');
    cli.child.kill(signal);
    expect(await cli.code).toBe(0);
    await expect(fetch(url!)).rejects.toThrow();
  });

  it('reports that the lines are written if stdout is a file or a pipe, and where to put them on a terminal', async () => {
    const notices: string[] = [];
    for (const args of [[], ['--import', isTerminal]]) {
      const cli = run(...args, 'cli.mjs', 'upstash');
      await vi.waitFor(() => expect(cli.err()).toMatch(/Ctrl-C.*\n/), 10_000);
      notices.push(cli.err());
      cli.child.kill('SIGTERM');
      await cli.code;
    }
    const [redirected, onTerminal] = notices;
    expect(redirected).toContain('Its two variables are written');
    expect(redirected).not.toContain('.env.local');
    expect(onTerminal).toContain('Put these two lines into .env.local');
    for (const notice of notices) expect(notice).toContain('Start `next dev` in a second terminal');
  });

  it('on a terminal it prints its two lines alone', async () => {
    const cli = run('--import', isTerminal, 'cli.mjs', 'upstash', '--token', 'secret');
    await vi.waitFor(() => expect(cli.err()).toMatch(/Ctrl-C.*\n/), 10_000);
    expect(cli.out()).toMatch(/^UPSTASH_REDIS_REST_URL=http:\S+\nUPSTASH_REDIS_REST_TOKEN=secret\n$/);
    cli.child.kill('SIGTERM');
    expect(await cli.code).toBe(0);
  });

  it.each(['', 'OPENAI_API_KEY=key', 'OPENAI_API_KEY=key\n'])(
    'can be appended to a file that has %j',
    async (before) => {
      const path = join(dir, '.env.local');
      await writeFile(path, before);
      const file = await open(path, 'a');
      const args = ['cli.mjs', 'upstash', '--token', 'secret'];
      const child = spawn(process.execPath, args, { cwd: dir, stdio: ['ignore', file.fd, 'ignore'] });
      children.push(child);
      await file.close();
      const closed = once(child, 'close');
      await vi.waitFor(async () => expect(await readFile(path, 'utf8')).toMatch(/TOKEN=.*\n$/), 10_000);
      expect(parseEnv(await readFile(path, 'utf8'))).toEqual({
        ...parseEnv(before),
        UPSTASH_REDIS_REST_URL: expect.stringMatching(/^http:/),
        UPSTASH_REDIS_REST_TOKEN: 'secret',
      });
      child.kill('SIGTERM');
      await closed;
    },
  );

  itOnRedisServer('keeps its data in a folder', async () => {
    const reads: unknown[] = [];
    for (const value of ['first', 'second']) {
      const cli = run('cli.mjs', 'upstash', '--token', 'secret', '--data', 'data');
      await vi.waitFor(() => expect(cli.out()).toMatch(/TOKEN=.*\n/), 10_000);
      const db = new Redis({ url: /URL=(.*)/.exec(cli.out())![1]!, token: 'secret', retry: false });
      reads.push(await db.get('key'));
      await db.set('key', value);
      cli.child.kill('SIGTERM');
      expect(await cli.code).toBe(0);
    }
    expect(reads).toEqual([null, 'first']);
  });

  it.each([[], ['redis'], ['upstash', 'more'], ['upstash', '--nope'], ['upstash', '--port', 'x']])(
    'shows its usage for %j %j %j',
    async (...args) => {
      const cli = run('cli.mjs', ...args);
      expect(await cli.code).toBe(2);
      expect(cli.err()).toContain('Usage: durable-chat upstash');
      expect(cli.out()).toBe('');
    },
  );
});

describeEngines('%s', (engine) => {
  it('ends with the process that started it, also if that is killed', async () => {
    const script = `const { startRedis } = await import('./redis.mjs');
      console.log((await startRedis({ engine: '${engine}' })).port);`;
    const owner = run('--input-type=module', '--eval', script);
    await vi.waitFor(() => expect(owner.out()).toMatch(/^\d+\n/), 10_000);
    const port = Number(owner.out());
    (await connectRedis(port)).close();
    owner.child.kill('SIGKILL');
    await vi.waitFor(() => expect(connectRedis(port)).rejects.toThrow('ECONNREFUSED'), 5_000);
  });
});
