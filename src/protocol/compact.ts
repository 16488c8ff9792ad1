// Fewer chunks that build the same message (G9): deltas are merged, superseded values dropped.

import type { UIMessageChunk } from 'ai';

type Delta = Extract<UIMessageChunk, { type: 'text-delta' | 'reasoning-delta' | 'tool-input-delta' }>;

/** Identifies the chunks that can absorb one another, or undefined for one that stands alone. */
function keyOf(chunk: UIMessageChunk): string | undefined {
  switch (chunk.type) {
    case 'text-delta':
    case 'reasoning-delta':
      return `${chunk.type} ${chunk.id}`;
    case 'tool-input-delta':
      return `${chunk.type} ${chunk.toolCallId}`;
    case 'tool-output-available':
      return `${chunk.type} ${chunk.toolCallId}`;
    default:
      return isData(chunk) && chunk.id !== undefined ? JSON.stringify([chunk.type, chunk.id]) : undefined;
  }
}

type DataChunk = Extract<UIMessageChunk, { type: `data-${string}` }>;

function isData(chunk: UIMessageChunk): chunk is DataChunk {
  return chunk.type.startsWith('data-');
}

/** `earlier` with `later` merged into it, or undefined where both have to stay. */
function merge(earlier: UIMessageChunk, later: UIMessageChunk): UIMessageChunk | undefined {
  if (later.type === 'text-delta' || later.type === 'reasoning-delta') {
    const first = earlier as Extract<Delta, { delta: string }>; // the key holds the type
    return later.providerMetadata ? undefined : { ...first, delta: first.delta + later.delta };
  }
  if (later.type === 'tool-input-delta') {
    const first = earlier as Extract<Delta, { inputTextDelta: string }>; // the key holds the type
    return { ...first, inputTextDelta: first.inputTextDelta + later.inputTextDelta };
  }
  if (later.type === 'tool-output-available') {
    const { preliminary, ...first } = earlier as typeof later; // the key holds the type
    return preliminary ? { ...first, ...later } : undefined;
  }
  return { ...earlier, data: (later as DataChunk).data } as DataChunk; // the one kind that is left
}

/**
 * The shortest list we know of that builds the same message. Order matters only where it shows: deltas of
 * different parts commute, so parallel parts do not keep each other from being merged. Transient data,
 * which no message keeps, is left out.
 */
export function compact(chunks: readonly UIMessageChunk[]): UIMessageChunk[] {
  const result: UIMessageChunk[] = [];
  const lastByKey = new Map<string, number>();
  for (const chunk of chunks) {
    if (isData(chunk) && chunk.transient) continue;
    const key = keyOf(chunk);
    const index = key === undefined ? undefined : lastByKey.get(key);
    const merged = index === undefined ? undefined : merge(result[index]!, chunk);
    if (index !== undefined && merged) {
      result[index] = merged;
      continue;
    }
    // Past any other chunk an equal key may mean another part.
    if (key === undefined) lastByKey.clear();
    else lastByKey.set(key, result.length);
    result.push(chunk);
  }
  return result;
}

/**
 * What has to follow `seen` so that it builds what `all` builds, where `seen` is a beginning of the same run.
 * Both are compacted; a value that was superseded in between is emitted anew.
 */
export function remainder(seen: readonly UIMessageChunk[], all: readonly UIMessageChunk[]): UIMessageChunk[] {
  const head = compact(seen);
  const result: UIMessageChunk[] = [];
  compact(all).forEach((chunk, index) => {
    const before = head[index];
    if (!before) {
      result.push(chunk);
    } else if (chunk.type === 'text-delta' || chunk.type === 'reasoning-delta') {
      const delta = chunk.delta.slice((before as typeof chunk).delta.length);
      if (delta) result.push({ ...chunk, delta });
    } else if (chunk.type === 'tool-input-delta') {
      const inputTextDelta = chunk.inputTextDelta.slice((before as typeof chunk).inputTextDelta.length);
      if (inputTextDelta) result.push({ ...chunk, inputTextDelta });
    } else if (JSON.stringify(before) !== JSON.stringify(chunk)) {
      result.push(chunk);
    }
  });
  return result;
}
