// Fewer chunks that build the same message (G9): deltas are merged, superseded values are left out.

import type { UIMessageChunk } from 'ai';

/** A chunk, read field by field. Its type says which fields it has. */
interface Loose {
  readonly type: string;
  readonly id?: string;
  readonly toolCallId?: string;
  readonly delta?: string;
  readonly inputTextDelta?: string;
  readonly data?: unknown;
  readonly transient?: boolean;
  readonly preliminary?: boolean;
  readonly providerMetadata?: unknown;
}

const deltaFields = {
  'text-delta': 'delta',
  'reasoning-delta': 'delta',
  'tool-input-delta': 'inputTextDelta',
} as const;

/** The field of a chunk that is appended to what came before it. */
function deltaOf({ type }: Loose): 'delta' | 'inputTextDelta' | undefined {
  return deltaFields[type as keyof typeof deltaFields];
}

function isData({ type }: Loose): boolean {
  return type.startsWith('data-');
}

/** Identifies the chunks that can absorb one another, or undefined for one that stands alone. */
function keyOf(chunk: Loose): string | undefined {
  const { type, id = chunk.toolCallId } = chunk;
  const absorbs = deltaOf(chunk) ?? (type === 'tool-output-available' || (isData(chunk) && id !== undefined));
  return absorbs ? JSON.stringify([type, id]) : undefined;
}

/** `earlier` with `later` of the same key merged into it, or undefined where both have to stay. */
function merge(earlier: Loose, later: Loose): Loose | undefined {
  const field = deltaOf(later);
  if (field) {
    const { providerMetadata } = later;
    // The last metadata of a text part counts. The SDK does not define that for a tool call.
    if (providerMetadata && field === 'inputTextDelta') return undefined;
    const text = `${earlier[field]}${later[field]}`;
    return { ...earlier, [field]: text, ...(providerMetadata ? { providerMetadata } : {}) };
  }
  if (isData(later)) return { ...earlier, data: later.data };
  const { preliminary, ...first } = earlier;
  return preliminary ? { ...first, ...later } : undefined;
}

/**
 * A shorter list that builds the same message. Deltas of different parts can change places, so those of parallel parts
 * are merged as well. Transient data is left out: no message keeps it.
 */
export function compact(chunks: readonly UIMessageChunk[]): UIMessageChunk[] {
  const result: Loose[] = [];
  const lastByKey = new Map<string, number>();
  for (const chunk of chunks as readonly Loose[]) {
    if (isData(chunk) && chunk.transient) continue;
    const key = keyOf(chunk);
    const index = key === undefined ? undefined : lastByKey.get(key);
    const merged = index === undefined ? undefined : merge(result[index]!, chunk);
    if (index !== undefined && merged) {
      result[index] = merged;
      continue;
    }
    // After any other chunk an equal key can belong to another part.
    if (key === undefined) lastByKey.clear();
    else lastByKey.set(key, result.length);
    result.push(chunk);
  }
  return result as UIMessageChunk[]; // chunks as they came, or two of a type made one
}

/**
 * The chunks that have to follow `seen` so that it builds what `all` builds. `seen` is a beginning of the same run. A value
 * that was superseded in between is emitted again.
 */
export function remainder(seen: readonly UIMessageChunk[], all: readonly UIMessageChunk[]): UIMessageChunk[] {
  const head: Loose[] = compact(seen);
  const result: Loose[] = [];
  (compact(all) as Loose[]).forEach((chunk, index) => {
    const before = head[index];
    const field = deltaOf(chunk);
    if (before && field) {
      const rest = chunk[field]?.slice(before[field]?.length);
      if (rest || !isSame(before.providerMetadata, chunk.providerMetadata)) {
        result.push({ ...chunk, [field]: rest });
      }
    } else if (!isSame(before, chunk)) {
      result.push(chunk);
    }
  });
  return result as UIMessageChunk[]; // chunks as they came, or the end of one
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
