// One schedule of the chaos suite: many sessions on one store, their failures, and the checks after
// the last failure.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkSession } from './chaos-check.fixture.ts';
import { Conversation } from './chaos-conversation.fixture.ts';
import { createCluster, type Cluster } from './chaos-cluster.fixture.ts';
import type { Schedule, Trouble } from './chaos-schedule.fixture.ts';
import { createRandom, type Random } from '../fixtures/random.fixture.ts';
import type { UpstashServer } from '../../testing/upstash-server.ts';

export interface Outcome {
  readonly seed: number;
  readonly sessions: number;
  readonly viewers: number;
  readonly runs: number;
  readonly ends: Record<string, number>;
  readonly faults: number;
  readonly reconnects: number;
  /** The time from the end of the last fault until all viewers were equal to the log. */
  readonly healedMs: number;
  /** The longest time for which this process ran nothing else. A request that waits meanwhile can time out. */
  readonly stalledMs: number;
  readonly violations: string[];
}

/** The longest time that a check may take: a silent subscription is detected after 20 s, and a hanging request given up. */
const healWithinMs = 90_000;

export async function runSchedule(server: UpstashServer, schedule: Schedule): Promise<Outcome> {
  const { seed, instances, sessions, events } = schedule;
  const random = createRandom(seed + 1);
  const cluster = createCluster(server, instances, random);
  const conversations = Array.from(
    { length: sessions },
    (_, index) => new Conversation(`chaos ${seed} ${index}`, cluster, random),
  );
  const violations: string[] = [];
  const stalls = monitorEventLoopDelay();
  stalls.enable();
  let faults = 0;
  try {
    const begin = performance.now();
    for (const { atMs, what } of events) {
      const wait = begin + atMs - performance.now();
      // A chat needs a moment before it sends a message. A stop in that moment stops the send.
      await sleep(Math.max(1, wait));
      if (what.type === 'action') conversations[what.session]!.perform(what.action);
      else {
        faults++;
        const ids = conversations.map(({ id }) => id);
        befall(server, cluster, ids, what, random);
      }
    }
    await cluster.heal();
    server.faults.clear();
    for (const conversation of conversations) conversation.heal();
    const healed = performance.now();
    await Promise.all(conversations.map((one) => one.agree(healWithinMs)));
    const healedMs = Math.round(performance.now() - healed);
    await Promise.all(conversations.map((one) => one.nextRun(healWithinMs)));
    for (const conversation of conversations) conversation.checkPosts();

    const ends: Record<string, number> = {};
    let runs = 0;
    for (const { id, accepted, violations: own } of conversations) {
      const checked = await checkSession(cluster, id, accepted);
      runs += checked.runs;
      for (const [reason, count] of Object.entries(checked.ends)) ends[reason] = (ends[reason] ?? 0) + count;
      violations.push(...[...own, ...checked.violations].map((what) => `${id}: ${what}`));
    }
    const sum = (of: (one: Conversation) => number) =>
      conversations.reduce((total, one) => total + of(one), 0);
    return {
      seed,
      sessions,
      viewers: sum((one) => one.joined),
      runs,
      ends,
      faults: faults + sum((one) => one.faults),
      reconnects: sum((one) => one.reconnects),
      healedMs,
      stalledMs: Math.round(stalls.max / 1e6),
      violations,
    };
  } finally {
    stalls.disable();
    server.faults.clear();
    for (const conversation of conversations) conversation.close();
  }
}

function befall(
  server: UpstashServer,
  cluster: Cluster,
  ids: readonly string[],
  what: Trouble,
  random: Random,
): void {
  switch (what.type) {
    case 'store': {
      const { fault, probability, forMs } = what;
      const end = server.faults.inject(fault, { match: () => random.chance(probability) });
      setTimeout(end, forMs);
      break;
    }
    case 'subscriptions':
      server.faults.dropSubscriptions(what.how);
      break;
    case 'late-wakes':
      cluster.lateWakes(what.forMs);
      break;
    case 'kill':
      cluster.kill(what.instance, what.againAfterMs);
      break;
    case 'hold':
      cluster.hold(what.instance, what.forMs, what.ms);
      break;
    case 'vanish':
      void cluster.vanish(ids);
      break;
    case 'freeze':
      cluster.freeze(what.instance, what.forMs);
      break;
    default:
      what satisfies never;
  }
}
