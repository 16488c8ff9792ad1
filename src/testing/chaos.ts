// What can befall a server instance, done to the channel that it works on: its process dies or freezes, or the
// store fails it. Of several instances on one store, each has a chaos of its own.

import type { Channel, Wake } from '../channel/channel.ts';
import { DurableChatError } from '../protocol/errors.ts';
import { untilReleased, type Fault } from './upstash-faults.ts';

/**
 * What the store does to a call: `refuse` fails and applies nothing, `lose-reply` applies and fails, `delay` applies
 * and answers `ms` later, `hang` neither applies nor answers, and fails once it is removed. `hold` fails, as for a
 * sender that waits no longer, and applies `ms` later, or once it is removed. `stale` befalls `readLog` and `readRun`
 * only: they answer as a replica that has seen nothing new.
 */
export type StoreFault = Extract<
  Fault,
  { kind: 'refuse' | 'lose-reply' | 'delay' | 'hang' | 'hold' | 'stale' }
>;

export interface StoreFaultOptions {
  /** How many calls it befalls. Default: every one until it is removed. */
  readonly times?: number;
  /** Which calls. Default: all of them. */
  readonly on?: readonly (keyof Channel)[];
  /** Which of these, by their arguments. Default: all of them. */
  readonly match?: (...args: readonly unknown[]) => boolean;
}

export interface Chaos {
  /** The store, for the instance that things are to befall. */
  readonly channel: Channel;
  /**
   * From now on the instance is dead to the store: nothing that it writes or renews gets there, and no answer comes
   * back. Its runs end as `interrupted` once their leases are over.
   */
  killProducer(): void;
  /** As `killProducer`, until the result is called: then the instance tries to go on where it was. */
  freeze(): () => void;
  /** The store fails the instance. Faults apply in the order in which they were added; the result removes this one. */
  storeFaults(fault: StoreFault, options?: StoreFaultOptions): () => void;
}

interface Injected {
  readonly fault: StoreFault;
  readonly befalls: (name: keyof Channel, args: readonly unknown[]) => boolean;
  left: number;
  readonly removed: Promise<void>;
}

/** Wraps a store, of whatever kind. */
export function createChaos(channel: Channel): Chaos {
  let injected: Injected[] = [];
  /** Present while the instance gets nothing done; resolves when it thaws. */
  let still: Promise<void> | undefined;

  const behind: Pick<Channel, 'readLog' | 'readRun'> = {
    async readLog(sessionId, from, options) {
      const entries = await channel.readLog(sessionId, from, options);
      // Behind is not gone: the entry that was asked for is there.
      return options?.fresh ? entries : entries.slice(0, from === '' ? 0 : 1);
    },
    readRun: async (sessionId, runId, from, options) =>
      options?.fresh ? channel.readRun(sessionId, runId, from, options) : { chunks: [] },
  };

  async function moving(): Promise<void> {
    while (still) await still;
  }

  function take(name: keyof Channel, args: readonly unknown[]): Injected | undefined {
    const found = injected.find(({ befalls }) => befalls(name, args));
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
      // The same method of a store that is behind.
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
      let tellRemoved = () => {};
      const removed = new Promise<void>((resolve) => (tellRemoved = resolve));
      const befalls: Injected['befalls'] = (name, args) =>
        (fault.kind !== 'stale' || name in behind) &&
        (on?.includes(name) ?? true) &&
        (match?.(...args) ?? true);
      const one: Injected = { fault, befalls, left: times, removed };
      if (times > 0) injected.push(one);
      return () => {
        injected = injected.filter((other) => other !== one);
        tellRemoved();
      };
    },
  };
}

function failure(name: string): DurableChatError {
  return new DurableChatError('store_failed', `The store failed to ${name} (injected).`);
}
