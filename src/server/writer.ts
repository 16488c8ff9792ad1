// A run's write queue: the first chunk goes out at once; then one write is under way at a time, and what
// arrives meanwhile is the next batch. Nothing here is ever waited for by the origin.

import type { UIMessageChunk } from 'ai';
import { patiently, retry } from './retry.ts';

export type WriteResult = 'stored' | 'closed';

export interface Writer {
  push(chunk: UIMessageChunk): void;
  /** Resolves once everything pushed is stored, or the run was found closed. Rejects when the store stays down. */
  drain(): Promise<WriteResult>;
  /** Chunks known to be stored. */
  readonly stored: number;
}

export interface WriterOptions {
  readonly write: (from: number, chunks: readonly UIMessageChunk[]) => Promise<WriteResult>;
  /** The least time between the beginnings of two writes, in milliseconds. */
  readonly flushIntervalMs: number;
  /** The run was closed by somebody else: its producer has to give up. */
  readonly onClosed: () => void;
}

/** A batch is cut here, so that one write stays far from the store's request limit. */
const maxBatchLength = 512_000;

export function createWriter({ write, flushIntervalMs, onClosed }: WriterOptions): Writer {
  const pending: UIMessageChunk[] = [];
  let stored = 0;
  let closed = false;
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
        pending.splice(0, batch.length);
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
      pending.push(chunk);
      // A failure shows in `drain`, which tries once more.
      start().catch(() => {});
    },
    async drain() {
      draining = true;
      wake?.();
      await working?.catch(() => {});
      while (pending.length > 0 && !closed) await start();
      return closed ? 'closed' : 'stored';
    },
  };
}

function takeBatch(pending: readonly UIMessageChunk[]): UIMessageChunk[] {
  let length = 0;
  const end = pending.findIndex((chunk, index) => {
    length += JSON.stringify(chunk).length;
    return index > 0 && length > maxBatchLength;
  });
  return pending.slice(0, end === -1 ? undefined : end);
}
