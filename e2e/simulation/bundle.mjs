// Bundles the simulator and the code of its processes.
import { build } from 'esbuild';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const source = (name) => join(root, 'src/simulation', name);
const common = { bundle: true, platform: 'node', target: 'node20', logLevel: 'warning' };
const simulator = { ...common, format: 'esm', packages: 'external', outExtension: { '.js': '.mjs' } };

/** A folder for bundles. It is removed when this process ends. */
export function bundleFolder() {
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'simulation-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The program of a worker. */
export async function bundleWorker(folder) {
  await build({ ...simulator, outdir: folder, entryPoints: [source('worker.ts')] });
  return join(folder, 'worker.mjs');
}

/** The code of a server instance and of a page, with the changes of a mutant. */
export async function bundleProcesses(folder, mutant) {
  const changes = mutant && {
    name: 'mutant',
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path !== join(root, mutant.file)) return undefined;
        return { contents: mutate(readFileSync(path, 'utf8'), mutant), loader: 'ts' };
      }),
  };
  await build({
    ...common,
    outdir: folder,
    entryPoints: [source('processes/server-code.ts'), source('processes/page-code.ts')],
    format: 'cjs',
    external: ['ai', 'zod/v4', '@upstash/redis'],
    plugins: changes ? [changes] : [],
  });
  return ['server-code.js', 'page-code.js'].map((name) => join(folder, name));
}

function mutate(text, { name, from, to }) {
  if (text.split(from).length !== 2) throw new Error(`The mutant "${name}" does not fit its file.`);
  return text.replace(from, () => to);
}

/** The list of mutants. */
export async function loadMutants(folder) {
  await build({ ...simulator, outdir: folder, entryPoints: [source('mutants/mutants.ts')] });
  return (await import(join(folder, 'mutants.mjs'))).mutants;
}
