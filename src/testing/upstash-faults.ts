// Decides what happens to the commands of a request: the refusals that Upstash makes too, and the injected faults.
import { RespError, type RespValue } from './resp.ts';

/** A failure of the local Upstash server. */
export type Fault =
  /** Responds with `{error}` and this HTTP status; nothing is applied. */
  | { kind: 'status'; status: number }
  /** Applies at once, and responds `ms` later. */
  | { kind: 'delay'; ms: number }
  /** Applies the request after `ms`, or once the fault is removed, also if its sender has given up. */
  | { kind: 'hold'; ms?: number }
  /** Applies and responds at once, and applies again `ms` later, as if a proxy had repeated the request. */
  | { kind: 'twice'; ms: number }
  /** Neither applies nor responds; the socket stays open until the client or `close()` ends it. */
  | { kind: 'hang' }
  /** Destroys the socket; nothing is applied. */
  | { kind: 'refuse' }
  /** Applies, then destroys the socket. */
  | { kind: 'lose-reply' }
  /** XRANGE, XREVRANGE, GET, MGET, EXISTS and XLEN reply as a replica that has seen nothing (not in multi-exec). */
  | { kind: 'stale' }
  /** XADD replies an error and is not applied; the other commands of its pipeline or transaction are. */
  | { kind: 'refuse-xadd' }
  /** PUBLISH is swallowed and replies 0. */
  | { kind: 'drop-publish' }
  /** PUBLISH is sent twice. */
  | { kind: 'duplicate-publish' };

/** A request as the `match` of a fault gets it. */
export interface FaultRequest {
  /** Decoded, without the query: `/`, `/pipeline`, `/multi-exec`, `/subscribe/<channel>`, `/get/<key>`. */
  path: string;
  /** Names are upper case; a subscription is one `['SUBSCRIBE', ...channels]`. */
  commands: string[][];
}

/** Injects faults into the local Upstash server. `R`: what is known of a request. */
export interface UpstashFaults<R extends FaultRequest = FaultRequest> {
  /**
   * Applies `fault` to requests that match, at most `times` (default: until removed or cleared). Returns a function
   * that removes it. If several faults exclude each other, the one that was injected first applies first, so that a
   * sequence can be queued. A request without PUBLISH, XADD or reads does not count for a fault about these.
   */
  inject(fault: Fault, options?: { times?: number; match?: (request: R) => boolean }): () => void;
  /** Ends every open subscription: a clean HTTP end, a destroyed socket, or silence on an open one. */
  dropSubscriptions(how: SubscriptionDrop): void;
  /** Removes all injected faults, and applies the requests that they hold. */
  clear(): void;
}

/** How an open subscription is ended. `silence`: it stays open, and nothing more comes. */
export type SubscriptionDrop = 'end' | 'reset' | 'silence';

type EndFault = Extract<Fault, { kind: 'status' | 'hang' | 'refuse' | 'lose-reply' }>;

/** What happens to one request. */
export interface FaultPlan {
  readonly end: EndFault | undefined;
  readonly delayMs: number;
  /** Resolves once the request may continue. */
  readonly held: Promise<void> | undefined;
  /** Replies to a read instead of Redis. */
  readonly stale: ((command: readonly string[]) => RespValue) | undefined;
  /** After so many milliseconds it is applied a second time. */
  readonly againAfterMs: number | undefined;
  readonly refuseXadd: boolean;
  readonly publish: 'once' | 'never' | 'twice';
}

/** The commands to send for one command of the client, and the reply if it is not the reply of Redis. */
export interface Step {
  readonly send: readonly string[][];
  /** A `RespError` is a refusal: not sent, not billed. */
  readonly reply?: RespValue;
}

type Group = 'end' | 'delay' | 'hold' | 'twice' | 'stale' | 'xadd' | 'publish';

interface Injected<R> {
  readonly fault: Fault;
  readonly match: (request: R) => boolean;
  readonly removed: Promise<void>;
  left: number;
}

// Commands that block, depend on a connection, or concern the server itself. Upstash's REST has none of them.
const UNAVAILABLE = new Set(
  `BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN WAIT WAITAOF
  WATCH UNWATCH MULTI EXEC DISCARD SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE SSUBSCRIBE SUNSUBSCRIBE
  MONITOR SELECT AUTH HELLO RESET QUIT CLIENT ASKING READONLY READWRITE SHUTDOWN CONFIG DEBUG SAVE BGSAVE
  BGREWRITEAOF LASTSAVE SYNC PSYNC REPLCONF REPLICAOF SLAVEOF ROLE FAILOVER CLUSTER MODULE ACL LATENCY SLOWLOG
  MIGRATE SWAPDB`.split(/\s+/),
);

const STALE_READS = ['XRANGE', 'XREVRANGE', 'GET', 'MGET', 'EXISTS', 'XLEN'];

/** How the faults of a server work. */
export interface FaultOptions {
  /** Ends its open subscriptions. */
  readonly dropSubscriptions: (how: SubscriptionDrop) => void;
  /** Resolves once a request may continue that is held for `ms`. */
  readonly hold?: typeof untilReleased;
  /** The replies of the replica of a fault `stale`. Default: one that has seen nothing. */
  readonly replicaOf?: (fault: Fault) => (command: readonly string[]) => RespValue;
}

