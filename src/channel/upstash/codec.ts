// How values travel through `@upstash/redis` unharmed, whatever the client's options are.

/** One entry of a Redis stream; ours have a single field. */
export interface StreamEntry {
  readonly id: string;
  readonly value: string;
}

/**
 * JSON behind a mark that no JSON begins with. A client with `automaticDeserialization` (the default) parses
 * every string that happens to be JSON and loses digits on the way; it leaves these alone.
 */
export function encodeValue(value: unknown): string {
  return `!${JSON.stringify(value)}`;
}

/** The type is the caller's word: what is read here was written by `encodeValue`. */
export function decodeValue<T>(text: string): T {
  return JSON.parse(text.slice(1)) as T;
}

/** The answer of XRANGE: pairs when the client does not deserialize, an object by id when it does. */
export function decodeEntries(answer: unknown): StreamEntry[] {
  if (Array.isArray(answer)) {
    const rows = answer as [string, string[]][]; // Redis' own shape
    return rows.map(([id, [, value = '']]) => ({ id, value }));
  }
  const byId = (answer ?? {}) as Record<string, { v: string }>; // the client's shape
  return Object.entries(byId).map(([id, { v }]) => ({ id, value: v }));
}
