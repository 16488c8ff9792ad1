// The app's database of messages: an empty session begins with loadMessages, and new messages and ends are reported with
// onMessage and onRunEnd.

import type { UIMessage } from 'ai';
import type { LogFrame } from '../../protocol/frames.ts';
import { entries, versioned } from '../../protocol/entries.ts';
import { checkEntry } from '../../protocol/size.ts';
import { newId } from '../../lib/id.ts';
import { withinLimit } from '../history/left-out.ts';
import type { Session } from '../follow/session.ts';
import type { Sessions } from '../follow/sessions.ts';
import type { Log } from '../follow/log.ts';
import { createReports, type Reports } from './reports.ts';
import type { KeepSettings } from '../settings.ts';

/** What the server reads from the app's database and reports to it. */
export interface Keeper {
  /** Whether the app has loadMessages. */
  readonly hasHistory: boolean;
  /** What the app wants to be informed of. */
  readonly reports: Reports['wanted'];
  /** The messages of loadMessages. Rejects with the error of loadMessages. */
  load(sessionId: string): Promise<readonly UIMessage[]>;
  /**
   * Fills an empty log from loadMessages. Rejects with the error of loadMessages, and with what `check` throws for the
   * frames, before any of them is stored.
   */
  seed(session: Session, log: Log, check?: (frames: readonly LogFrame[]) => void): Promise<void>;
  /** The same for a session of this process. */
  seedSession(session: Session): Promise<void>;
  /** Reports user messages that a send has just stored. Never rejects. */
  readonly reportMessages: Reports['reportMessages'];
  /** Makes all missing reports to the app, and passes them to `waitUntil`. */
  report(sessionId: string, waitUntil?: (done: Promise<void>) => void): Promise<void>;
}

/** The open store's sessions and keeper, for routes and handles. */
export interface Opened {
  readonly sessions: Sessions;
  readonly keeper: Keeper;
}

/**
 * Begins a log with earlier messages. `log` is then up to date. It has no effect if the log has begun meanwhile, if a
 * stale replica did not show that, or if the session was deleted meanwhile.
 */
export async function seedLog(session: Session, log: Log, frames: readonly LogFrame[]): Promise<void> {
  const { epoch } = log;
  const pages = entries.seed(frames, epoch, newId(session.runtime));
  // A page that is too large is refused before another one is stored.
  if (pages.length > 1) for (const entry of pages) checkEntry(JSON.stringify(versioned(entry)));
  for (const entry of pages) {
    await session.appendTo(log, entry);
    // Another request was faster, or the session was deleted.
    if (log.hasBegun || log.epoch !== epoch) return;
  }
}

/** The app's database, as far as its options name functions for it. */
export function createKeeper({ loadMessages, ...settings }: KeepSettings, sessions: Sessions): Keeper {
  /** Several viewers can find the same log empty at the same moment. */
  const seeding = new WeakMap<Log, Promise<void>>();
  const reports = createReports(settings, sessions);

  const load = async (sessionId: string) => (await loadMessages?.({ sessionId })) ?? [];

  const seed: Keeper['seed'] = async (session, log, check) => {
    if (!loadMessages) return;
    // Messages that were loaded before a deletion are loaded again.
    for (let epoch; !log.hasBegun && epoch !== log.epoch;) {
      ({ epoch } = log);
      const frames = (await load(session.sessionId)).map((message): LogFrame => ({
        type: 'message',
        message: withinLimit(message),
      }));
      if (frames.length > 0) check?.(frames);
      await seedLog(session, log, frames);
    }
  };

  return {
    hasHistory: loadMessages !== undefined,
    reports: reports.wanted,
    load,
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
    reportMessages: reports.reportMessages,
    async report(sessionId, waitUntil) {
      if (reports.wanted.length === 0) return;
      const done = reports.reportAll(sessionId);
      try {
        waitUntil?.(done);
      } catch {
        // Outside of a request, a framework's `waitUntil` can throw.
      }
      await done;
    },
  };
}
