// Failures of a server instance, made by wrapping its channel: the process dies or freezes, or the store fails. If several
// instances use one store, each has its own chaos.

import type { Channel, Wake } from '../channel/channel.ts';
import { DurableChatError } from '../protocol/errors.ts';
import { untilReleased, type Fault } from './upstash-faults.ts';

/**
 * A failure of a call of the store:
 *
 * - `refuse`: the call fails, and is not applied.
 * - `lose-reply`: the call is applied, and fails.
 * - `delay`: the call is applied, and returns `ms` later.
 * - `hang`: the call is not applied, and fails once the fault is removed.
 * - `hold`: the call fails at once, and is applied `ms` later, or once the fault is removed.
 * - `stale`: `readLog` and `readRun` return what a stale replica has. Other calls are not affected.
 */
export type StoreFault = Extract<
  Fault,
  { kind: 'refuse' | 'lose-reply' | 'delay' | 'hang' | 'hold' | 'stale' }
>;

/** Which calls of the channel a fault applies to. */
export interface StoreFaultOptions {
  /**
   * How many calls fail.
   * @defaultValue every call until the fault is removed
   */
  readonly times?: number;
  /**
   * The methods that fail.
   * @defaultValue all methods
   */
  readonly on?: readonly (keyof Channel)[];
  /**
   * Selects calls of these methods by their arguments.
   * @defaultValue all calls
   */
  readonly match?: (...args: readonly unknown[]) => boolean;
}

/** The failures of one server instance. */
export interface Chaos {
  /** The wrapped store, for the instance that fails. */
  readonly channel: Channel;
  /**
   * From now on nothing from the instance reaches the store, and no reply reaches the instance. Other instances end its
   * runs as `interrupted` once their leases have ended.
   */
  killProducer(): void;
  /** The same as `killProducer` until the result is called. Then the instance continues where it was. */
  freeze(): () => void;
  /** Makes calls of the store fail. Faults apply in the order in which they were added. The result removes this one. */
  storeFaults(fault: StoreFault, options?: StoreFaultOptions): () => void;
}

interface Injected {
  readonly fault: StoreFault;
  readonly concerns: (name: keyof Channel, args: readonly unknown[]) => boolean;
  left: number;
  readonly removed: Promise<void>;
}

/**
 * Wraps a store for one server instance, so that a test can make it fail.
 *
 * @param channel Any channel. Other instances on the same store are not affected.
 * @returns The wrapped channel, and the functions that make it fail.
 *
 * @example
 * ```ts
 * const chaos = createChaos(memoryChannel());
 * const durable = createDurableChat({ channel: chaos.channel });
 * chaos.killProducer();
 * ```
 */
export function createChaos(channel: Channel): Chaos {
  let injected: Injected[] = [];
  /** Present while the instance is frozen; resolves when it thaws. */
  let still: Promise<void> | undefined;

  const behind: Pick<Channel, 'readLog' | 'readRun'> = {
    async readLog(sessionId, from, options) {
      const entries = await channel.readLog(sessionId, from, options);
      // A stale replica still has the entry that was asked for.
      return options?.fresh ? entries : entries.slice(0, from === '' ? 0 : 1);
    },
    readRun: async (sessionId, runId, from, options) =>
      options?.fresh ? channel.readRun(sessionId, runId, from, options) : { chunks: [] },
  };

  async function moving(): Promise<void> {
    while (still) await still;
  }

  function take(name: keyof Channel, args: readonly unknown[]): Injected | undefined {
    const found = injected.find(({ concerns }) => concerns(name, args));
    if (found && --found.left <= 0) injected = injected.filter((one) => one !== found);
    return found;
  }

  const wrap =
    <A extends unknown[], R>(name: keyof Channel, method: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (still) await moving();
      const found = take(name, args);
      const fault = found?.fault;
      if (found && fault?.kind === 'hold') {
        void untilReleased(fault.ms, found.removed).then(() => method(...args).catch(() => {}));
        throw failure(name);
      }
      if (fault?.kind === 'hang') await found?.removed;
      if (fault?.kind === 'hang' || fault?.kind === 'refuse') throw failure(name);
      // The same method of a stale replica.
      const apply = fault?.kind === 'stale' ? (behind[name as keyof typeof behind] as never) : method;
      const result = await apply(...args);
      if (fault?.kind === 'delay') await new Promise((resolve) => setTimeout(resolve, fault.ms));
      if (still) await moving();
      if (fault?.kind === 'lose-reply') throw failure(name);
      return result;
    };

  function halt(until: Promise<void>): void {
    const before = still;
    const now = (before ? Promise.all([before, until]) : until).then(() => {
      if (still === now) still = undefined;
    });
    still = now;
  }

  const wrapped = Object.fromEntries(
    Object.entries(channel).map(([name, method]) => [name, wrap(name as keyof Channel, method as never)]),
  ) as unknown as Channel; // the same methods under the same names

  return {
    channel: {
      ...wrapped,
      subscribe: (sessionId, onWake) =>
        wrapped.subscribe(sessionId, (wake: Wake) => {
          if (still) void moving().then(() => onWake(wake));
          else onWake(wake);
        }),
    },
    killProducer: () => halt(new Promise(() => {})),
    freeze() {
      let thaw = () => {};
      halt(new Promise((resolve) => (thaw = resolve)));
      return () => thaw();
    },
    storeFaults(fault, { times = Infinity, on, match } = {}) {
      let onRemoved = () => {};
      const removed = new Promise<void>((resolve) => (onRemoved = resolve));
      const concerns: Injected['concerns'] = (name, args) =>
        (fault.kind !== 'stale' || name in behind) &&
        (on?.includes(name) ?? true) &&
        (match?.(...args) ?? true);
      const one: Injected = { fault, concerns, left: times, removed };
      if (times > 0) injected.push(one);
      return () => {
        injected = injected.filter((other) => other !== one);
        onRemoved();
      };
    },
  };
}

function failure(name: string): DurableChatError {
  return new DurableChatError('store_failed', `The store failed to ${name} (injected).`);
}
