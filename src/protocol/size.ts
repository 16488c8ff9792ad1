// What fits into a request to a store, and how a beginning that does not fit is cut into pages. The hosted store takes
// 10 MB of a JSON body in which our own JSON is a string, so it is escaped twice, in UTF-8.

import { DurableChatError } from './errors.ts';
import type { LogFrame } from './frames.ts';

/** The largest message, and the largest chunk, that is stored: in bytes of a request, without the rest of the request. */
export const maxStoredBytes = 8_000_000;

/** The largest log entry, in bytes of a request. */
const maxEntryBytes = 9_900_000;

/** @throws `too_large` for a log entry, given as its JSON, that does not fit into a request. */
export function checkEntry(json: string): void {
  if (fitsRequest(json, maxEntryBytes)) return;
  throw new DurableChatError(
    'too_large',
    `The data does not fit into one request to the store: it takes more than ${maxEntryBytes} bytes. Send less at once.`,
  );
}

/**
 * The most levels of objects and arrays in what is stored. Code that reads it is recursive, here and in browsers, and
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

/** Room for the fields of an entry besides its frames. */
const besides = 10_000;

/** Frames in as many groups as it takes for each to fit into an entry. A frame that does not fit has its own group. */
export function pagesOf(
  frames: readonly LogFrame[],
  limit: number = maxEntryBytes - besides,
): readonly (readonly LogFrame[])[] {
  const pages: LogFrame[][] = [];
  let left = 0;
  for (const frame of frames) {
    // With the comma before it.
    const size = requestBytes(frame) + 1;
    if (pages.length === 0 || size > left) {
      pages.push([]);
      left = limit;
    }
    pages.at(-1)!.push(frame); // the loop has pushed one
    left -= size;
  }
  return pages;
}

/** Page `at` of `last` pages, counted from 1, of the beginning `of`. */
export interface EntryPage {
  readonly of: string;
  readonly at: number;
  readonly last: number;
}

/** The pages that were read of beginnings whose last page was not. */
export class Pages {
  readonly #read = new Map<string, readonly LogFrame[]>();

  /** All frames of an entry that is the last page, or the only one. Undefined: the entry has no effect yet, or never. */
  add(entry: {
    readonly frames: readonly LogFrame[];
    readonly page?: EntryPage;
  }): readonly LogFrame[] | undefined {
    const { frames, page } = entry;
    if (!page) return frames;
    const { of, at, last } = page;
    const before = at === 1 ? [] : this.#read.get(nameOf(of, at - 1));
    // A page counts only after all that come before it.
    if (!before) return undefined;
    const all = [...before, ...frames];
    if (at === last) return all;
    this.#read.set(nameOf(of, at), all);
    return undefined;
  }

  clear(): void {
    this.#read.clear();
  }

  copy(): Pages {
    const copy = new Pages();
    for (const [name, frames] of this.#read) copy.#read.set(name, frames);
    return copy;
  }
}

function nameOf(of: string, at: number): string {
  return `${at} ${of}`;
}
