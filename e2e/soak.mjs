// Runs the chaos suite for a given time: npm run soak -- --minutes 30
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  console.error(`soak: not a number of minutes: ${values.minutes}`);
  process.exit(2);
}

const root = resolve(import.meta.dirname, '..');
const vitest = join(createRequire(import.meta.url).resolve('vitest/package.json'), '../vitest.mjs');
const suite = 'src/test/chaos/chaos-suite.test.ts';
const args = ['run', '--config', '.config/vitest.config.ts', '--reporter', 'verbose', suite];
const child = spawn(process.execPath, [vitest, ...args], {
  cwd: root,
  env: { ...process.env, CHAOS_MINUTES: String(minutes) },
  stdio: 'inherit',
});
child.once('exit', (code, signal) => (process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1)));
