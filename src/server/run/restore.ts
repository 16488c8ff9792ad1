// A run whose stored chunks vanish while it goes on: written again from memory, from its first chunk, so that its
// viewers miss nothing and see nothing twice.

import type { UIMessageChunk } from 'ai';
import { firstBatch, type WriteResult } from './write-queue.ts';

export interface RestoreOptions {
  readonly write: (from: number, chunks: readonly UIMessageChunk[]) => Promise<WriteResult | 'gone'>;
  /** What the run has emitted so far. */
  readonly chunks: readonly UIMessageChunk[];
  /** Asks the log: a run that was ended, or whose session was deleted, is not written again. */
  readonly isActive: () => Promise<boolean>;
}

const lengthOf = (chunk: UIMessageChunk) => JSON.stringify(chunk).length;

/** Writes as `write` does, to a run that may have lost what was written before. */
export function restoring({
  write,
  chunks,
  isActive,
}: RestoreOptions): (from: number, batch: readonly UIMessageChunk[]) => Promise<WriteResult> {
  /** How many chunks are there. A failure in the middle of writing them again does not forget where that was. */
  let stored = 0;
  return async (from, batch) => {
    for (;;) {
      const isBehind = stored < from;
      const at = isBehind ? stored : from;
      const next = isBehind ? firstBatch(chunks.slice(stored, from), lengthOf) : batch;
      const result = await write(at, next);
      if (result === 'closed') return 'closed';
      if (result === 'gone') {
        if (!(await isActive())) return 'closed';
        stored = 0;
        continue;
      }
      stored = at + next.length;
      if (!isBehind) return 'stored';
    }
  };
}
