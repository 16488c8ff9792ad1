// A run's write queue. The first chunk is written at once. After that one write is open at a time, and the chunks that
// arrive meanwhile are the next batch. The source does not wait for a failing store. If the store works, a source that
// is much faster waits.

import type { UIMessageChunk } from 'ai';
import type { Runtime } from '../../lib/runtime.ts';
import { sleep } from '../../lib/time.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { InterruptionCause } from '../../protocol/frames.ts';
import { fitsRequest, maxStoredBytes } from '../../protocol/size.ts';
import { patienceMs, retry } from '../lib/retry.ts';

/** `closed`: another process has closed the run, and nothing was written. */
export type WriteResult = 'stored' | 'closed';

/** Why the queue is cut: the store failed for too long, or a chunk is too large for a request. */
export type CutCause = Extract<InterruptionCause, 'store' | 'too_large'>;

/** The write queue of one run. */
export interface Writer {
  push(chunk: UIMessageChunk): void;
  /** Resolves once the source may continue: at once, unless the store works and `maxUnwritten` is waiting. */
  room(): Promise<void>;
  /** The store fails, or works again. While it fails, the queue is limited. */
  setFailing(failing: boolean): void;
  /**
   * Resolves once all accepted chunks are stored, or the run is closed; with the cause if the queue was cut.
   * Rejects if the store stays down.
   */
  drain(): Promise<WriteResult | CutCause>;
  /** How many chunks are stored. */
  readonly stored: number;
}

/** How the queue writes, and how much it keeps. */
export interface WriterOptions {
  readonly runtime: Runtime;
  readonly write: (from: number, chunks: readonly UIMessageChunk[]) => Promise<WriteResult>;
  /** The least time between the starts of two writes, in milliseconds. */
  readonly flushIntervalMs: number;
  /** Called if another process has closed the run: its producer must give up. */
  readonly onClosed: () => void;
  /**
   * How much may wait while the store fails, in characters of JSON. Beyond it the queue is cut: later chunks
   * are not accepted. While the store works, the source waits once as much is waiting.
   */
  readonly maxUnwritten: number;
  /** Called once, when the queue is cut. */
  readonly onCut: (cause: CutCause) => void;
}

/** The error for the app about a run that was cut. */
export function cutError(cause: CutCause): DurableChatError {
  return cause === 'store'
    ? new DurableChatError(
        'store_failed',
        'The store failed for so long that more than `maxUnwrittenBytes` waited. The log lacks the rest of the run. Check the store, or raise the limit.',
      )
    : new DurableChatError(
        'too_large',
        'A chunk is too large to be stored. The log keeps the run up to that chunk. Store large files elsewhere, and emit their address.',
      );
}

interface Pending {
  readonly chunk: UIMessageChunk;
  /** The length of its JSON. */
  readonly length: number;
}

/** The largest batch, so that one write stays far below the store's request limit. */
const maxBatchLength = 512_000;

/** A write queue. Its writes never overlap. */
export function createWriter(options: WriterOptions): Writer {
  const { runtime, write, flushIntervalMs, onClosed, maxUnwritten, onCut } = options;
  const pending: Pending[] = [];
  let unwritten = 0;
  /** How much has arrived since the store began to fail; undefined while it works. */
  let sinceFailure: number | undefined;
  let stored = 0;
  /** Why no more chunks are accepted. A closing counts also after a cut. */
  let end: 'closed' | CutCause | undefined;
  const waiting = new Set<() => void>();
  let draining = false;
  let resume: (() => void) | undefined;
  let working: Promise<void> | undefined;

  async function work(): Promise<void> {
    try {
      // The reply gets the chunk first, before the request is made.
      await sleep(runtime, 0);
      while (pending.length > 0 && end !== 'closed') {
        const batch = takeBatch(pending);
        const rested = rest();
        const result = await retry(runtime, () => write(stored, batch), patienceMs);
        if (result === 'closed') {
          end = 'closed';
          release();
          onClosed();
          return;
        }
        for (const { length } of pending.splice(0, batch.length)) unwritten -= length;
        stored += batch.length;
        release();
        await rested;
      }
    } finally {
      // In the same task as the loop's last check, so the next push starts a new loop.
      working = undefined;
    }
  }

  /** Ends early when the run drains, because no more chunks follow. */
  function rest(): Promise<void> {
    if (draining) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = runtime.schedule(resolve, flushIntervalMs);
      resume = () => {
        cancel();
        resolve();
      };
    });
  }

  function isFull(): boolean {
    return unwritten >= maxUnwritten && sinceFailure === undefined && end === undefined;
  }

  function release(): void {
    if (isFull()) return;
    for (const go of waiting) go();
    waiting.clear();
  }

  function cutOff(cause: CutCause): void {
    end = cause;
    release();
    onCut(cause);
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
      if (end !== undefined) return;
      const json = JSON.stringify(chunk);
      const { length } = json;
      if (!fitsRequest(json, maxStoredBytes)) return cutOff('too_large');
      if (sinceFailure !== undefined) {
        if (sinceFailure > 0 && sinceFailure + length > maxUnwritten) return cutOff('store');
        sinceFailure += length;
      }
      unwritten += length;
      pending.push({ chunk, length });
      // A failure rejects `drain`.
      start().catch(() => {});
    },
    room: () => (isFull() ? new Promise((resolve) => waiting.add(resolve)) : Promise.resolve()),
    setFailing(failing) {
      sinceFailure = failing ? (sinceFailure ?? 0) : undefined;
      release();
    },
    async drain() {
      draining = true;
      resume?.();
      while ((working || pending.length > 0) && end !== 'closed') await start();
      return end ?? 'stored';
    },
  };
}

function takeBatch(pending: readonly Pending[]): UIMessageChunk[] {
  return firstBatch(pending, ({ length }) => length).map(({ chunk }) => chunk);
}

/** As many of the first items as fit into one write; at least one. */
export function firstBatch<T>(items: readonly T[], lengthOf: (item: T) => number): readonly T[] {
  let total = 0;
  const end = items.findIndex((item, index) => {
    total += lengthOf(item);
    return index > 0 && total > maxBatchLength;
  });
  return end === -1 ? items : items.slice(0, end);
}
