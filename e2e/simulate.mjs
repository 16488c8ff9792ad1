// Runs schedules of the whole system in simulated time, on all cores: npm run simulate -- --seeds 1000
// Replays one with its trace: npm run simulate -- --seed 42 --trace
import { build } from 'esbuild';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    workers: { type: 'string', default: String(availableParallelism()) },
  },
});

const root = resolve(import.meta.dirname, '..');
const cache = join(root, 'node_modules/.cache');
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, 'simulation-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

const source = (name) => join(root, 'src/simulation', name);
const common = { bundle: true, platform: 'node', target: 'node20', outdir: folder, logLevel: 'warning' };
await Promise.all([
  build({
    ...common,
    entryPoints: [source('worker.ts')],
    format: 'esm',
    packages: 'external',
    outExtension: { '.js': '.mjs' },
  }),
  build({
    ...common,
    entryPoints: [source('processes/server-code.ts'), source('processes/page-code.ts')],
    format: 'cjs',
    external: ['ai', 'zod/v4'],
  }),
]);

const one = values.seed === undefined ? undefined : Number(values.seed);
const from = one ?? Number(values.from);
const last = one ?? (values.minutes ? Infinity : from + Number(values.seeds) - 1);
const startedAt = Date.now();
const endsAt = values.minutes ? startedAt + Number(values.minutes) * 60_000 : Infinity;
let next = from;
let count = 0;
let cpuMs = 0;
const failed = [];

function take(result) {
  count++;
  cpuMs += result.cpuMs;
  if (result.lines) console.log(result.lines.join('\n'));
  if (one !== undefined) {
    const { events, elapsed, digest } = result;
    console.log(`seed ${one}: ${events} events, ${elapsed} ms, digest ${digest}`);
  }
  if (result.violations.length === 0) return;
  failed.push(result.seed);
  console.log(`seed ${result.seed}:`);
  for (const { guarantee, what, at } of result.violations)
    console.log(`  ${guarantee} (at ${at} ms): ${what.slice(0, 2_000)}`);
  console.log(`  replay: npm run simulate -- --seed ${result.seed} --trace`);
}

const files = ['server-code.js', 'page-code.js'].map((name) => join(folder, name));
const children = Array.from({ length: one === undefined ? Number(values.workers) : 1 }, () => {
  const child = fork(join(folder, 'worker.mjs'), [...files, values.trace ? 'trace' : ''], {
    // What a schedule makes is garbage when it ends: a large nursery drops it without a copy.
    execArgv: ['--max-semi-space-size=64'],
  });
  child.on('message', (message) => {
    if (message !== 'idle') return take(message);
    const seeds = [];
    while (seeds.length < 20 && next <= last && Date.now() < endsAt) seeds.push(next++);
    if (seeds.length > 0) child.send(seeds);
    else child.disconnect();
  });
  return once(child, 'exit');
});
for (const [code] of await Promise.all(children)) if (code !== 0) process.exit(1);
const seconds = (Date.now() - startedAt) / 1000;
console.log(
  `${count} schedules from seed ${from} in ${seconds.toFixed(1)} s (${(count / seconds).toFixed(1)}/s, ${(cpuMs / count).toFixed(1)} ms of a core each), ${failed.length} with violations: ${failed.join(' ')}`,
);
process.exitCode = failed.length > 0 ? 1 : 0;
