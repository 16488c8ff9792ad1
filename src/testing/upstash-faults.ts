// What a request's commands meet on their way to Redis: the refusals Upstash always makes, and the faults
// injected here.
import { RespError, type RespValue } from './resp.ts';

export type Fault =
  /** Answers `{error}` with this HTTP status; nothing is applied. */
  | { kind: 'status'; status: number }
  /** Applies, answers this much later. */
  | { kind: 'delay'; ms: number }
  /** Neither applies nor answers; the socket stays open until the client or `close()` ends it. */
  | { kind: 'hang' }
  /** Destroys the socket; nothing is applied. */
  | { kind: 'refuse' }
  /** Applies, then destroys the socket. */
  | { kind: 'lose-reply' }
  /** XRANGE, XREVRANGE, GET, MGET, EXISTS and XLEN answer as a replica that has seen nothing (not in multi-exec). */
  | { kind: 'stale' }
  /** PUBLISH is swallowed and answers 0. */
  | { kind: 'drop-publish' }
  /** PUBLISH is sent twice. */
  | { kind: 'duplicate-publish' };

export interface FaultRequest {
  /** Decoded, without the query: `/`, `/pipeline`, `/multi-exec`, `/subscribe/<channel>`, `/get/<key>`. */
  path: string;
  /** Names are upper case; a subscription is one `['SUBSCRIBE', ...channels]`. */
  commands: string[][];
}

export interface UpstashFaults {
  /**
   * Applies `fault` to requests that match, at most `times` (default: until removed or cleared). Returns a function
   * that removes it. Of several faults that exclude each other the one injected first goes first, so that a
   * sequence can be queued. A fault about PUBLISH or reads is not used up by a request without any.
   */
  inject(fault: Fault, options?: { times?: number; match?: (request: FaultRequest) => boolean }): () => void;
  /** Ends every open subscription: a clean HTTP end, a destroyed socket, or silence on an open one. */
  dropSubscriptions(how: SubscriptionDrop): void;
  /** Removes all injected faults. */
  clear(): void;
}

export type SubscriptionDrop = 'end' | 'reset' | 'silence';

type EndFault = Extract<Fault, { kind: 'status' | 'hang' | 'refuse' | 'lose-reply' }>;

/** All that befalls one request. */
export interface FaultPlan {
  readonly end: EndFault | undefined;
  readonly delayMs: number;
  readonly stale: boolean;
  readonly publish: 'once' | 'never' | 'twice';
}

/** What to send for one command of the client, and the answer to give if it is not Redis' own. */
export interface Step {
  readonly send: readonly string[][];
  /** A `RespError` is a refusal: not sent, not billed. */
  readonly answer?: RespValue;
}

type Group = 'end' | 'delay' | 'stale' | 'publish';

// Blocking, bound to a connection, or about the server itself: none of them exists over REST.
const UNAVAILABLE = new Set(
  `BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN WAIT WAITAOF
  WATCH UNWATCH MULTI EXEC DISCARD SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE SSUBSCRIBE SUNSUBSCRIBE
  MONITOR SELECT AUTH HELLO RESET QUIT CLIENT ASKING READONLY READWRITE SHUTDOWN CONFIG DEBUG SAVE BGSAVE
  BGREWRITEAOF LASTSAVE SYNC PSYNC REPLCONF REPLICAOF SLAVEOF ROLE FAILOVER CLUSTER MODULE ACL LATENCY SLOWLOG
  MIGRATE SWAPDB`.split(/\s+/),
);

const STALE_READS = ['XRANGE', 'XREVRANGE', 'GET', 'MGET', 'EXISTS', 'XLEN'];

export function createFaults(dropSubscriptions: (how: SubscriptionDrop) => void): {
  faults: UpstashFaults;
  planFor: (request: FaultRequest) => FaultPlan;
} {
  let injected: { fault: Fault; left: number; match: (request: FaultRequest) => boolean }[] = [];

  function take(group: Group, request: FaultRequest): Fault | undefined {
    const found = injected.find(
      ({ fault, match }) => groupOf(fault) === group && concerns(fault, request) && match(request),
    );
    if (found && --found.left <= 0) injected = injected.filter((one) => one !== found);
    return found?.fault;
  }

  return {
    faults: {
      inject(fault, { times = Infinity, match = () => true } = {}) {
        const one = { fault, left: times, match };
        if (times > 0) injected.push(one);
        return () => {
          injected = injected.filter((other) => other !== one);
        };
      },
      dropSubscriptions,
      clear() {
        injected = [];
      },
    },
    planFor: (request) => {
      const end = take('end', request) as EndFault | undefined; // Its group holds no others.
      const delay = take('delay', request);
      const applies = !end || end.kind === 'lose-reply';
      const publish = applies ? take('publish', request)?.kind : undefined;
      return {
        end,
        delayMs: delay?.kind === 'delay' ? delay.ms : 0,
        stale: applies && take('stale', request) !== undefined,
        publish: publish === 'drop-publish' ? 'never' : publish === 'duplicate-publish' ? 'twice' : 'once',
      };
    },
  };
}

export function planStep(command: string[], plan: FaultPlan): Step {
  const name = command[0]?.toUpperCase() ?? '';
  if (UNAVAILABLE.has(name) || blocks(name, command)) {
    const help = 'See https://upstash.com/docs/redis/overall/rediscompatibility for details';
    return { send: [], answer: new RespError(`ERR Command is not available: '${name}'. ${help}`) };
  }
  if (name === 'PUBLISH' && plan.publish === 'never') return { send: [], answer: 0 };
  if (name === 'PUBLISH' && plan.publish === 'twice') return { send: [command, command] };
  if (plan.stale && STALE_READS.includes(name)) return { send: [], answer: emptyAnswer(name, command) };
  return { send: [command] };
}

/** One answer per step, from the replies to all that was sent. */
export function answersTo(steps: readonly Step[], replies: readonly RespValue[]): RespValue[] {
  let at = 0;
  return steps.map(({ send, answer }) => {
    const own = replies[at] ?? null;
    at += send.length;
    return answer === undefined ? own : answer;
  });
}

function blocks(name: string, command: string[]): boolean {
  if (name !== 'XREAD' && name !== 'XREADGROUP') return false;
  const options = command.map((arg) => arg.toUpperCase());
  // What follows STREAMS are keys, and a key may be called anything.
  const block = options.indexOf('BLOCK');
  return block > 0 && block < options.indexOf('STREAMS');
}

function emptyAnswer(name: string, command: string[]): RespValue {
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
    case 'stale':
      return fault.kind;
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
  return groupOf(fault) !== 'publish' || commands.some(([name]) => name === 'PUBLISH');
}
