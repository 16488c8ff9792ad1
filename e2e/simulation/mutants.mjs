// Runs the simulator on mutants of the product, one by one: each must be found.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { bundleProcesses, loadMutants } from './bundle.mjs';
import { runSeeds } from './pool.mjs';

/**
 * @param options.only Names of mutants. Without names, all of them.
 * @param options.from The first seed.
 * @param options.seeds In how many seeds a mutant must be found.
 * @returns Whether all were found.
 */
export async function runMutants({ folder, worker, only, from, seeds, workers }) {
  const known = await loadMutants(folder);
  const mutants = known.filter(({ name }) => only.length === 0 || only.includes(name));
  const original = await bundleProcesses(folder);
  const missed = [];

  /** The guarantees that a schedule violates without the mutant. */
  async function violatedBefore(seed) {
    const seen = new Set();
    const left = [seed];
    const onResult = ({ violations }) => violations.forEach(({ guarantee }) => seen.add(guarantee));
    await runSeeds({ worker, files: original, workers: 1, next: () => left.pop(), onResult });
    return seen;
  }

  for (const [index, mutant] of mutants.entries()) {
    const startedAt = Date.now();
    const own = join(folder, `mutant-${index}`);
    mkdirSync(own);
    const files = await bundleProcesses(own, mutant);
    let found;
    let count = 0;
    let seed = from;
    const last = from + seeds - 1;
    const pending = [];
    while (!found && seed <= last) {
      const until = Math.min(last, seed + 20 * workers - 1);
      await runSeeds({
        ...{ worker, files, workers, batch: 2 },
        next: () => (pending.length < 3 && seed <= until ? seed++ : undefined),
        onResult(result) {
          count++;
          if (result.violations.length > 0) pending.push(result);
        },
      });
      for (const result of pending.splice(0)) {
        const before = await violatedBefore(result.seed);
        const fresh = result.violations.find(({ guarantee }) => !before.has(guarantee));
        if (fresh) found ??= { seed: result.seed, ...fresh };
      }
    }
    const took = `${count} schedules, ${((Date.now() - startedAt) / 1000).toFixed(0)} s`;
    if (found) {
      console.log(`found   ${mutant.name} (seed ${found.seed}, ${took})`);
      console.log(`        ${found.guarantee} (at ${found.at} ms): ${found.what.slice(0, 300)}`);
      console.log(
        `        trace: npm run simulate -- --mutant "${mutant.name}" --seed ${found.seed} --trace`,
      );
    } else {
      missed.push(mutant.name);
      console.log(`MISSED  ${mutant.name} (${took})`);
    }
  }
  console.log(
    `${mutants.length - missed.length} of ${mutants.length} mutants found; missed: ${missed.join(', ') || 'none'}`,
  );
  return missed.length === 0;
}
