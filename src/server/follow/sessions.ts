// Which sessions this process follows: sessions are shared while they are used and linger a little after.

import type { Channel } from '../../channel/channel.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { Session } from './session.ts';

const lingerMs = 5_000;

export interface SessionLease {
  readonly session: Session;
  release(): void;
}

export interface Sessions {
  /** The session's session; hold it as long as it is used, then release it. */
  acquire(sessionId: string): SessionLease;
  /** The same for a viewer. Throws `too_many` when the session has as many here as it may have. */
  view(sessionId: string): SessionLease;
}

interface Entry {
  readonly session: Session;
  users: number;
  viewers: number;
  timer?: ReturnType<typeof setTimeout>;
}

export interface SessionsOptions {
  readonly channel: Channel;
  readonly onSuspect: (sessionId: string, runId: string) => void;
  readonly viewersPerSession: number;
}

export function createSessions({ channel, onSuspect, viewersPerSession }: SessionsOptions): Sessions {
  const used = new Map<string, Entry>();

  function drop(entry: Entry): void {
    if (used.get(entry.session.sessionId) === entry) used.delete(entry.session.sessionId);
    entry.session.close();
  }

  function entryOf(sessionId: string): Entry {
    const known = used.get(sessionId);
    if (known) return known;
    const session = new Session(sessionId, channel, (runId) => onSuspect(sessionId, runId));
    const entry: Entry = { session, users: 0, viewers: 0 };
    used.set(sessionId, entry);
    // A session that could not read is of no use to whoever comes next; who has it keeps it, and it tries on.
    session.ready.catch(() => {
      if (used.get(sessionId) === entry) used.delete(sessionId);
    });
    return entry;
  }

  function hold(entry: Entry, onRelease: () => void): SessionLease {
    clearTimeout(entry.timer);
    entry.users++;
    let released = false;
    return {
      session: entry.session,
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
    acquire: (sessionId) => hold(entryOf(sessionId), () => {}),
    view(sessionId) {
      const entry = entryOf(sessionId);
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
