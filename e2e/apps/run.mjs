// Adopts the package as a new user does: packs it, installs it in small apps on the oldest and the newest Next, React,
// zod and ai that it supports, builds each with both bundlers, and sends one message.
import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { exchange } from './exchange.mjs';
import { endAll, free, run, serve } from './processes.mjs';

const root = resolve(import.meta.dirname, '../..');
const results = join(root, 'e2e/.results');

/** The checks of each app, in this order. The first step that fails ends the checks of its app. */
const steps = {
  'installs the packed package': ({ app }) =>
    run('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'], app),
  'builds with webpack': ({ app }) => run('npm', ['run', 'webpack'], app),
  'builds with Turbopack': async ({ app }) => {
    await rm(join(app, '.next'), { recursive: true });
    await run('npm', ['run', 'turbopack'], app);
  },
  'has valid types': ({ app }) => run('npm', ['run', 'types'], app, ownErrors),
  'answers a message': async ({ app }) => {
    const port = await free();
    const store = await startStore(app);
    try {
      const server = await serve(
        'npm',
        ['run', 'start', '--', '--port', String(port)],
        app,
        /Ready in/,
        store.env,
      );
      await exchange(`http://127.0.0.1:${port}`).finally(server.end);
    } finally {
      await store.end();
    }
  },
};

const failed = [];
let passed = 0;
const temporary = await mkdtemp(join(tmpdir(), 'durable-chat-apps-'));
try {
  await check('the package builds and packs', async () => {
    await run('npm', ['run', 'build'], root);
    await run('npm', ['pack', '--pack-destination', temporary], root);
    const packed = (await readdir(temporary)).find((name) => name.endsWith('.tgz'));
    await rename(join(temporary, packed), join(temporary, 'durable-chat.tgz'));
  });
  await check('`npx durable-chat upstash` runs in the checkout', async () => (await startStore(root)).end());
  await Promise.all(['next-15', 'next-16'].map(checkApp));
} finally {
  await endAll();
  await rm(temporary, { recursive: true, force: true });
}
await mkdir(results, { recursive: true });
await writeFile(join(results, 'apps.json'), JSON.stringify({ passed, failed }));
console.log(`apps: ${passed} passed, ${failed.length} failed`);
process.exitCode = failed.length > 0 ? 1 : 0;

async function checkApp(name) {
  const app = join(temporary, name);
  await cp(join(import.meta.dirname, 'shared'), app, { recursive: true });
  await cp(join(import.meta.dirname, name), app, { recursive: true });
  let isUp = true;
  for (const [what, step] of Object.entries(steps)) {
    isUp &&= await check(`${name} ${what}`, () => step({ app }));
    if (!isUp) break;
  }
}

async function check(name, step) {
  const begin = performance.now();
  try {
    await step();
    passed++;
    console.log(`apps: ${name} (${((performance.now() - begin) / 1000).toFixed(0)} s)`);
    return true;
  } catch (error) {
    failed.push(name);
    console.error(`apps: FAILED: ${name}\n${error.stack}`);
    return false;
  }
}

/** The package's own command, as `npx` finds it from `folder`. */
async function startStore(folder) {
  const store = await serve('npx', ['--no-install', 'durable-chat', 'upstash'], folder, /TOKEN=.*\n/);
  const lines = [...store.output().matchAll(/^(UPSTASH_\w+)=(.+)$/gm)];
  return { ...store, env: Object.fromEntries(lines.map(([, name, value]) => [name, value])) };
}

/** The compiler's errors in the app and in this package. Errors in other packages are left out. */
function ownErrors(output) {
  return output
    .split('\n')
    .filter((line) => /error TS/.test(line) && !/^node_modules\/(?!durable-chat\/)/.test(line));
}
