// What an app means by a list that it sets: which messages of the session it removes, and which user messages it changes.

import type { UIMessage } from 'ai';
import { equal } from './equal.ts';

export interface Intent {
  readonly removed: readonly string[];
  readonly edited: readonly UIMessage[];
}

/**
 * Compares a list that the app sets with what the chat showed from the session. A list whose unchanged messages are not
 * the objects that the chat handed out was loaded elsewhere, perhaps late and older: it is no intent.
 *
 * @param shown - what the chat showed from the session
 * @param isHandedOut - whether the chat handed out this very object
 * @param set - the list that the app sets
 * @returns undefined where the list says nothing about the session
 */
export function intentOf(
  shown: readonly UIMessage[],
  isHandedOut: (message: UIMessage) => boolean,
  set: readonly UIMessage[],
): Intent | undefined {
  const known = new Map(shown.map((message) => [message.id, message]));
  const kept = set.filter(({ id }) => known.has(id));
  const changed = kept.filter((message) => !isHandedOut(message));
  const isForeign = changed.some((message) => {
    const before = known.get(message.id);
    return message.role !== 'user' || before?.role !== 'user' || equal(before, message);
  });
  // Nothing shows where a list comes from that keeps nothing of what was handed out, unless it is empty.
  if (isForeign || (set.length > 0 && kept.length === changed.length)) return undefined;
  const left = new Set(set.map(({ id }) => id));
  const removed = shown.flatMap(({ id }) => (left.has(id) ? [] : id));
  return removed.length + changed.length > 0 ? { removed, edited: changed } : undefined;
}
