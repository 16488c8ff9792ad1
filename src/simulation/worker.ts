// Runs schedules in a process of its own, and reports each to its parent.

import type { ServerCode } from './processes/instance.ts';
import type { PageCode } from './processes/page.ts';
import { prepare, run, type Result } from './run.ts';
import { scheduleOf } from './schedule.ts';
import { loadBundle } from './world/bundle.ts';

const [server, page, ...how] = process.argv.slice(2) as [string, string, ...string[]]; // of simulate.mjs
const codes = { server: loadBundle<ServerCode>(server), page: loadBundle<PageCode>(page) };
const isTraced = how.includes('trace');
/** Each schedule runs twice, and its traces are compared. */
const isTwice = how.includes('twice');
prepare(isTraced);

async function runOnce(seed: number): Promise<Result> {
  const result = await run(scheduleOf(seed), codes, isTraced || isTwice);
  if (!isTwice) return result;
  const again = await run(scheduleOf(seed), codes, true);
  const at = result.lines!.findIndex((line, index) => line !== again.lines![index]);
  const isSame = at === -1 && again.lines!.length === result.lines!.length && again.digest === result.digest;
  const what = `the second run differs at line ${at}: ${result.lines![at]} / ${again.lines![at]}`;
  const differs = isSame ? [] : [{ guarantee: 'determinism', what, at: 0 }];
  return {
    ...result,
    violations: [...result.violations, ...differs],
    lines: isTraced ? result.lines : undefined,
  };
}

async function work(seeds: readonly number[]): Promise<void> {
  for (const seed of seeds) {
    const before = process.cpuUsage();
    const result = await runOnce(seed);
    const { user, system } = process.cpuUsage(before);
    process.send!({ ...result, cpuMs: (user + system) / 1000 });
  }
  process.send!('idle');
}

process.on('message', (seeds: readonly number[]) => {
  // An error of the simulator itself must not count as a rejection of a schedule.
  work(seeds).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
process.send!('idle');
