// A viewer's position in a session: how much of the log and of every active run it has. Clients treat it as opaque.

import { DurableChatError } from './errors.ts';
import { formatVersion } from './requests.ts';

/** A position in a session. */
export interface Cursor {
  /** The id of the last log entry seen; '' before the first. */
  readonly log: string;
  /** Chunks seen of each active run. */
  readonly runs: Readonly<Record<string, number>>;
  /** Those of them that the viewer knows as degraded. */
  readonly degraded?: readonly string[];
}

/** The longest cursor, in characters. */
const longest = 8_192;

/** The cursor as it goes over the wire: safe in a header and in a query. */
export function encodeCursor(sessionId: string, cursor: Cursor): string {
  const marks = Object.entries(cursor.runs).flatMap(([runId, count]) => {
    const degraded = cursor.degraded?.includes(runId) ?? false;
    return count > 0 || degraded
      ? [{ mark: `~${runId}:${count}${degraded ? '!' : ''}`, count, degraded }]
      : [];
  });
  const head = [formatVersion, digest(sessionId), cursor.log].join('~');
  // A run that is not in the cursor is read from its beginning, so those that have no room are the shortest ones.
  const size = marks.reduce((sum, { mark }) => sum + mark.length, head.length);
  if (size > longest) marks.sort((a, b) => Number(b.degraded) - Number(a.degraded) || b.count - a.count);
  return marks.reduce((text, { mark }) => (text.length + mark.length > longest ? text : text + mark), head);
}

/** @throws `invalid_cursor` for a text that is too long for a cursor */
export function checkCursor(text: string): void {
  if (text.length <= longest) return;
  throw new DurableChatError(
    'invalid_cursor',
    `The cursor is longer than ${longest} characters. Subscribe without a cursor to get a snapshot.`,
  );
}

/**
 * Reads a cursor.
 *
 * @returns undefined for a cursor of another version, which reads as expired
 * @throws `invalid_cursor` for anything else that `encodeCursor` did not make for this session
 */
export function decodeCursor(sessionId: string, text: string): Cursor | undefined {
  checkCursor(text);
  const [head = '', owner, log, ...runs] = text.split('~');
  if (/^[1-9]\d{0,5}$/.test(head) && Number(head) !== formatVersion && owner !== undefined) return undefined;
  if (head !== String(formatVersion) || log === undefined || !/^(\d{1,20}-\d{1,20})?$/.test(log)) {
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

/**
 * A short, stable digest: two texts that differ by accident have two digests. It protects nothing. FNV-1a over UTF-16
 * code units, 32 bits, in base 36.
 */
export function digest(text: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0).toString(36);
}
