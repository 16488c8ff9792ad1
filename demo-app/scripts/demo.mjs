// Runs the demo: a local store unless the environment names one, then the app, built and served as in
// production. It stops only the processes that it started.
import { spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const app = resolve(import.meta.dirname, '..');
const cli = resolve(app, '../dist/cli.js');
const next = createRequire(import.meta.url).resolve('next/dist/bin/next');
const skipBuild = process.argv.includes('--skip-build');

const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' };
const children = new Set();
let stopping = false;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void stop(0));

try {
  const port = await freePort(Number(env.PORT || 3000));
  if (!env.UPSTASH_REDIS_REST_URL && !env.KV_REST_API_URL) Object.assign(env, await startStore());
  if (!skipBuild) await build();
  await serve(port);
} catch (error) {
  if (!stopping) console.error(`demo: ${error.message}`);
  await stop(1);
}

/** Starts a process. `done` rejects if the process ends. */
function start(name, args, stdout) {
  // A process group of its own: the terminal's Ctrl-C reaches only this script, which then stops each child in order.
  const child = spawn(process.execPath, args, {
    cwd: app,
    env,
    stdio: ['ignore', stdout, 'inherit'],
    detached: true,
  });
  children.add(child);
  const done = new Promise((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      children.delete(child);
      reject(Object.assign(new Error(`${name} ended (${signal ?? `exit code ${code}`})`), { code }));
    });
  });
  done.catch(() => {});
  return { child, done };
}

async function startStore() {
  const keeps = spawnSync('redis-server', ['--version']).error === undefined;
  if (!keeps)
    console.log('demo: redis-server is not on the PATH, so chats last only as long as this demo runs.');
  const data = keeps ? ['--data', join(app, '.data')] : [];
  const { child, done } = start('the local store', [cli, 'upstash', ...data], 'pipe');
  const found = {};
  const ready = new Promise((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, name, value] = /(UPSTASH_REDIS_REST_(?:URL|TOKEN))=["']?([^"'\s]+)/.exec(line) ?? [];
      if (name) found[name] = value;
      if (found.UPSTASH_REDIS_REST_URL && found.UPSTASH_REDIS_REST_TOKEN) resolve(found);
    });
  });
  const late = sleep(30_000, undefined, { ref: false }).then(() => {
    throw new Error('the local store did not start within 30 seconds');
  });
  late.catch(() => {});
  await Promise.race([ready, done, late]);
  done.catch((error) => void fail(error));
  return found;
}

async function build() {
  const { done } = start('next build', [next, 'build'], 'inherit');
  await done.catch((error) => {
    if (error.code !== 0) throw error;
  });
}

async function serve(port) {
  const { done } = start('next start', [next, 'start', '--port', String(port)], 'inherit');
  const url = `http://localhost:${port}`;
  await Promise.race([done, answers(url)]);
  done.catch((error) => void fail(error));
  console.log(`\n  durable-chat demo: ${url}\n`);
}

async function answers(url) {
  while (!stopping) {
    const response = await fetch(url, { redirect: 'manual' }).catch(() => undefined);
    if (response !== undefined && response.status < 400) return;
    if (response !== undefined) throw new Error(`the app answers ${response.status}`);
    await sleep(100);
  }
}

/** Returns the port if it is free. Otherwise another server on it would be taken for the demo. */
function freePort(port) {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', () => reject(new Error(`port ${port} is in use. Choose another one with PORT=…`)));
    probe.listen(port, () => {
      const chosen = probe.address().port;
      probe.close(() => resolve(chosen));
    });
  });
}

async function fail(error) {
  if (stopping) return;
  console.error(`demo: ${error.message}`);
  await stop(1);
}

async function stop(code) {
  if (stopping) return;
  stopping = true;
  const running = [...children];
  const gone = Promise.all(running.map((child) => new Promise((resolve) => child.once('exit', resolve))));
  for (const child of running) child.kill('SIGTERM');
  const patience = sleep(5000, undefined, { ref: false }).then(() => {
    for (const child of children) child.kill('SIGKILL');
  });
  await Promise.race([gone, patience]);
  process.exit(code);
}
