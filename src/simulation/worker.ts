// Runs schedules in a process of its own, and reports each to its parent.

import type { ServerCode } from './processes/instance.ts';
import type { PageCode } from './processes/page.ts';
import { prepare, run } from './run.ts';
import { scheduleOf } from './schedule.ts';
import { loadBundle } from './world/bundle.ts';

const [server, page, traced] = process.argv.slice(2) as [string, string, string?]; // of simulate.mjs
const codes = { server: loadBundle<ServerCode>(server), page: loadBundle<PageCode>(page) };
const isTraced = traced === 'trace';
prepare(isTraced);

async function work(seeds: readonly number[]): Promise<void> {
  for (const seed of seeds) {
    const before = process.cpuUsage();
    const result = await run(scheduleOf(seed), codes, isTraced);
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
