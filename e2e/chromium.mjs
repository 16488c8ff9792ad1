// The browser of the tests: CHROMIUM_PATH, Playwright's own, the system's, or one that apt-get installs.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright';
import { aptInstall } from './apt.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const APPLICATIONS = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** The path of a Chromium; installs one where that is possible. Throws with what to do when there is none. */
export function requireChromium() {
  const found = findChromium() ?? (aptInstall('chromium') ? findChromium() : undefined);
  if (found) return found;
  throw new Error(
    'The browser tests need a Chromium. Install one (apt-get install chromium, or npx playwright install ' +
      '--with-deps chromium), or set CHROMIUM_PATH to its executable.',
  );
}

/** The path of a Chromium that is here. Throws when CHROMIUM_PATH names none. */
export function findChromium() {
  const { CHROMIUM_PATH } = process.env;
  if (CHROMIUM_PATH) {
    if (isExecutable(CHROMIUM_PATH)) return CHROMIUM_PATH;
    throw new Error(`CHROMIUM_PATH is not an executable: ${CHROMIUM_PATH}`);
  }
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/snap/bin'].filter(Boolean);
  const system = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return [chromium.executablePath(), ...system, ...APPLICATIONS].find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    console.log(requireChromium());
  } catch (error) {
    console.error(`e2e: ${error.message}`);
    process.exitCode = 1;
  }
}
