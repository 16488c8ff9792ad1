// Server processes of a test, to be killed, frozen and started again.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, type TestContext } from 'vitest';
import type { ScriptedCall } from './scripted-model.ts';
import { startUpstashServer, type UpstashServer } from './upstash-server.ts';
import { createClient, type Client } from './world.fixture.ts';

export interface ProducerProcess {
  /** A client that reaches this process alone. */
  client(): Client;
  /** What its model was asked, then its tool, and how that went. */
  calls(): Promise<Pick<ScriptedCall, 'text' | 'aborted' | 'finished'>[]>;
  /** SIGKILL: nothing more of it runs. */
  kill(): Promise<void>;
  /** SIGSTOP; its connections stay open. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** Starts it again after a kill, at the same address. */
  start(): Promise<void>;
}

export interface Producers {
  readonly store: () => UpstashServer;
  /** Starts a process; it ends with the test. */
  start(test: Pick<TestContext, 'onTestFinished'>): Promise<ProducerProcess>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** To be called once at the top of a test file: processes on one store. */
export function useProducers({ leaseMs }: { readonly leaseMs: number }): Producers {
  let store: UpstashServer;
  let folder: string;
  beforeAll(async () => {
    store = await startUpstashServer();
    // Inside the repository, so that its packages are found from there.
    folder = await mkdtemp(join(root, 'node_modules/.producer-'));
    await build({
      entryPoints: [fileURLToPath(new URL('producer-main.fixture.ts', import.meta.url))],
      outfile: join(folder, 'main.mjs'),
      bundle: true,
      format: 'esm',
      platform: 'node',
      packages: 'external',
    });
  });
  afterAll(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  return {
    store: () => store,
    async start({ onTestFinished }) {
      let child: ChildProcess | undefined;
      let port = 0;
      const kill = async () => {
        if (!child || child.exitCode !== null || child.signalCode !== null) return;
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      };
      const start = async () => {
        child = spawn(process.execPath, [join(folder, 'main.mjs')], {
          stdio: ['pipe', 'pipe', 'inherit'],
          env: {
            ...process.env,
            NODE_ENV: 'test',
            STORE_URL: store.url,
            STORE_TOKEN: store.token,
            LEASE_MS: String(leaseMs),
            PORT: String(port),
          },
        });
        port = await portOf(child);
      };
      onTestFinished(kill);
      await start();
      const address = () => `http://127.0.0.1:${port}`;
      return {
        client: () => createClient((request) => fetch(request), address()),
        calls: async () => (await (await fetch(`${address()}/calls`)).json()) as ScriptedCall[],
        kill,
        freeze: () => void child?.kill('SIGSTOP'),
        thaw: () => void child?.kill('SIGCONT'),
        start,
      };
    },
  };
}

function portOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.on('data', (bytes: Buffer) => {
      output += bytes.toString();
      const [, port] = /listening on (\d+)/.exec(output) ?? [];
      if (port !== undefined) resolve(Number(port));
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`The producer ended (${signal ?? code}).`)));
  });
}
