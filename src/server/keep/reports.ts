// Reports to the app, each at least once: stored user messages, and the ends of runs. The process
// that knows first makes the report, and writes a mark into the log. A missing mark makes the next process that
// reads the session report again.

import type { UIMessage } from 'ai';
import { entries, type LogEntry } from '../../protocol/entries.ts';
import type { LogFrame, Report, RunStartFrame } from '../../protocol/frames.ts';
import { messagesOf, seededOf } from '../../protocol/session-state.ts';
import type { StoredMessage } from '../options.ts';
import type { KeepSettings } from '../settings.ts';
import type { Session } from '../follow/session.ts';
import type { Sessions } from '../follow/sessions.ts';

/** The reports to the app. */
export interface Reports {
  /** What the app wants to be informed of. Without onMessage and onRunEnd: nothing. */
  readonly wanted: readonly Report[];
  /** Reports messages that a send has just stored. Never rejects. */
  reportMessages(
    session: Session,
    run: Pick<StoredMessage, 'runId' | 'by'>,
    messages: readonly UIMessage[],
  ): Promise<void>;
  /** Makes all missing reports. Never rejects. */
  reportAll(sessionId: string): Promise<void>;
}

/** The reports that the app wants of a run with these frames. */
export function reportsFor(
  wanted: readonly Report[],
  frames: readonly LogFrame[],
): { readonly reports?: readonly Report[] } {
  const reports = wanted.filter((report) => report === 'end' || messagesIn(frames).length > 0);
  return reports.length > 0 ? { reports } : {};
}

/** The user messages in the frames of a send: its own, and those that the app edited. */
export function messagesIn(frames: readonly LogFrame[]): UIMessage[] {
  return frames.flatMap((frame) =>
    frame.type === 'message' && frame.message.role === 'user' ? [frame.message] : [],
  );
}

/** The reports to the app, as far as its options name functions for them. */
export function createReports(
  { onMessage, onRunEnd, onError }: Omit<KeepSettings, 'loadMessages'>,
  sessions: Sessions,
): Reports {
  const wanted: readonly Report[] = [
    ...(onMessage ? (['message'] as const) : []),
    ...(onRunEnd ? (['end'] as const) : []),
  ];
  /** The open reports of this process, by name. */
  const reporting = new Map<string, Promise<void>>();

  /** One report per name at a time: a second caller waits for the same one. */
  function once(name: string, runId: string, sessionId: string, report: () => Promise<void>): Promise<void> {
    const reported =
      reporting.get(name) ??
      report()
        .catch((error) => onError(error, { sessionId, runId }))
        .finally(() => reporting.delete(name));
    reporting.set(name, reported);
    return reported;
  }

  function reportMessages(
    session: Session,
    { runId, by }: Pick<StoredMessage, 'runId' | 'by'>,
    messages: readonly UIMessage[],
  ): Promise<void> {
    if (!onMessage || messages.length === 0) return Promise.resolve();
    const { sessionId } = session;
    return once(`message ${runId} ${sessionId}`, runId, sessionId, async () => {
      for (const message of messages) {
        await onMessage({ sessionId, runId, message, ...(by !== undefined && { by }) });
      }
      // The mark needs an existing log, so that it does not create a deleted session again.
      await session.append(entries.messageSaved(runId), { existing: true });
    });
  }

  function reportEnd(session: Session, runId: string): Promise<void> {
    const { sessionId, state } = session;
    return once(`end ${runId} ${sessionId}`, runId, sessionId, async () => {
      const end = state.ended.get(runId);
      if (!end) return;
      await onRunEnd?.({
        sessionId,
        runId,
        reason: end.reason,
        ...(end.by !== undefined && { by: end.by }),
        ...(end.failedOn !== undefined && { failedOn: end.failedOn }),
        message: state.byId.get(end.messageId),
        messages: messagesOf(state),
        seeded: seededOf(state),
      });
      // A release also stores nothing if the log is gone, so this does not create a deleted session again.
      await session.append(entries.saved(runId), { lease: { type: 'release', runId } });
      await session.refresh();
    });
  }

  /** Until the run has ended, its own server reports its messages. A message that is gone by then is not reported. */
  async function makeUpFor(session: Session, { frames }: LogEntry, start: RunStartFrame): Promise<void> {
    const kept = messagesIn(frames).filter((message) => session.state.byId.get(message.id) === message);
    if (kept.length === 0 || !session.state.ended.has(start.runId)) return;
    if (!session.log.hasKey(entries.messageSaved(start.runId).key))
      await reportMessages(session, start, kept);
  }

  async function reportMissing(session: Session): Promise<void> {
    const starts = session.log.entries.flatMap((entry) =>
      entry.frames.flatMap((frame) => (frame.type === 'run-start' && frame.reports ? { entry, frame } : [])),
    );
    const ofEnds = new Set<string>();
    for (const { entry, frame } of starts) {
      if (onMessage && frame.reports?.includes('message')) await makeUpFor(session, entry, frame);
      if (frame.reports?.includes('end')) ofEnds.add(frame.runId);
    }
    if (!onRunEnd) return;
    for (const [runId, end] of session.state.ended) {
      const isReported = end.withdrawn || session.log.hasKey(entries.saved(runId).key);
      if (ofEnds.has(runId) && !isReported) await reportEnd(session, runId);
    }
  }

  return {
    wanted,
    reportMessages,
    async reportAll(sessionId) {
      const done = sessions.use(sessionId, async (session) => {
        await session.ready;
        await session.refresh();
        await reportMissing(session);
      });
      // The store failed. The next request tries again.
      await done.catch(() => {});
    },
  };
}
