// A viewer's place in a session: how much of the log and of every active run it has. Opaque on the wire.

import { digest } from './digest.ts';
import { DurableChatError } from './errors.ts';

export interface Cursor {
  /** The id of the last log entry seen; '' before the first. */
  readonly log: string;
  /** Chunks seen of each active run. */
  readonly runs: Readonly<Record<string, number>>;
  /** Those of them that were last said to be degraded. */
  readonly degraded?: readonly string[];
}

const version = '1';

export function encodeCursor(sessionId: string, cursor: Cursor): string {
  // A run of which nothing was seen is read from its beginning anyway.
  const runs = Object.entries(cursor.runs).flatMap(([runId, count]) => {
    const degraded = cursor.degraded?.includes(runId) ?? false;
    return count > 0 || degraded ? [`${runId}:${count}${degraded ? '!' : ''}`] : [];
  });
  return [version, digest(sessionId), cursor.log, ...runs].join('~');
}

/** Throws `invalid_cursor` for anything that `encodeCursor` did not make for this session. */
export function decodeCursor(sessionId: string, text: string): Cursor {
  const [head, owner, log, ...runs] = text.length > 8192 ? [] : text.split('~');
  if (head !== version || log === undefined || !/^(\d{1,20}-\d{1,20})?$/.test(log)) {
    throw new DurableChatError(
      'invalid_cursor',
      'The cursor is malformed. Subscribe without a cursor to get a snapshot.',
    );
  }
  if (owner !== digest(sessionId)) {
    throw new DurableChatError(
      'invalid_cursor',
      'The cursor belongs to another session. Subscribe without a cursor to get a snapshot.',
    );
  }
  const positions: Record<string, number> = Object.create(null) as Record<string, number>;
  const degraded: string[] = [];
  for (const entry of runs) {
    const match = /^([\w-]{1,64}):(\d{1,15})(!?)$/.exec(entry);
    if (!match?.[1])
      throw new DurableChatError(
        'invalid_cursor',
        'The cursor is malformed. Subscribe without a cursor to get a snapshot.',
      );
    positions[match[1]] = Number(match[2]);
    if (match[3]) degraded.push(match[1]);
  }
  return { log, runs: positions, degraded };
}
