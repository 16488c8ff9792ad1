// Which sessions this process follows: hubs are shared while they are used and linger a little after.

import type { Channel } from '../../channel/channel.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { Hub } from './hub.ts';

const lingerMs = 5_000;

export interface HubLease {
  readonly hub: Hub;
  release(): void;
}

export interface Hubs {
  /** The session's hub; hold it as long as it is used, then release it. */
  acquire(session: string): HubLease;
  /** The same for a viewer. Throws `too_many` when the session has as many here as it may have. */
  view(session: string): HubLease;
}

interface Entry {
  readonly hub: Hub;
  users: number;
  viewers: number;
  timer?: ReturnType<typeof setTimeout>;
}

export interface HubsOptions {
  readonly channel: Channel;
  readonly onSuspect: (session: string, run: string) => void;
  readonly viewersPerSession: number;
}

export function createHubs({ channel, onSuspect, viewersPerSession }: HubsOptions): Hubs {
  const used = new Map<string, Entry>();

  function drop(entry: Entry): void {
    if (used.get(entry.hub.session) === entry) used.delete(entry.hub.session);
    entry.hub.close();
  }

  function entryOf(session: string): Entry {
    const known = used.get(session);
    if (known) return known;
    const hub = new Hub(session, channel, (run) => onSuspect(session, run));
    const entry: Entry = { hub, users: 0, viewers: 0 };
    used.set(session, entry);
    // A hub that could not read is of no use to whoever comes next; who has it keeps it, and it tries on.
    hub.ready.catch(() => {
      if (used.get(session) === entry) used.delete(session);
    });
    return entry;
  }

  function hold(entry: Entry, onRelease: () => void): HubLease {
    clearTimeout(entry.timer);
    entry.users++;
    let released = false;
    return {
      hub: entry.hub,
      release() {
        if (released) return;
        released = true;
        onRelease();
        if (--entry.users > 0) return;
        entry.timer = setTimeout(() => drop(entry), lingerMs);
        if (typeof entry.timer === 'object') entry.timer.unref?.();
      },
    };
  }

  return {
    acquire: (session) => hold(entryOf(session), () => {}),
    view(session) {
      const entry = entryOf(session);
      if (entry.viewers >= viewersPerSession) {
        throw new DurableChatError(
          'too_many',
          `The session has its limit of ${viewersPerSession} viewers (limits.viewersPerSession). Try again later.`,
        );
      }
      entry.viewers++;
      return hold(entry, () => entry.viewers--);
    },
  };
}
