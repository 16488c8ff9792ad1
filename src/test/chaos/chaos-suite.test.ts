// The chaos suite: G1 to G6, G8 and G11 under all failures at once, for a given time. For a failed schedule it prints a
// seed, which runs the schedule again: SEED=… npx vitest run -c .config/vitest.config.ts src/test/chaos/chaos-suite.test.ts

import { expect, it } from 'vitest';
import { runSchedule, type Outcome } from './chaos-run.fixture.ts';
import { planSchedule } from './chaos-schedule.fixture.ts';
import { startUpstashServer } from '../../testing/upstash-server.ts';

/** Seeds that have found a bug. They run first. */
const regressions: readonly number[] = [4, 53, 65, 1493272021, 1519079030, 1953557219];

/** How many schedules run at the same time, each on its own store. With more, this process is busy for seconds. */
const lanes = 2;

const minutes = Number(process.env['CHAOS_MINUTES'] ?? 1);
const { SEED } = process.env;
const random = Math.floor(Math.random() * 2 ** 31);

function* seeds(): Generator<number> {
  if (SEED !== undefined) return yield* SEED.split(',').map(Number);
  yield* regressions;
  const until = performance.now() + minutes * 60_000;
  for (let seed = random; performance.now() < until; seed++) yield seed;
}

async function runAll(): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const left = seeds();
  const lane = async () => {
    const server = await startUpstashServer();
    try {
      for (let next = left.next(); !next.done; next = left.next()) {
        const outcome = await runSchedule(server, planSchedule(next.value));
        outcomes.push(outcome);
        const { violations, ...figures } = outcome;
        if (violations.length > 0) console.log(`SEED=${next.value}\n  ${violations.join('\n  ')}`);
        if (minutes > 1) console.log(JSON.stringify(figures));
      }
    } finally {
      await server.close();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return outcomes;
}

function report(outcomes: readonly Outcome[]): string {
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((total, one) => total + of(one), 0);
  const ends: Record<string, number> = {};
  for (const [reason, count] of outcomes.flatMap((one) => Object.entries(one.ends))) {
    ends[reason] = (ends[reason] ?? 0) + count;
  }
  return [
    `${outcomes.length} schedules from seed ${SEED ?? random}: ${sum((one) => one.sessions)} sessions`,
    `${sum((one) => one.viewers)} viewers`,
    `${sum((one) => one.runs)} runs (${Object.entries(ends)
      .map(([reason, count]) => `${count} ${reason}`)
      .join(', ')})`,
    `${sum((one) => one.faults)} faults`,
    `${sum((one) => one.reconnects)} reconnects`,
    `healed within ${Math.max(...outcomes.map((one) => one.healedMs))} ms`,
    `${sum((one) => one.violations.length)} violations`,
  ].join(', ');
}

it(
  'after all failures viewers and log are equal, nothing is lost, and every run ends once',
  async () => {
    const outcomes = await runAll();
    console.log(report(outcomes));
    const found = outcomes.flatMap(({ seed, violations }) => violations.map((one) => `SEED=${seed} ${one}`));
    expect(found).toEqual([]);
  },
  // A schedule that has begun is finished.
  (minutes + 8) * 60_000,
);
