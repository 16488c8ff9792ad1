// What the AI SDK can make of a file part: it throws for a `url` that is none, and every turn of its session with it.

import type { FileUIPart } from 'ai';

/** Whether a file part names its file: by a `providerReference`, or by a `url` of any scheme that `new URL()` takes. */
export function namesFile(part: Pick<FileUIPart, 'url'> & { readonly providerReference?: unknown }): boolean {
  if (typeof part.providerReference === 'object' && part.providerReference !== null) return true;
  try {
    return new URL(part.url).href !== '';
  } catch {
    return false;
  }
}
