// A run's write queue: the first chunk goes out at once; then one write is under way at a time, and what
// arrives meanwhile is the next batch. Nothing here is ever waited for by the origin.

import type { UIMessageChunk } from 'ai';
import { patiently, retry } from '../lib/retry.ts';

export type WriteResult = 'stored' | 'closed';

export interface Writer {
  push(chunk: UIMessageChunk): void;
  /**
   * Resolves once everything that was taken is stored, or the run was found closed; `cut` when not all was taken.
   * Rejects when the store stays down.
   */
  drain(): Promise<WriteResult | 'cut'>;
  /** Chunks known to be stored. */
  readonly stored: number;
}

export interface WriterOptions {
  readonly write: (from: number, chunks: readonly UIMessageChunk[]) => Promise<WriteResult>;
  /** The least time between the beginnings of two writes, in milliseconds. */
  readonly flushIntervalMs: number;
  /** The run was closed by somebody else: its producer has to give up. */
  readonly onClosed: () => void;
  /** How much may wait to be written, as characters of JSON. What comes beyond that, and after it, is not taken. */
  readonly maxUnwritten: number;
  /** Told once, when not everything is taken any more. */
  readonly onOverflow: () => void;
}

interface Pending {
  readonly chunk: UIMessageChunk;
  /** Of its JSON. */
  readonly length: number;
}

/** A batch is cut here, so that one write stays far from the store's request limit. */
const maxBatchLength = 512_000;

export function createWriter(options: WriterOptions): Writer {
  const { write, flushIntervalMs, onClosed, maxUnwritten, onOverflow } = options;
  const pending: Pending[] = [];
  let unwritten = 0;
  let stored = 0;
  let closed = false;
  let cut = false;
  let draining = false;
  let wake: (() => void) | undefined;
  let working: Promise<void> | undefined;

  async function work(): Promise<void> {
    try {
      // The chunk is on its way to the origin: that comes first, even before making a request of it.
      await new Promise((resolve) => setTimeout(resolve));
      while (pending.length > 0 && !closed) {
        const batch = takeBatch(pending);
        const rested = rest();
        const result = await retry(() => write(stored, batch), patiently);
        if (result === 'closed') {
          closed = true;
          onClosed();
          return;
        }
        for (const { length } of pending.splice(0, batch.length)) unwritten -= length;
        stored += batch.length;
        await rested;
      }
    } finally {
      // In the same turn as the loop's last look: a push right after it has to find that nobody works.
      working = undefined;
    }
  }

  /** Ends early when the run drains: the last batch has nothing to wait for. */
  function rest(): Promise<void> {
    if (draining) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, flushIntervalMs);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  function start(): Promise<void> {
    working ??= work();
    return working;
  }

  return {
    get stored() {
      return stored;
    },
    push(chunk) {
      if (closed || cut) return;
      const { length } = JSON.stringify(chunk);
      if (unwritten > 0 && unwritten + length > maxUnwritten) {
        cut = true;
        return onOverflow();
      }
      unwritten += length;
      pending.push({ chunk, length });
      // A failure shows in `drain`.
      start().catch(() => {});
    },
    async drain() {
      draining = true;
      wake?.();
      while ((working || pending.length > 0) && !closed) await start();
      if (closed) return 'closed';
      return cut ? 'cut' : 'stored';
    },
  };
}

function takeBatch(pending: readonly Pending[]): UIMessageChunk[] {
  let total = 0;
  const end = pending.findIndex(({ length }, index) => {
    total += length;
    return index > 0 && total > maxBatchLength;
  });
  return pending.slice(0, end === -1 ? undefined : end).map(({ chunk }) => chunk);
}
