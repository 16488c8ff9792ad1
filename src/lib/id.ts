// Ids of runs and messages: 96 random bits, safe in URLs, cursors and keys.

import type { Runtime } from './runtime.ts';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_';

/**
 * @param runtime - Where the randomness comes from.
 * @returns A new id of 16 characters.
 */
export function newId(runtime: Runtime): string {
  return Array.from(runtime.randomBytes(16), (byte) => alphabet[byte & 63]).join('');
}