/** The faults of requests. `R`: what is known of a request. */
export function createFaults<R extends FaultRequest = FaultRequest>({
  dropSubscriptions,
  hold = untilReleased,
  replicaOf = () => emptyReply,
}: FaultOptions): { faults: UpstashFaults<R>; planFor: (request: R) => FaultPlan } {
  let injected: Injected<R>[] = [];
  /** Releases the requests that a fault holds, also after the fault is used up. */
  const release = new Set<() => void>();

  function take(group: Group, request: R): Injected<R> | undefined {
    const found = injected.find(
      ({ fault, match }) => groupOf(fault) === group && concerns(fault, request) && match(request),
    );
    if (found && --found.left <= 0) injected = injected.filter((one) => one !== found);
    return found;
  }

  return {
    faults: {
      inject(fault, { times = Infinity, match = () => true } = {}) {
        let onRemoved = () => {};
        const removed = new Promise<void>((resolve) => (onRemoved = resolve));
        const one: Injected<R> = { fault, left: times, match, removed };
        if (times > 0) injected.push(one);
        const remove = () => {
          injected = injected.filter((other) => other !== one);
          release.delete(remove);
          onRemoved();
        };
        if (fault.kind === 'hold') release.add(remove);
        return remove;
      },
      dropSubscriptions,
      clear() {
        injected = [];
        for (const remove of [...release]) remove();
      },
    },
    planFor: (request) => {
      const end = take('end', request)?.fault as EndFault | undefined; // Its group holds no others.
      const delay = take('delay', request)?.fault;
      const applies = !end || end.kind === 'lose-reply';
      const held = applies ? take('hold', request) : undefined;
      const twice = applies ? take('twice', request)?.fault : undefined;
      const stale = applies ? take('stale', request)?.fault : undefined;
      const publish = applies ? take('publish', request)?.fault.kind : undefined;
      return {
        end,
        delayMs: delay?.kind === 'delay' ? delay.ms : 0,
        held: held?.fault.kind === 'hold' ? hold(held.fault.ms, held.removed) : undefined,
        stale: stale && replicaOf(stale),
        againAfterMs: twice?.kind === 'twice' ? twice.ms : undefined,
        refuseXadd: applies && take('xadd', request) !== undefined,
        publish: publish === 'drop-publish' ? 'never' : publish === 'duplicate-publish' ? 'twice' : 'once',
      };
    },
  };
}

/** Resolves after `ms`, if that is given, or once the fault is removed. */
export async function untilReleased(ms: number | undefined, removed: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<void>((resolve) => {
    if (ms !== undefined) timer = setTimeout(resolve, ms);
  });
  await Promise.race([over, removed]);
  clearTimeout(timer);
}

/** What is sent to Redis for one command under this plan. */
export function planStep(command: string[], plan: FaultPlan): Step {
  const name = command[0]?.toUpperCase() ?? '';
  if (UNAVAILABLE.has(name) || blocks(name, command)) {
    const help = 'See https://upstash.com/docs/redis/overall/rediscompatibility for details';
    return { send: [], reply: new RespError(`ERR Command is not available: '${name}'. ${help}`) };
  }
  // Redis refuses this id only when it executes the command.
  if (name === 'XADD' && plan.refuseXadd) return { send: [[name, command[1] ?? '', '0-0', 'v', '']] };
  if (name === 'PUBLISH' && plan.publish === 'never') return { send: [], reply: 0 };
  if (name === 'PUBLISH' && plan.publish === 'twice') return { send: [command, command] };
  if (plan.stale && STALE_READS.includes(name)) return { send: [], reply: plan.stale(command) };
  return { send: [command] };
}

/** Returns one reply per step, from the replies to all commands. */
export function repliesTo(steps: readonly Step[], replies: readonly RespValue[]): RespValue[] {
  let at = 0;
  return steps.map(({ send, reply }) => {
    const own = replies[at] ?? null;
    at += send.length;
    return reply === undefined ? own : reply;
  });
}

function blocks(name: string, command: string[]): boolean {
  if (name !== 'XREAD' && name !== 'XREADGROUP') return false;
  const options = command.map((arg) => arg.toUpperCase());
  // After STREAMS come keys, which can have any name.
  const block = options.indexOf('BLOCK');
  return block > 0 && block < options.indexOf('STREAMS');
}

function emptyReply(command: readonly string[]): RespValue {
  const name = command[0]?.toUpperCase();
  if (name === 'MGET') return command.slice(1).map(() => null);
  if (name === 'GET') return null;
  return name === 'EXISTS' || name === 'XLEN' ? 0 : [];
}

function groupOf(fault: Fault): Group {
  switch (fault.kind) {
    case 'status':
    case 'hang':
    case 'refuse':
    case 'lose-reply':
      return 'end';
    case 'delay':
    case 'hold':
    case 'twice':
    case 'stale':
      return fault.kind;
    case 'refuse-xadd':
      return 'xadd';
    case 'drop-publish':
    case 'duplicate-publish':
      return 'publish';
    default:
      return fault satisfies never;
  }
}

function concerns(fault: Fault, { path, commands }: FaultRequest): boolean {
  if (fault.kind === 'stale') {
    return path !== '/multi-exec' && commands.some(([name]) => STALE_READS.includes(name ?? ''));
  }
  const has = (command: string) => commands.some(([name]) => name === command);
  if (fault.kind === 'refuse-xadd') return has('XADD');
  return groupOf(fault) !== 'publish' || has('PUBLISH');
}
