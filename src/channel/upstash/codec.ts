// Encodes values so that `@upstash/redis` does not change them, with any options of the client.

import type { UIMessageChunk } from 'ai';
import { newerError } from '../../protocol/errors.ts';
import type { RunEndReason, RunEnding } from '../../protocol/frames.ts';

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

const reasons: readonly string[] = ['finish', 'stop', 'error', 'interrupted'] satisfies RunEndReason[];

/** The chunks of a batch. @throws `version` for a batch of a version that is not an array */
export function decodeBatch(text: string): UIMessageChunk[] {
  const batch = decodeValue<unknown>(text);
  if (!Array.isArray(batch)) throw newerError('session');
  return batch as UIMessageChunk[]; // a producer wrote it
}

/** How a run was closed. @throws `version` for a reason that this version does not know */
export function decodeClosure(text: string): RunEnding {
  const closure = decodeValue<RunEnding>(text);
  if (!reasons.includes(closure.reason)) throw newerError('session');
  return closure;
}

/** Reads the reply to XRANGE: pairs if the client does not deserialize, else an object by id. */
export function decodeEntries(reply: unknown): StreamEntry[] {
  if (Array.isArray(reply)) {
    const rows = reply as [string, string[]][]; // Redis' own shape
    return rows.map(([id, [, value = '']]) => ({ id, value }));
  }
  const byId = (reply ?? {}) as Record<string, { v: string }>; // the client's shape
  return Object.entries(byId).map(([id, { v }]) => ({ id, value: v }));
}
