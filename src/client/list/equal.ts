// Whether two messages say the same.

import type { UIMessage } from 'ai';

/**
 * Equal as JSON, which is how the log holds it, in whatever order the keys are. An equal message keeps its identity, so
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
  // JSON has no `undefined`: such a field is not there.
  return [...keys].every((key) => isEqual((a as Fields)[key], (b as Fields)[key]));
}

type Fields = Readonly<Record<string, unknown>>;

/** Compared once, not with every frame. */
const knownEqual = new WeakMap<UIMessage, UIMessage>();
