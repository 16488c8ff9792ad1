// Prints the library's costs next to their limits. It never fails, because the numbers differ between machines.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

if (!existsSync(resolve(import.meta.dirname, '../../dist/index.js'))) {
  console.error('bench: there is no dist/ to measure. Build it first: npm run build');
  process.exit(1);
}

const { benchBytes } = await import('./bytes.mjs');
const { benchSize } = await import('./size.mjs');
const { benchBeforeHandler, benchFirstChunk, benchLatency } = await import('./first-chunk.mjs');
const { benchCommands } = await import('./commands.mjs');
const { benchSnapshot } = await import('./snapshot.mjs');

const rows = [];
// One after the other, so that no benchmark slows another.
for (const bench of [
  benchSize,
  benchBytes,
  benchFirstChunk,
  benchLatency,
  benchBeforeHandler,
  benchCommands,
  benchSnapshot,
]) {
  rows.push(...(await bench()));
}

const headings = { what: 'what', budget: 'budget', measured: 'measured', verdict: '' };
const table = [headings, ...rows.map((row) => ({ ...row, verdict: verdict(row) }))];
const columns = ['what', 'budget', 'verdict', 'measured'];
const widths = columns.map((name) => Math.max(...table.map((row) => row[name].length)));
for (const row of table) {
  console.log(
    columns
      .map((name, index) => row[name].padEnd(widths[index]))
      .join('  ')
      .trimEnd(),
  );
}
// Connections that a benchmark keeps open on purpose would keep the process alive.
process.exit(0);

function verdict({ ok }) {
  return ok === undefined ? '' : ok ? 'within' : 'OVER';
}
