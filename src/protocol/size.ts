// What fits into a request to a store. The hosted one takes 10 MB of a JSON body in which our own JSON is a string,
// so that it is escaped twice, in UTF-8.

import { DurableChatError } from './errors.ts';

/** The largest message, and the largest chunk, that is stored: in bytes of a request, beside what else it carries. */
export const maxStoredBytes = 8_000_000;

/** The largest log entry, in bytes of a request. */
export const maxEntryBytes = 9_900_000;

/** Throws `too_large` for a log entry, given as its JSON, that no request has room for. */
export function checkEntry(json: string): void {
  if (fitsRequest(json, maxEntryBytes)) return;
  throw new DurableChatError(
    'too_large',
    `The data does not fit into one request to the store: it takes more than ${maxEntryBytes} bytes. Send less at once.`,
  );
}

/**
 * The most levels of objects and arrays in what is stored. Whatever reads it is recursive, here and in browsers, and
 * overflows the stack at some thousands.
 */
export const maxLevels = 500;

/** Whether a value has more levels of objects and arrays than this. */
export function isNestedOver(value: unknown, levels: number = maxLevels): boolean {
  let level = [value].filter(isNode);
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === levels) return true;
    level = level.flatMap((node) => Object.values(node).filter(isNode));
  }
  return false;
}

function isNode(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** One character of JSON takes at most three bytes of UTF-8, or two once it is escaped. */
const mostPerCharacter = 3;

/** The bytes that a value takes in a request. */
export function requestBytes(value: unknown): number {
  return bytesOfJson(JSON.stringify(value) ?? '');
}

/** Whether a value, given as its JSON, takes at most `limit` bytes in a request. */
export function fitsRequest(json: string, limit: number): boolean {
  return json.length * mostPerCharacter <= limit || bytesOfJson(json) <= limit;
}

function bytesOfJson(json: string): number {
  return new TextEncoder().encode(JSON.stringify(json)).byteLength;
}
