// Runs the processes of the apps: commands to their end, and servers until the test no longer needs them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Runs a command. Rejects with its output when it fails, or when `errorsOf` finds errors in the output. */
export async function run(command, args, cwd, errorsOf) {
  const { child, output } = start(command, args, cwd);
  const [code] = await once(child, 'close');
  const errors = errorsOf?.(output());
  if (errors ? errors.length > 0 : code !== 0)
    throw new Error(`${command} ${args.join(' ')} (${code}):\n${errors?.join('\n') ?? output()}`);
}

/** Starts a server; resolves once its output matches `ready`. `end` resolves when it and its children are gone. */
export async function serve(command, args, cwd, ready, env) {
  const { child, output } = start(command, args, cwd, env);
  const closed = once(child, 'close');
  const end = async () => {
    stop(child);
    await closed;
  };
  const isReady = new Promise((done) => {
    const look = () => ready.test(output()) && done(true);
    child.stdout.on('data', look);
  });
  const late = setTimeout(end, 60_000);
  const up = await Promise.race([isReady, closed.then(() => false)]);
  clearTimeout(late);
  if (!up) throw new Error(`${command} ${args.join(' ')} did not start:\n${output()}`);
  return { output, end };
}

/** Ends all processes that this module started and that still run. */
export async function endAll() {
  await Promise.all(
    [...running].map((child) => {
      stop(child);
      return once(child, 'close');
    }),
  );
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void endAll());

const running = new Set();

/** npm and npx start the server as a child, so the signal goes to the whole process group. */
function stop(child) {
  if (running.has(child)) process.kill(-child.pid, 'SIGTERM');
}

function start(command, args, cwd, env) {
  const child = spawn(command, args, {
    cwd,
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  child.once('close', () => running.delete(child));
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (text += bytes));
  return { child, output: () => text };
}

/** The environment without npm's variables of this package, and without the variables of a developer's store. */
function cleanEnvironment() {
  const ours = /^(npm_(config_local_prefix|package_.*|lifecycle_.*)|INIT_CWD|NODE_ENV|(UPSTASH|KV)_.*)$/;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
  return { ...env, NEXT_TELEMETRY_DISABLED: '1' };
}

export async function free() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
