// Runs the browser tests against the built demo. It builds only what has changed since the last build.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { requireChromium } from './chromium.mjs';

const root = resolve(import.meta.dirname, '..');
const results = join(root, 'e2e/.results');
const require = createRequire(import.meta.url);
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' };

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`e2e: ${error.message}`);
  process.exitCode = 1;
}

async function main() {
  env.CHROMIUM_PATH = requireChromium();
  if (isOlder('dist/cli.js', filesIn('src'))) await must('npm', ['run', 'build']);
  await buildDemo();
  const cli = join(require.resolve('@playwright/test/package.json'), '../cli.js');
  return run(process.execPath, [cli, 'test', '-c', 'e2e/playwright.config.ts', ...process.argv.slice(2)]);
}

async function buildDemo() {
  const stamp = join(results, 'demo-build.json');
  const sources = hash(['dist', 'demo-app'].flatMap(filesIn));
  // Each build has its own id: another id means that something else was built in between.
  const state = () => JSON.stringify({ sources, build: read(join(root, 'demo-app/.next/BUILD_ID')) });
  if (read(stamp) === state()) return;
  await must(process.execPath, [require.resolve('next/dist/bin/next'), 'build', 'demo-app']);
  mkdirSync(results, { recursive: true });
  writeFileSync(stamp, state());
}

/** All files in a folder, except those that a build or an install has made. */
function filesIn(folder) {
  const made =
    /^(node_modules|\.next|\.data|scripts|next-env\.d\.ts)$|\.test\.tsx?$|\.fixture\.ts$|\.tsbuildinfo$/;
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter(({ name }) => !made.test(name))
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      return entry.isDirectory() ? filesIn(path) : [path];
    })
    .sort();
}

function isOlder(target, sources) {
  if (!existsSync(join(root, target))) return true;
  const built = statSync(join(root, target)).mtimeMs;
  return sources.some((path) => statSync(join(root, path)).mtimeMs > built);
}

function hash(paths) {
  const sum = createHash('sha256');
  for (const path of paths)
    sum
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update('\0');
  return sum.digest('hex');
}

function read(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

async function must(command, args) {
  const code = await run(command, args);
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')} failed (${code})`);
}

function run(command, args) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd: root, env, stdio: 'inherit' });
    child.once('error', fail);
    child.once('exit', (code, signal) => done(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}
