// The sessions of this process. They are shared while they are used, and kept a little longer.

import type { Channel } from '../../channel/channel.ts';
import type { Cancel, Runtime } from '../../lib/runtime.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { Session } from './session.ts';

const lingerMs = 5_000;

/** A session that is kept until it is released. */
interface Acquired {
  readonly session: Session;
  release(): void;
}

export interface Sessions {
  /**
   * Calls `work` with a session that has been read.
   *
   * @returns The result of `work`. Rejects like `work`, and with `store_failed` if the session cannot be read.
   */
  use<T>(sessionId: string, work: (session: Session) => Promise<T>): Promise<T>;
  /** Keeps a session until it is released. The first use of `ready` or `watch()` opens it. */
  acquire(sessionId: string): Acquired;
  /** The same for a viewer. Throws `too_many` if the session is at its limit of viewers in this process. */
  view(sessionId: string): Acquired;
}

interface Entry {
  readonly session: Session;
  users: number;
  viewers: number;
  cancelDrop: Cancel;
}

export interface SessionsOptions {
  readonly channel: Channel;
  readonly runtime: Runtime;
  readonly leaseMs: number;
  /** See `SessionOptions.onReaped`. */
  readonly onReaped: (sessionId: string) => void;
  readonly viewersPerSession: number;
}

export function createSessions({
  channel,
  runtime,
  leaseMs,
  onReaped,
  viewersPerSession,
}: SessionsOptions): Sessions {
  const used = new Map<string, Entry>();

  function forget(entry: Entry): void {
    if (used.get(entry.session.sessionId) === entry) used.delete(entry.session.sessionId);
  }

  function entryOf(sessionId: string): Entry {
    const known = used.get(sessionId);
    if (known) return known;
    const session = new Session({
      sessionId,
      channel,
      runtime,
      leaseMs,
      onReaped: () => onReaped(sessionId),
      // The next user gets a new session. Current users keep this one, which continues to retry.
      onUnreadable: () => forget(entry),
    });
    const entry: Entry = { session, users: 0, viewers: 0, cancelDrop: () => {} };
    used.set(sessionId, entry);
    return entry;
  }

  function drop(entry: Entry): void {
    forget(entry);
    entry.session.close();
  }

  function acquire(entry: Entry, onRelease: () => void): Acquired {
    entry.cancelDrop();
    entry.users++;
    let released = false;
    return {
      session: entry.session,
      release() {
        if (released) return;
        released = true;
        onRelease();
        if (--entry.users > 0) return;
        entry.cancelDrop = runtime.schedule(() => drop(entry), lingerMs, { background: true });
      },
    };
  }

  return {
    async use(sessionId, work) {
      const { session, release } = acquire(entryOf(sessionId), () => {});
      try {
        await session.ready;
        return await work(session);
      } finally {
        release();
      }
    },
    acquire: (sessionId) => acquire(entryOf(sessionId), () => {}),
    view(sessionId) {
      const entry = entryOf(sessionId);
      if (entry.viewers >= viewersPerSession) {
        throw new DurableChatError(
          'too_many',
          `The session is at its limit of ${viewersPerSession} viewers (limits.viewersPerSession). Try again later.`,
        );
      }
      entry.viewers++;
      return acquire(entry, () => entry.viewers--);
    },
  };
}
