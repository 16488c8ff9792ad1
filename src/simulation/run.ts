// Runs one schedule: it acts, all faults heal, everything settles, the checks look, and all closes.

import { createRandom } from '../test/fixtures/random.fixture.ts';
import { checks } from './checks/index.ts';
import type { Violation } from './checks/evidence.ts';
import type { Schedule } from './schedule.ts';
import { Stage, type Codes } from './stage.ts';
import { replaceGlobals } from './world/globals.ts';
import { World } from './world/world.ts';

/** What a schedule has shown. */
export interface Result {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** Equal for two runs of one seed. */
  readonly digest: number;
  readonly events: number;
  /** Simulated milliseconds. */
  readonly elapsed: number;
  readonly lines: readonly string[] | undefined;
  /** How many frames were checked on the wire. */
  readonly framesChecked: number;
  /** The longest time of each kind of request, in milliseconds. */
  readonly slowestMs: Readonly<Record<string, number>>;
}

/** The world of the schedule that runs now: what processes share has its clock. */
let current: World | undefined;
const rejections: unknown[] = [];

/** Call it once, before the first schedule. */
export function prepare(isTraced: boolean): void {
  // Half of the time of an abort is its stack.
  if (!isTraced) Error.stackTraceLimit = 0;
  replaceGlobals({
    now: () => current!.now(),
    monotonic: () => current!.elapsed,
    schedule: (callback, ms) => current!.after(ms, callback),
    random: () => current!.random(),
  });
  globalThis.fetch = (input, init) => current!.hosts.get(new URL(input as string).host)!(input, init); // of the store's client, which passes a string
  process.on('unhandledRejection', (error) => void rejections.push(error));
}

/** How long everything may take to settle once the faults have healed, in simulated milliseconds. */
const settleMs = 120_000;

/** Runs a schedule. */
export async function run(schedule: Schedule, codes: Codes, isTraced = false): Promise<Result> {
  const world = new World(schedule.seed, isTraced);
  current = world;
  const stage = new Stage(world, codes, schedule);
  const { evidence } = stage;
  const heals = new Set<() => void>();
  for (let count = 0; count < schedule.instances; count++) stage.start();
  for (let count = 0; count < schedule.pages; count++)
    stage.open(schedule.sessions[count % schedule.sessions.length]!);
  for (const act of schedule.acts) {
    world.after(act.at, () => {
      const random = createRandom(act.seed);
      if ('operation' in act) {
        world.trace(() => `== ${act.operation.name}`);
        return act.operation.perform(stage, random);
      }
      world.trace(() => `## ${act.fault.name} for ${act.lasts} ms`);
      evidence.isDisturbed = true;
      const heal = act.fault.begin(stage, random);
      const once = () => {
        if (heals.delete(once)) heal();
      };
      heals.add(once);
      world.after(act.lasts, once);
    });
  }
  await world.run((schedule.acts.at(-1)?.at ?? 0) + 1);
  for (const heal of [...heals]) heal();
  stage.store.faults.clear();
  world.trace(() => '== all faults have healed');
  for (const check of checks) await check(stage, settleMs);
  for (const error of rejections.splice(0))
    evidence.violation(
      'no unhandled rejection',
      error instanceof Error ? (error.stack ?? '') : String(error),
    );
  return {
    seed: schedule.seed,
    violations: evidence.violations,
    digest: world.digest,
    events: world.count,
    elapsed: Math.round(world.elapsed),
    lines: world.lines,
    framesChecked: evidence.framesChecked,
    slowestMs: Object.fromEntries(evidence.slowestMs),
  };
}
