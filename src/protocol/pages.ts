// An entry that does not fit into one request to the store is written as several, one after the other. Nothing comes of
// them until the last one: a writer that fails in between leaves no half of it.

import type { LogFrame, NewEntry } from './frames.ts';
import { maxEntryBytes, requestBytes } from './size.ts';

/** Room for what an entry says besides its frames. */
const besides = 10_000;

/** Frames in as many groups as it takes for each to fit into an entry; a frame that does not fit has one of its own. */
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
    pages.at(-1)!.push(frame); // pushed just now, if not before
    left -= size;
  }
  return pages;
}

/** The pages that have been read of entries whose last page has not. */
export class Pages {
  readonly #read = new Map<string, readonly LogFrame[]>();

  /** All frames of an entry whose last page this is, or that has only one. Undefined: nothing comes of it by now. */
  add({ frames, page }: Pick<NewEntry, 'frames' | 'page'>): readonly LogFrame[] | undefined {
    if (!page) return frames;
    const { of, at, last } = page;
    const before = at === 1 ? [] : this.#read.get(nameOf(of, at - 1));
    // A page counts only behind all that come before it.
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
