// The events of one schedule of the chaos suite and their times, all from the seed.

import { createRandom, type Random } from '../fixtures/random.fixture.ts';
import type { Fault, SubscriptionDrop } from '../../testing/upstash-faults.ts';

/** An action of a viewer. Viewers are counted from 0, modulo their number. */
export type Action =
  | { readonly type: 'join' }
  | {
      readonly type: 'leave' | 'reload' | 'cut' | 'stop' | 'regenerate' | 'edit' | 'withdraw';
      readonly viewer: number;
    }
  | {
      readonly type: 'send';
      readonly viewer: number;
      readonly text: string;
      readonly whenBusy?: 'interrupt' | 'parallel';
    }
  /** The same send twice, like a client that got no response. */
  | { readonly type: 'send-twice'; readonly text: string; readonly pauseMs: number }
  /** For a while, connections break after this number of bytes. */
  | { readonly type: 'drop-at'; readonly viewer: number; readonly bytes: number; readonly times: number };

/** A failure that affects all sessions of the store. */
export type Trouble =
  | { readonly type: 'store'; readonly fault: Fault; readonly probability: number; readonly forMs: number }
  | { readonly type: 'subscriptions'; readonly how: SubscriptionDrop }
  | { readonly type: 'late-wakes'; readonly forMs: number }
  | { readonly type: 'hold'; readonly instance: number; readonly forMs: number; readonly ms: number }
  /** The stored chunks of one run are removed. */
  | { readonly type: 'vanish' }
  | { readonly type: 'kill'; readonly instance: number; readonly againAfterMs: number }
  | { readonly type: 'freeze'; readonly instance: number; readonly forMs: number };

interface Event {
  readonly atMs: number;
  readonly what: Trouble | { readonly type: 'action'; readonly session: number; readonly action: Action };
}

export interface Schedule {
  readonly seed: number;
  readonly instances: number;
  readonly sessions: number;
  /** The events in order. */
  readonly events: readonly Event[];
}

export const leaseMs = 1_500;
const lastsMs = 4_000;

export function planSchedule(seed: number): Schedule {
  const random = createRandom(seed);
  const instances = random.int(1, 3);
  const sessions = 8;
  const events: Event[] = [];
  const at = () => random.int(0, lastsMs);
  for (let session = 0; session < sessions; session++) {
    const act = (atMs: number, action: Action) =>
      events.push({ atMs, what: { type: 'action', session, action } });
    for (let viewers = random.int(1, 3); viewers > 0; viewers--) act(0, { type: 'join' });
    act(random.int(1, 500), { type: 'send', viewer: 0, text: question(random, `${session} first`) });
    for (let index = random.int(4, 16); index > 0; index--) {
      act(at(), anyAction(random, `${session} ${index}`));
    }
  }
  for (let index = random.int(3, 9); index > 0; index--) {
    events.push({ atMs: at(), what: anyTrouble(random, instances) });
  }
  // A separate random sequence, so that old seeds give the same schedule.
  const more = createRandom(seed ^ 0x5eed);
  for (let index = more.int(0, 4); index > 0; index--) {
    events.push({ atMs: more.int(0, lastsMs), what: rarerTrouble(more, instances) });
  }
  if (more.chance(0.2)) {
    const session = more.int(0, sessions - 1);
    const action: Action = { type: 'send', viewer: 0, text: `(${session} burst) count to 9 at 200/s` };
    events.push({ atMs: more.int(500, lastsMs), what: { type: 'action', session, action } });
  }
  return { seed, instances, sessions, events: events.sort((a, b) => a.atMs - b.atMs) };
}

/** Every text is unique, so that a doubled message is visible. */
function question(random: Random, name: string): string {
  if (random.chance(0.1)) return `(${name}) weather in Lisbon`;
  return `(${name}) count to ${random.int(1, 60)} at ${random.pick([20, 60, 200, 1000])}/s`;
}

function anyAction(random: Random, name: string): Action {
  const viewer = random.int(0, 4);
  const kind = random.int(0, 99);
  if (kind < 28) return { type: 'send', viewer, text: question(random, name) };
  if (kind < 34) return { type: 'send', viewer, text: question(random, name), whenBusy: 'interrupt' };
  if (kind < 37) return { type: 'send', viewer, text: question(random, name), whenBusy: 'parallel' };
  if (kind < 43) return { type: 'send-twice', text: question(random, name), pauseMs: random.int(0, 500) };
  if (kind < 53) return { type: 'cut', viewer };
  if (kind < 61) return { type: 'drop-at', viewer, bytes: random.int(0, 3_000), times: random.int(1, 5) };
  if (kind < 69) return { type: 'join' };
  if (kind < 74) return { type: 'leave', viewer };
  if (kind < 82) return { type: 'reload', viewer };
  if (kind < 89) return { type: 'stop', viewer };
  if (kind < 93) return { type: 'regenerate', viewer };
  if (kind < 96) return { type: 'edit', viewer };
  return { type: 'withdraw', viewer };
}

function rarerTrouble(random: Random, instances: number): Trouble {
  const forMs = random.int(100, 2_000);
  const kind = random.int(0, 99);
  if (kind < 20) return { type: 'vanish' };
  if (kind < 60) {
    return { type: 'hold', instance: random.int(0, instances - 1), forMs, ms: random.int(100, 5_000) };
  }
  const fault: Fault = kind < 80 ? { kind: 'refuse-xadd' } : { kind: 'stale' };
  return { type: 'store', fault, probability: random.pick([0.1, 0.4, 1]), forMs };
}

function anyTrouble(random: Random, instances: number): Trouble {
  const kind = random.int(0, 99);
  if (kind < 12)
    return { type: 'kill', instance: random.int(0, instances - 1), againAfterMs: random.int(0, 1_000) };
  if (kind < 24)
    return { type: 'freeze', instance: random.int(0, instances - 1), forMs: random.int(100, 3_500) };
  if (kind < 36) return { type: 'subscriptions', how: random.pick(['end', 'reset', 'silence']) };
  if (kind < 44) return { type: 'late-wakes', forMs: random.int(200, 2_000) };
  const fault = random.pick<Fault>([
    { kind: 'status', status: 500 },
    { kind: 'status', status: 429 },
    { kind: 'refuse' },
    { kind: 'hang' },
    { kind: 'lose-reply' },
    { kind: 'delay', ms: random.int(20, 2_000) },
    { kind: 'stale' },
    { kind: 'drop-publish' },
    { kind: 'duplicate-publish' },
  ]);
  return { type: 'store', fault, probability: random.pick([0.1, 0.4, 1]), forMs: random.int(100, 1_500) };
}
