// The built demo as in production, on its own store.
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { startGate, type Gate } from './gate.ts';
import { freePort, startScript, type ServerProcess } from './process.ts';

export interface Demo {
  readonly url: string;
  /** The lines that the servers have written to stderr so far. */
  readonly errors: readonly string[];
  /** Where its model and its slow tool wait. */
  readonly gate: Gate;
  /** Kills the app's server, as a crash does. The store keeps running. */
  kill(): Promise<void>;
  /** Starts the app's server again, at the same address. */
  start(): Promise<void>;
  close(): Promise<void>;
}

const root = resolve(import.meta.dirname, '../..');
const next = createRequire(import.meta.url).resolve('next/dist/bin/next');

export async function startDemo(): Promise<Demo> {
  const errors: string[] = [];
  const gate = await startGate();
  const store = startScript([resolve(root, 'dist/cli.js'), 'upstash'], {
    cwd: root,
    env: process.env,
    // Its greeting is on stderr, because its stdout can be an .env file.
    onError: (line) => void (line.startsWith('A local Upstash') || errors.push(line)),
  });
  let app: ServerProcess | undefined;
  try {
    const [storeUrl, token] = await Promise.all([
      store.line((line) => /^UPSTASH_REDIS_REST_URL=(.+)$/.exec(line)?.[1]),
      store.line((line) => /^UPSTASH_REDIS_REST_TOKEN=(.+)$/.exec(line)?.[1]),
    ]);
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const demo: Demo = {
      url,
      errors,
      gate,
      async kill() {
        await app?.end('SIGKILL');
      },
      async start() {
        app = startScript([next, 'start', '--hostname', '127.0.0.1', '--port', String(port)], {
          cwd: resolve(root, 'demo-app'),
          env: {
            ...process.env,
            NODE_ENV: 'production',
            NEXT_TELEMETRY_DISABLED: '1',
            E2E_GATE: gate.url,
            UPSTASH_REDIS_REST_URL: storeUrl,
            UPSTASH_REDIS_REST_TOKEN: token,
            // Empty and not absent: an .env.local could set a key, and the tests need the scripted model.
            OPENAI_API_KEY: '',
          },
          onError: (line) => errors.push(line),
        });
        await Promise.race([app.died, responds(url)]);
      },
      async close() {
        await app?.end('SIGKILL');
        await store.end('SIGTERM');
        gate.close();
      },
    };
    await demo.start();
    return demo;
  } catch (error) {
    await app?.end('SIGKILL');
    await store.end('SIGTERM');
    gate.close();
    throw new Error(`The demo did not start:\n${errors.join('\n')}`, { cause: error });
  }
}

async function responds(url: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const response = await fetch(url, { redirect: 'manual' }).catch(() => undefined);
    if (response && response.status < 400) return;
    await after(50);
  }
  throw new Error(`${url} did not respond within 30 seconds`);
}
