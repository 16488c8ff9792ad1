// What the app keeps of its sessions in a database of its own: an empty session begins with it, and what is new in a
// session is reported to it.

import type { LogFrame } from '../../protocol/frames.ts';
import { entries } from '../../protocol/entries.ts';
import { newId } from '../../lib/id.ts';
import { withinLimit } from '../history/left-out.ts';
import type { Session } from '../follow/session.ts';
import type { Sessions } from '../follow/sessions.ts';
import type { Log } from '../follow/log.ts';
import { createReports, type Reports } from './reports.ts';
import type { Settings } from '../settings.ts';

export interface Keeper {
  /** Fills a log of the session that is empty. Rejects with what `loadMessages` rejects with. */
  seed(session: Session, log: Log): Promise<void>;
  /** The same for a session that is followed. */
  seedSession(session: Session): Promise<void>;
  /** Reports user messages that a send stored just now. Never rejects. */
  readonly tellMessages: Reports['tellMessages'];
  /** Reports all that has not been reported to the app, which `waitUntil` is given to wait for. */
  tell(sessionId: string, waitUntil?: (told: Promise<void>) => void): Promise<void>;
}

/** What routes and sessions work with, once the store is open. */
export interface Opened {
  readonly sessions: Sessions;
  readonly keeper: Keeper;
}

export interface KeeperOptions extends Pick<Settings, 'loadMessages' | 'onMessage' | 'onRunEnd' | 'onError'> {
  readonly sessions: Sessions;
}

/**
 * Begins a log with what came before it; `log` then holds what the store has. In a log that has begun meanwhile, or
 * that a replica which is behind did not show, nothing comes of it, and neither where the session was deleted meanwhile.
 */
export async function seedLog(session: Session, log: Log, frames: readonly LogFrame[]): Promise<void> {
  const { epoch } = log;
  for (const entry of entries.seed(frames, epoch, newId(session.runtime))) {
    await session.appendTo(log, entry);
    // Somebody else was faster, or has deleted the session.
    if (log.hasBegun || log.epoch !== epoch) return;
  }
}

export function createKeeper(options: KeeperOptions): Keeper {
  const { loadMessages, onMessage, onRunEnd } = options;
  /** Many viewers may find the same log empty at once. */
  const seeding = new WeakMap<Log, Promise<void>>();
  const reports = createReports(options);

  async function seed(session: Session, log: Log): Promise<void> {
    if (!loadMessages) return;
    // What was loaded before a deletion is loaded again.
    for (let epoch; !log.hasBegun && epoch !== log.epoch;) {
      ({ epoch } = log);
      const messages = (await loadMessages({ sessionId: session.sessionId })) ?? [];
      const frames = messages.map((message): LogFrame => ({
        type: 'message',
        message: withinLimit(message),
      }));
      await seedLog(session, log, frames);
    }
  }

  return {
    seed,
    async seedSession(session) {
      if (!loadMessages || session.log.hasBegun) return;
      const { log } = session;
      const seeded =
        seeding.get(log) ?? seed(session, log.copy()).then(() => session.refresh({ fresh: true }));
      seeding.set(log, seeded);
      seeded.catch(() => seeding.delete(log));
      await seeded;
    },
    tellMessages: reports.tellMessages,
    async tell(sessionId, waitUntil) {
      if (!onMessage && !onRunEnd) return;
      const told = reports.tellAll(sessionId);
      try {
        waitUntil?.(told);
      } catch {
        // Outside of a request a framework may have nothing to keep alive.
      }
      await told;
    },
  };
}
