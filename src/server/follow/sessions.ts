// The sessions of this process. They are shared while they are used, and kept a little longer.

import type { Channel } from '../../channel/channel.ts';
import type { Cancel, Runtime } from '../../lib/runtime.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { Session } from './session.ts';

const lingerMs = 5_000;

/** What is done with a session. `extend` makes the use last until the promise has settled, and returns the promise. */
type Work<T> = (session: Session, extend: Extend) => Promise<T>;
type Extend = <P extends Promise<unknown>>(promise: P) => P;

/** The sessions that this process uses. */
export interface Sessions {
  /**
   * Calls `work` with a session, which stays in this process until `work` and every extension have settled. The first use
   * of `session.ready` or `session.watch()` opens it.
   *
   * @returns The result of `work`.
   */
  use<T>(sessionId: string, work: Work<T>): Promise<T>;
  /** The same for a viewer. Rejects with `too_many` if the session is at its limit of viewers in this process. */
  view<T>(sessionId: string, work: Work<T>): Promise<T>;
}

interface Entry {
  readonly session: Session;
  users: number;
  viewers: number;
  cancelDrop: Cancel;
}

/** What every session of the process gets, and the limit of viewers. */
export interface SessionsOptions {
  readonly channel: Channel;
  readonly runtime: Runtime;
  readonly leaseMs: number;
  /** See `SessionOptions.onReaped`. */
  readonly onReaped: (sessionId: string) => void;
  readonly viewersPerSession: number;
}

/** The sessions of one durable chat in this process. */
export function createSessions({
  channel,
  runtime,
  leaseMs,
  onReaped,
  viewersPerSession,
}: SessionsOptions): Sessions {
  const used = new Map<string, Entry>();

  function entryOf(sessionId: string): Entry {
    const known = used.get(sessionId);
    if (known) return known;
    const session = new Session({
      sessionId,
      channel,
      runtime,
      leaseMs,
      onReaped: () => onReaped(sessionId),
    });
    const entry: Entry = { session, users: 0, viewers: 0, cancelDrop: () => {} };
    used.set(sessionId, entry);
    return entry;
  }

  function drop(entry: Entry): void {
    used.delete(entry.session.sessionId);
    entry.session.close();
  }

  function use<T>(entry: Entry, work: Work<T>, onEnd: () => void): Promise<T> {
    entry.cancelDrop();
    entry.users++;
    const parts: Promise<unknown>[] = [];
    const extend: Extend = (promise) => {
      parts.push(promise);
      return promise;
    };
    const end = async () => {
      for (const part of parts) await part.catch(() => {}); // the list grows meanwhile
      onEnd();
      if (--entry.users > 0) return;
      entry.cancelDrop = runtime.schedule(() => drop(entry), lingerMs, { background: true });
    };
    const result = extend((async () => work(entry.session, extend))());
    void end();
    return result;
  }

  return {
    use: (sessionId, work) => use(entryOf(sessionId), work, () => {}),
    async view(sessionId, work) {
      const entry = entryOf(sessionId);
      if (entry.viewers >= viewersPerSession) {
        throw new DurableChatError(
          'too_many',
          `The session is at its limit of ${viewersPerSession} viewers (\`limits.viewersPerSession\`). Try again later.`,
        );
      }
      entry.viewers++;
      return use(entry, work, () => entry.viewers--);
    },
  };
}
