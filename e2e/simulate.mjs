// Runs schedules of the whole system in simulated time, on all cores: npm run simulate -- --seeds 1000
// Replays one with its trace: npm run simulate -- --seed 42 --trace
// Runs each twice and compares their traces: npm run simulate -- --twice
// Runs them on mutants of the product, which it must find: npm run simulate -- --mutants [name …]
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { bundleFolder, bundleProcesses, bundleWorker, loadMutants } from './simulation/bundle.mjs';
import { runMutants } from './simulation/mutants.mjs';
import { runSeeds } from './simulation/pool.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    twice: { type: 'boolean', default: false },
    workers: { type: 'string', default: String(availableParallelism()) },
    mutants: { type: 'boolean', default: false },
    mutant: { type: 'string' },
  },
});

const folder = bundleFolder();
const worker = await bundleWorker(folder);
const workers = Number(values.workers);

if (values.mutants) {
  const seeds = Number(values.seeds ?? 2_000);
  const all = await runMutants({
    folder,
    worker,
    workers,
    only: positionals,
    from: Number(values.from),
    seeds,
  });
  process.exit(all ? 0 : 1);
}

const mutant = values.mutant && (await loadMutants(folder)).find(({ name }) => name === values.mutant);
if (values.mutant && !mutant) throw new Error(`There is no mutant "${values.mutant}".`);
const one = values.seed === undefined ? undefined : Number(values.seed);
const from = one ?? Number(values.from);
const last = one ?? (values.minutes ? Infinity : from + Number(values.seeds ?? 1_000) - 1);
const startedAt = Date.now();
const endsAt = values.minutes ? startedAt + Number(values.minutes) * 60_000 : Infinity;
let following = from;
let count = 0;
let cpuMs = 0;
let frames = 0;
const slowest = new Map();
const failed = [];

await runSeeds({
  worker,
  files: await bundleProcesses(folder, mutant),
  workers: one === undefined ? workers : 1,
  how: ['trace', 'twice'].filter((name) => values[name]),
  next: () => (following <= last && Date.now() < endsAt ? following++ : undefined),
  onResult(result) {
    count++;
    cpuMs += result.cpuMs;
    frames += result.framesChecked;
    for (const [kind, ms] of Object.entries(result.slowestMs))
      slowest.set(kind, Math.max(ms, slowest.get(kind) ?? 0));
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
  },
});
// Of so many schedules some send chunks: otherwise the checks of the wire do not see them.
if (count >= 10 && frames === 0) failed.push('(no frame was checked)');
console.log(`slowest: ${[...slowest].map(([kind, ms]) => `${kind} ${Math.round(ms)} ms`).join(', ')}`);
const seconds = (Date.now() - startedAt) / 1000;
console.log(
  `${count} schedules from seed ${from} in ${seconds.toFixed(1)} s (${(count / seconds).toFixed(1)}/s, ${(cpuMs / count).toFixed(1)} ms of a core each), ${frames} frames checked, ${failed.length} with violations: ${failed.join(' ')}`,
);
process.exitCode = failed.length > 0 ? 1 : 0;
