// Checks file parts: for an invalid `url` the AI SDK would throw in every run of the session.

import type { FileUIPart } from 'ai';

/** Whether a file part has a `providerReference`, or a `url` of any scheme that `new URL()` accepts. */
export function namesFile(part: Pick<FileUIPart, 'url'> & { readonly providerReference?: unknown }): boolean {
  if (typeof part.providerReference === 'object' && part.providerReference !== null) return true;
  try {
    return new URL(part.url).href !== '';
  } catch {
    return false;
  }
}
