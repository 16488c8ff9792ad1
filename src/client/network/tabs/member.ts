// One session of this page on a line.

import type { SnapshotFrame } from '../../../protocol/frames.ts';
import { onAbort } from '../../../lib/abort.ts';
import type { SseEvent } from '../../../protocol/sse.ts';
import type { Subscribe } from '../shared-get.ts';

/** The part of a session that a line needs. */
export interface LineSession {
  readonly sessionId: string;
  /** This session's own GET. */
  readonly subscribe: Subscribe;
  /** Whether its request options still equal the line's. Its headers can have changed. */
  readonly matchesLine: () => Promise<boolean>;
  /** The known state of the session as a snapshot frame, for the tabs that read through this page. */
  readonly snapshot: () => SnapshotFrame | undefined;
}

/** A session of this page as a member of its line. */
export interface Member extends LineSession {
  /** Its key among the members of all tabs. */
  readonly key: string;
  /** Its cursor. */
  after: string | undefined;
  readonly onEvent: (event?: SseEvent) => void;
  /** Aborts when the member leaves. */
  readonly signal: AbortSignal;
  /** Resolves or rejects its connection. */
  readonly end: (outcome: boolean | PromiseLike<boolean>) => void;
}

/** Gives a member an event; without an event, a sign of life. */
export function deliver(member: Member, event?: SseEvent): void {
  member.onEvent(event);
  // If a frame is missing, the member leaves and begins again, with its cursor before that frame.
  if (!member.signal.aborted) member.after = event?.id ?? member.after;
}

/** Asks the server whether this member may read. Rejects like `subscribe`. */
export async function ask(
  subscribe: Subscribe,
  sessionId: string,
  after: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const heard = new AbortController();
  const leave = () => heard.abort();
  const stay = onAbort(signal, leave);
  try {
    await subscribe([{ sessionId, after }], { signal: heard.signal, onEvent: leave });
  } catch (error) {
    if (!heard.signal.aborted) throw error;
  } finally {
    stay();
  }
  signal.throwIfAborted();
}
