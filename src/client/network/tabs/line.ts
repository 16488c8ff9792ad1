// A page's line to a route: one GET for all its sessions there. Pages of a browser with equal request options share one
// line: the page that has its lock is connected, and passes the events to the others. If tabs cannot reach each other,
// each page has its own. The lock is per route and not per session, because connections are scarce even with one session
// per tab.

import type { SseEvent } from '../../../protocol/sse.ts';
import { onAbort } from '../../../lib/abort.ts';
import { newId } from '../../../lib/id.ts';
import type { Runtime } from '../../../lib/runtime.ts';
import { onPageHide, pageLocks } from '../browser.ts';
import { SharedGet } from '../shared-get.ts';
import type { Slot } from '../slots.ts';
import { Follower } from './follower.ts';
import { Leader, type Role } from './leader.ts';
import { deliver, type LineSession, type Member } from './member.ts';
import { openBus, type Bus } from './notes.ts';

/** The name of a line, and the connections of its GET. */
export interface LineOptions {
  readonly runtime: Runtime;
  /** Pages with this name share the line. Without a name, only this page has it. */
  readonly name?: string | undefined;
  readonly takeSlot: (signal: AbortSignal) => Promise<Slot>;
  /** Called when no member can join any more. */
  readonly onClose?: () => void;
}

/** A line. The page leads, follows, or has its GET alone. */
export class Line {
  readonly #options: LineOptions;
  readonly #members = new Set<Member>();
  readonly #over = new AbortController();
  #role: Role | undefined;
  #outcome: Promise<boolean> | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /**
   * Follows a session after the cursor `after`, until `signal` aborts or the line ends. Calls back for each event, and
   * without one for a sign of life. Resolves and rejects like `Connect`.
   */
  join(
    session: LineSession,
    after: string | undefined,
    signal: AbortSignal,
    onEvent: (event?: SseEvent) => void,
  ): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const member: Member = {
        ...session,
        key: newId(this.#options.runtime),
        after,
        onEvent,
        signal,
        end: resolve,
      };
      signal.addEventListener('abort', () => {
        reject(signal.reason as Error);
        this.#remove(member);
      });
      this.#members.add(member);
      this.#role?.add(member);
      this.#outcome ??= this.#run();
    });
  }

  /** The GET of the leader; undefined in a follower. */
  get sharedGet(): SharedGet | undefined {
    return this.#role instanceof Leader ? this.#role.get : undefined;
  }

  #remove(member: Member): void {
    if (!this.#members.delete(member)) return;
    this.#role?.remove(member);
    if (this.#members.size === 0) this.#close();
  }

  /** The remaining members end like the line. */
  #close(): void {
    this.#options.onClose?.();
    this.#over.abort();
    this.#outcome?.catch(() => {}); // no member of the line is left
    for (const { end } of this.#members) end(this.#outcome!);
    this.#members.clear();
  }

  async #run(): Promise<boolean> {
    // Sessions that are opened at the same moment begin together.
    await Promise.resolve();
    const { runtime, name } = this.#options;
    const locks = pageLocks();
    const bus =
      name === undefined || !locks ? undefined : openBus(runtime, name, (note) => this.#role?.take(note));
    const leaveOnHide = onPageHide(() => this.#role instanceof Follower && this.#role.leave());
    try {
      if (!bus || !locks || name === undefined) return await this.#lead();
      const led = await underLock(locks, name, { ifAvailable: true }, (stolen) => this.#lead(bus, stolen));
      // Pages with an opaque origin, such as sandboxed frames, get no locks.
      if (led === 'refused') return await this.#lead();
      return led === 'taken' ? await this.#follow(bus, locks, name) : led;
    } finally {
      this.#close();
      leaveOnHide();
      bus?.close();
    }
  }

  #lead(bus?: Bus, stolen?: AbortSignal): Promise<boolean> {
    const over = new AbortController();
    for (const signal of [this.#over.signal, stolen]) onAbort(signal, () => over.abort());
    const leader = new Leader({
      ...this.#options,
      members: this.#members,
      bus,
      isNew: this.#role === undefined,
      onFull: (member) => this.#connectAlone(member),
    });
    this.#role = leader;
    return leader.run(over.signal);
  }

  /** Follows until this page leads, or no page leads any more. */
  #follow(bus: Bus, locks: LockManager, name: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const queued = new AbortController();
      const lead = (stolen: AbortSignal) => {
        follower.close();
        return this.#lead(bus, stolen);
      };
      const follower = new Follower({
        runtime: this.#options.runtime,
        members: this.#members,
        bus,
        onRefused: (member, error) => this.#dismiss(member, Promise.reject(error)),
        onFull: (member) => this.#connectAlone(member),
        onLost: (wasLed) => {
          queued.abort();
          // The shown state is old now, which is reported first. The next attempt takes the lock from the silent page.
          if (wasLed) return resolve(false);
          underLock(locks, name, { steal: true }, lead).then(
            (led) => resolve(typeof led === 'boolean' ? led : this.#lead()),
            reject,
          );
        },
      });
      this.#role = follower;
      this.#over.signal.addEventListener('abort', () => {
        follower.close();
        queued.abort();
        resolve(false);
      });
      underLock(locks, name, { signal: queued.signal }, lead).then(
        (led) => typeof led === 'boolean' && resolve(led),
        reject,
      );
    });
  }

  /** The end of a member for which the line has no room. */
  #connectAlone(member: Member): void {
    const get = new SharedGet({
      ...this.#options,
      subscribe: member.subscribe,
      onEvent: (_, event) => deliver(member, event),
      isUnshared: () => true,
    });
    get.join(member, () => undefined);
    this.#dismiss(member, get.run(member.signal));
  }

  #dismiss(member: Member, outcome: Promise<boolean>): void {
    member.end(outcome);
    this.#remove(member);
  }
}

/**
 * Leads while the page has the lock. Resolves and rejects like `lead`; with true once another page has taken the lock. `taken`:
 * the lock is not available. `refused`: this page gets no lock, or no longer waits for it.
 */
async function underLock(
  locks: LockManager,
  name: string,
  options: LockOptions,
  lead: (stolen: AbortSignal) => Promise<boolean>,
): Promise<boolean | 'taken' | 'refused'> {
  const stolen = new AbortController();
  let led: Promise<boolean> | undefined;
  try {
    await locks.request(`durable-chat ${name}`, options, async (lock) => {
      if (lock) await (led = lead(stolen.signal)).catch(() => {});
    });
  } catch {
    stolen.abort();
    await led?.catch(() => {});
    return led ? true : 'refused';
  }
  return led ?? 'taken';
}
