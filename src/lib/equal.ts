// Whether two messages have the same content.

import type { UIMessage } from 'ai';

/**
 * Whether two messages are equal as JSON, as in the log, in any order of keys. An equal message keeps its identity, so
 * nothing re-renders.
 */
export function equal(shown: UIMessage, logged: UIMessage): boolean {
  if (shown === logged || knownEqual.get(shown) === logged) return true;
  const same = isEqual(shown, logged);
  if (same) knownEqual.set(shown, logged);
  return same;
}

function isEqual(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  // JSON has no `undefined`, so such a field counts as missing.
  return [...keys].every((key) => isEqual((a as Fields)[key], (b as Fields)[key]));
}

type Fields = Readonly<Record<string, unknown>>;

/** Pairs that were found equal, so that they are compared once and not with every frame. */
const knownEqual = new WeakMap<UIMessage, UIMessage>();

/** Whether two lists have the same objects in the same order. */
export function isSame<T>(list: readonly T[], other: readonly T[]): boolean {
  return list.length === other.length && list.every((one, index) => one === other[index]);
}
