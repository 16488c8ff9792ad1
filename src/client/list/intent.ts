// Finds which messages of the session an app removes, and which user messages it edits, with a list that it sets.

import type { UIMessage } from 'ai';
import { equal } from '../../lib/equal.ts';

/** What a list that the app sets changes in the session: ids of removed messages, and edited user messages. */
export interface Intent {
  readonly removed: readonly string[];
  readonly edited: readonly UIMessage[];
}

/**
 * Compares a list that the app sets with the session's messages in the chat. A list is of this chat if each message of the
 * session in it is the object that the chat handed out, or a user message with another content: the first one as any
 * other. A copy of an unchanged message, or a changed answer, shows that the list was loaded elsewhere and can be older. A
 * list without a message of the session is of another chat if it has a user message. Otherwise it clears the chat: it is
 * empty, or has only a greeting of the app.
 *
 * @param shown - the session's messages that the chat showed
 * @param isHandedOut - whether the chat handed out this very object
 * @param set - the list that the app sets
 * @returns undefined if the list does not change the session
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
  const isOther = kept.length === 0 && set.some(({ role }) => role === 'user');
  if (isForeign || isOther) return undefined;
  const left = new Set(set.map(({ id }) => id));
  const removed = shown.flatMap(({ id }) => (left.has(id) ? [] : id));
  return removed.length + changed.length > 0 ? { removed, edited: changed } : undefined;
}
