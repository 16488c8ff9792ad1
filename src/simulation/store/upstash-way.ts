// The way from server instances to a simulated Upstash: latencies, faults and open subscriptions. Its decisions come from
// the world's random numbers, in the order of the requests.

import { createFaults, type Fault, type FaultPlan } from '../../testing/upstash-faults.ts';
import type { FaultRequest, SubscriptionDrop } from '../../testing/upstash-faults.ts';
import { RespError, type RespValue } from '../../testing/resp.ts';
import { createRest, type Rest } from '../../testing/upstash-rest.ts';
import type { Lag, RedisModel, Replica } from './redis.ts';
import { createFetch, type Line } from './upstash-fetch.ts';

/** What the way needs of the world. */
export interface StoreWorld {
  /** Calls back after `ms` of the world's time. */
  schedule(callback: () => void, ms: number): () => void;
  /** A number from 0 up to, and not including, 1. */
  random(): number;
  /** Takes a line if the trace is read. */
  trace(line: () => string): void;
}

/** The faults of requests (`src/testing/upstash-faults.ts`), and of the messages to subscribers. */
export type WayFault =
  | Exclude<Fault, { kind: 'stale' }>
  /** A replica that is behind replies to plain reads. Default: it stops when the fault begins. */
  | { readonly kind: 'stale'; readonly lag?: Lag }
  /** A message reaches a subscriber `ms` later, and others can come before it. */
  | { readonly kind: 'late-publish'; readonly ms: number };

/** Which requests a fault affects. */
interface WayFaultOptions {
  /** The instance whose requests are affected. Default: all. */
  readonly origin?: string;
  /** The share of its requests that are affected, from 0 to 1. Default: 1. */
  readonly share?: number;
  /** How many requests are affected. Default: until the fault is removed. */
  readonly times?: number;
}

/** The way to the store. */
export interface StoreWay {
  /**
   * The `fetch` of one instance.
   *
   * @param origin Its name.
   * @param enter Runs what reaches the instance: a response, or a piece of a subscription. Default: at once.
   */
  fetchFor(origin: string, enter?: (run: () => void) => void): typeof fetch;
  /** The instance is dead: its subscriptions are closed, and nothing reaches it. */
  leave(origin: string): void;
  readonly faults: {
    /** The result removes the fault. What is held for a time still arrives at its time. */
    inject(fault: WayFault, options?: WayFaultOptions): () => void;
    /** Ends the open subscriptions of an instance, or of all. */
    dropSubscriptions(how: SubscriptionDrop, origin?: string): void;
    /** Removes all faults. */
    clear(): void;
  };
  /** The commands so far, by name. */
  counts(): Record<string, number>;
  readonly requests: number;
  readonly openSubscriptions: number;
}

interface OriginRequest extends FaultRequest {
  readonly origin: string;
}

interface Open {
  readonly origin: string;
  readonly line: Line;
  isSilent: boolean;
  close(): void;
}

/** A request takes so many milliseconds to the store, and as many back. */
const leastMs = 1;
const mostMs = 8;

/** The token of the simulated database. */
export const simulatedToken = 'simulated';
/** An address for its client. */
export const simulatedUrl = 'http://store.simulated';

