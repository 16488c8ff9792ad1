// Encodes values so that `@upstash/redis` does not change them, with any options of the client.

/** One entry of a Redis stream, which has a single field. */
export interface StreamEntry {
  readonly id: string;
  readonly value: string;
}

/**
 * JSON after a mark that no JSON begins with. A client with `automaticDeserialization` (the default) parses every string
 * that is JSON, and loses digits of large numbers. It does not parse a string with the mark.
 */
export function encodeValue(value: unknown): string {
  return `!${JSON.stringify(value)}`;
}

/** The caller names the type of what `encodeValue` has written. */
export function decodeValue<T>(text: string): T {
  return JSON.parse(text.slice(1)) as T;
}

/** Reads the answer of XRANGE: pairs if the client does not deserialize, else an object by id. */
export function decodeEntries(answer: unknown): StreamEntry[] {
  if (Array.isArray(answer)) {
    const rows = answer as [string, string[]][]; // Redis' own shape
    return rows.map(([id, [, value = '']]) => ({ id, value }));
  }
  const byId = (answer ?? {}) as Record<string, { v: string }>; // the client's shape
  return Object.entries(byId).map(([id, { v }]) => ({ id, value: v }));
}
