// Ids of runs and messages: 96 random bits, safe in URLs, cursors and keys.

import type { Runtime } from './runtime.ts';

/**
 * @param runtime - Where the randomness comes from.
 * @returns A new id of 16 characters.
 */
export function newId(runtime: Runtime): string {
  const base64 = btoa(String.fromCharCode(...runtime.randomBytes(12)));
  return base64.replaceAll('+', '-').replaceAll('/', '_');
}
