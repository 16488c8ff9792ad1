// Schedules in simulated time: some fixed ones, those that once failed, and some that run twice.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/** Simulated time takes real time on a machine that does other things. */
const timeout = 300_000;

/** Runs schedules in processes of their own, because the simulator replaces their globals. Resolves with the report. */
async function simulate(...args: string[]): Promise<string> {
  const run = promisify(execFile)(process.execPath, ['e2e/simulate.mjs', ...args]);
  const { stdout } = await run.catch((error: { stdout: string }) => error);
  return stdout;
}

/**
 * Schedules that have found something, with what it was. A seed names the same schedule for as long as the operations and
 * faults stay the same.
 */
const found: Readonly<Record<string, number>> = {
  'the end of a run overtakes the last chunks of a half-open response': 31,
  'a session is deleted before the process of a waiting run has read its start': 37,
  'a page without a free connection follows its run on a silent subscription': 139,
};

it('no fixed schedule violates a guarantee', { timeout }, async () => {
  expect(await simulate('--seeds', '200')).toContain(' 0 with violations');
});

it.each(Object.entries(found))('%s (seed %i)', { timeout }, async (_, seed) => {
  expect(await simulate('--seed', String(seed))).toContain(' 0 with violations');
});

it('a schedule has the same trace each time', { timeout }, async () => {
  expect(await simulate('--seeds', '20', '--twice')).toContain(' 0 with violations');
});
