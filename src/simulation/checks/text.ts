import type { UIMessageChunk } from 'ai';

/** The text that chunks say. */
export function textIn(chunks: readonly UIMessageChunk[]): string {
  return chunks.map((chunk) => (chunk.type === 'text-delta' ? chunk.delta : '')).join('');
}
