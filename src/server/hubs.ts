// Which sessions this process follows: hubs are shared while they are used and linger a little after.

import type { Channel } from '../channel/channel.ts';
import { Hub } from './hub.ts';

const lingerMs = 5_000;

export interface HubLease {
  readonly hub: Hub;
  release(): void;
}

export interface Hubs {
  /** The session's hub; hold it as long as it is used, then release it. */
  acquire(session: string): HubLease;
}

interface Entry {
  readonly hub: Hub;
  users: number;
  timer?: ReturnType<typeof setTimeout>;
}

export function createHubs(channel: Channel, onSuspect: (session: string, run: string) => void): Hubs {
  const used = new Map<string, Entry>();

  function drop(entry: Entry): void {
    if (used.get(entry.hub.session) === entry) used.delete(entry.hub.session);
    entry.hub.close();
  }

  return {
    acquire(session) {
      let entry = used.get(session);
      if (!entry) {
        const hub = new Hub(session, channel, (run) => onSuspect(session, run));
        const created: Entry = { hub, users: 0 };
        entry = created;
        used.set(session, created);
        // A hub that could not read is of no use to whoever comes next; who has it keeps it, and it tries on.
        hub.ready.catch(() => {
          if (used.get(session) === created) used.delete(session);
        });
      }
      const held = entry;
      clearTimeout(held.timer);
      held.users++;
      let released = false;
      return {
        hub: held.hub,
        release() {
          if (released) return;
          released = true;
          if (--held.users > 0) return;
          held.timer = setTimeout(() => drop(held), lingerMs);
          if (typeof held.timer === 'object') held.timer.unref?.();
        },
      };
    },
  };
}
