// The ids of stream entries: milliseconds and a sequence number.

import { RespError } from '../../testing/resp.ts';

/** An id. */
export interface StreamId {
  readonly ms: number;
  readonly sequence: number;
}

/** No entry has it. */
export const lowestId: StreamId = { ms: 0, sequence: 0 };
/** No entry has it. */
export const highestId: StreamId = { ms: Infinity, sequence: Infinity };

/** Below 0 if `a` comes first. */
export function compareIds(a: StreamId, b: StreamId): number {
  return a.ms === b.ms ? a.sequence - b.sequence : a.ms - b.ms;
}

/**
 * @param text `ms` or `ms-sequence`.
 * @param sequence What a missing sequence number means.
 * @returns The id. Throws the reply of Redis if it is none.
 */
export function parseId(text: string, sequence = 0): StreamId {
  const [, ms, given] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  if (ms === undefined) throw new RespError('ERR Invalid stream ID specified as stream command argument');
  return { ms: exact(ms), sequence: given === undefined ? sequence : exact(given) };
}

/** @returns `ms-sequence`. */
export function formatId({ ms, sequence }: StreamId): string {
  return `${ms}-${sequence}`;
}

/** The id that Redis makes for `*`: it grows, also if the clock was set back. */
export function nextId(newest: StreamId, now: number): StreamId {
  if (now > newest.ms) return { ms: now, sequence: 0 };
  return { ms: newest.ms, sequence: newest.sequence + 1 };
}

/** Redis has 64 bits. What a JavaScript number cannot hold is not simulated. */
function exact(digits: string): number {
  const number = Number(digits);
  if (!Number.isSafeInteger(number)) throw new Error(`The simulated Redis has no numbers like ${digits}.`);
  return number;
}