/** @returns The way, without faults. */
export function createUpstashWay(redis: RedisModel, world: StoreWorld): StoreWay {
  const rests: Rest[] = [];
  const open = new Set<Open>();
  const replicas = new Map<Fault, Replica>();
  const late = new Set<{ readonly ms: number; readonly concerns: (origin: string) => boolean }>();

  const latency = () => leastMs + Math.floor(world.random() * (mostMs - leastMs + 1));
  const wait = (ms: number) => new Promise<void>((resolve) => void world.schedule(resolve, ms));

  const { faults, planFor } = createFaults<OriginRequest>({
    dropSubscriptions: (how) => drop(how),
    hold: (ms, removed) => (ms === undefined ? removed : wait(ms)),
    replicaOf: (fault) => (command) => replicas.get(fault)!.execute(command), // it was made with the fault
  });

  function restOf(origin: string): Rest {
    const executed = <T extends RespValue>(reply: T, ...commands: readonly string[][]): T => {
      world.trace(
        () => `store, for ${origin}: ${commands.map(brief).join('; ')} -> ${brief([reply].flat())}`,
      );
      return reply;
    };
    const rest = createRest({
      token: simulatedToken,
      wait,
      async send(commands) {
        const replies: RespValue[] = [];
        for (const command of commands) {
          // Commands of others come between those of a pipeline.
          if (replies.length > 0 && world.random() < 0.2) await wait(1);
          replies.push(executed(redis.execute(command), command));
        }
        return replies;
      },
      transact: async (commands) => executed(redis.transaction(commands), ...commands),
      planFor(request) {
        const plan = planFor({ ...request, origin });
        world.trace(
          () => `${origin} asks the store: ${request.commands.map(brief).join('; ')}${fateOf(plan)}`,
        );
        return {
          ...plan,
          held: wait(latency()).then(() => plan.held),
          delayMs: latency() + plan.delayMs,
        };
      },
    });
    rests.push(rest);
    return rest;
  }

  function listen(origin: string, enter: (run: () => void) => void, channel: string, line: Line): () => void {
    /** The messages that are under way, in their order. */
    const messages: string[] = [];
    const unsubscribe = redis.subscribe(channel, (message) => {
      if (one.isSilent) return;
      const slow = [...late].find(({ concerns }) => concerns(origin));
      if (!slow) messages.push(message);
      const next = () => (slow ? message : messages.shift()!); // each is pushed once
      world.schedule(() => enter(() => line.send(next())), latency() + (slow?.ms ?? 0));
    });
    const close = () => {
      open.delete(one);
      unsubscribe();
    };
    const one: Open = { origin, line, isSilent: false, close };
    open.add(one);
    return close;
  }

  function drop(how: SubscriptionDrop, origin?: string): void {
    for (const one of [...open].filter((one) => origin === undefined || one.origin === origin)) {
      if (how === 'silence') one.isSilent = true;
      else if (how === 'end') one.line.end();
      else one.line.reset();
    }
  }

  return {
    fetchFor(origin, enter = (run) => run()) {
      const listenFor = (channel: string, line: Line) => listen(origin, enter, channel, line);
      return createFetch({ rest: restOf(origin), enter, listen: listenFor });
    },
    leave(origin) {
      for (const one of [...open]) if (one.origin === origin) one.close();
    },
    faults: {
      inject(fault, { origin, share = 1, times = Infinity } = {}) {
        const concerns = (other: string) =>
          (origin === undefined || other === origin) && (share >= 1 || world.random() < share);
        if (fault.kind === 'late-publish') {
          const one = { ms: fault.ms, concerns };
          late.add(one);
          return () => void late.delete(one);
        }
        const own = { ...fault };
        if (own.kind === 'stale') replicas.set(own, redis.replica(own.lag ?? 'stopped'));
        const remove = faults.inject(own, { times, match: (request) => concerns(request.origin) });
        return () => {
          remove();
          replicas.get(own)?.close();
        };
      },
      dropSubscriptions: drop,
      clear() {
        faults.clear();
        late.clear();
        for (const replica of replicas.values()) replica.close();
      },
    },
    counts() {
      const all: Record<string, number> = {};
      for (const rest of rests) {
        for (const [name, count] of Object.entries(rest.counts())) all[name] = (all[name] ?? 0) + count;
      }
      return all;
    },
    get requests() {
      return rests.reduce((sum, rest) => sum + rest.requests, 0);
    },
    get openSubscriptions() {
      return open.size;
    },
  };
}

/** What a fault does to a request, for the trace. */
function fateOf({ end, delayMs, held, stale, againAfterMs, refuseXadd, publish }: FaultPlan): string {
  const fates = [
    end?.kind,
    delayMs > 0 && `response ${delayMs} ms late`,
    held && 'held',
    stale && 'stale',
    againAfterMs !== undefined && `again after ${againAfterMs} ms`,
    refuseXadd && 'XADD refused',
    publish !== 'once' && `published ${publish}`,
  ].filter(Boolean);
  return fates.length > 0 ? ` (${fates.join(', ')})` : '';
}

/** Long words are cut. */
function brief(words: readonly RespValue[]): string {
  const text = words
    .map((word) =>
      word instanceof RespError
        ? word.message
        : String(word === null ? 'nil' : typeof word === 'object' ? JSON.stringify(word) : word).slice(0, 60),
    )
    .join(' ');
  return text.slice(0, 200);
}
