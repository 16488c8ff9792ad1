// One session of this page on a line.

import type { SnapshotFrame } from '../../../protocol/frames.ts';
import type { SseEvent } from '../../../protocol/sse.ts';
import type { Subscribe } from '../shared-get.ts';

/** What a line needs of a session. */
export interface LineSession {
  readonly sessionId: string;
  /** This session's own way to the server. */
  readonly subscribe: Subscribe;
  /** Whether it still asks as the line does: its headers may have changed since. */
  readonly asksAlike: () => Promise<boolean>;
  /** All that is known of the session, as a server's snapshot would say it; for those who follow it through this page. */
  readonly snapshot: () => SnapshotFrame | undefined;
}

export interface Member extends LineSession {
  /** Names it among the members of all tabs. */
  readonly key: string;
  /** The cursor behind what it has. */
  after: string | undefined;
  readonly onEvent: (event?: SseEvent) => void;
  /** Aborts when it leaves. */
  readonly signal: AbortSignal;
  /** Ends its connection, as a promise does that is resolved. */
  readonly end: (outcome: boolean | PromiseLike<boolean>) => void;
}

export function deliver(member: Member, event?: SseEvent): void {
  member.onEvent(event);
  // Where something is missing, it leaves, and begins again: its cursor stays before that.
  if (!member.signal.aborted) member.after = event?.id ?? member.after;
}

/** Whether a member may read is the server's to say, to each. Rejects as `subscribe` does. */
export async function ask(
  subscribe: Subscribe,
  sessionId: string,
  after: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const answered = new AbortController();
  const leave = () => answered.abort();
  signal.addEventListener('abort', leave);
  try {
    await subscribe([{ sessionId, after }], { signal: answered.signal, onEvent: leave });
  } catch (error) {
    if (!answered.signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', leave);
  }
  signal.throwIfAborted();
}
