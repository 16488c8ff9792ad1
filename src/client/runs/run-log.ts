// One run's chunks as far as this client knows them, from whichever connection brought them first, and
// streams of them that begin at the beginning and go on until the run ends.

import type { UIMessageChunk } from 'ai';
import { onAbort } from '../../lib/abort.ts';
import { compact, remainder } from '../../protocol/compact.ts';
import { fromFirstPart } from './first-part.ts';

/** The chunks of one run, counted from 0. */
export class RunLog {
  readonly runId: string;
  /** What builds the message so far; after a snapshot, fewer chunks than `count`. */
  readonly #chunks: UIMessageChunk[] = [];
  readonly #streams = new Set<() => void>();
  #count = 0;
  /** Errors that only the response to this client's request has. */
  readonly #errors: UIMessageChunk[] = [];
  /** Whether a POST brings the chunks. Then the session's `run-end` can come before the last chunks. */
  isPosted = false;
  #end: { readonly error?: unknown } | undefined;
  #isHidden = false;

  constructor(runId: string) {
    this.runId = runId;
  }

  /** How many of the run's chunks are here. */
  get count(): number {
    return this.#count;
  }

  /** What builds the message so far, compacted. */
  get chunks(): UIMessageChunk[] {
    return compact(this.#chunks);
  }

  /** While it is hidden, its streams have no chunks: the SDK puts a message that it reads back into the list. */
  hide(isHidden: boolean): void {
    if (this.#isHidden === isHidden) return;
    this.#isHidden = isHidden;
    this.#notify();
  }

  /** Whether a stream of it is open. */
  get isRead(): boolean {
    return this.#streams.size > 0;
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** Takes chunks `from`, `from + 1`, …; those known already are skipped. False when some in between are missing. */
  accept(from: number, chunks: readonly UIMessageChunk[]): boolean {
    if (from > this.#count) return false;
    const fresh = chunks.slice(this.#count - from);
    this.#chunks.push(...fresh);
    this.#count += fresh.length;
    this.#notify();
    return true;
  }

  /** Takes a snapshot: compacted chunks that stand for the first `count`. */
  acceptSnapshot(count: number, compacted: readonly UIMessageChunk[]): void {
    if (count <= this.#count) return;
    this.#chunks.push(...remainder(this.#chunks, compacted));
    this.#count = count;
    this.#notify();
  }

  /** Takes an error that is no chunk of the run. The readers of the run get it at the end. */
  acceptError(error: UIMessageChunk): void {
    this.#errors.push(error);
  }

  /** No more will come; with `error`, because it cannot be had. */
  end(error?: unknown): void {
    this.#end ??= error === undefined ? {} : { error };
    this.#notify();
  }

  /**
   * All chunks, from the moment when the first part or metadata is there. An answer with neither ends without `start`.
   * Cancelling the stream does not stop the run. `onClose` is called once; `refused` after an end with an error. `left` ends the stream like an abort: its
   * reader is gone, and its promises settle.
   */
  stream(
    onClose?: (how: 'end' | 'cancel' | 'refused') => void,
    left?: AbortSignal,
  ): ReadableStream<UIMessageChunk> {
    let next = 0;
    let open = true;
    const take = fromFirstPart();
    let resume: () => void = () => {};
    const onChange = () => resume();
    let stay = () => {};
    const close = (how: 'end' | 'cancel' | 'refused') => {
      open = false;
      this.#streams.delete(onChange);
      stay();
      onClose?.(how);
    };
    this.#streams.add(onChange);
    return new ReadableStream<UIMessageChunk>(
      {
        start: (controller) => {
          stay = onAbort(left, () => {
            close('cancel');
            controller.error(left?.reason);
            resume();
          });
        },
        pull: async (controller) => {
          for (let given = 0; open && given === 0;) {
            // The sender gets the errors of its run also while the run is hidden.
            if (this.#end && this.#isHidden) next = Math.max(next, this.#chunks.length);
            const last = this.#end && this.#errors[next - this.#chunks.length];
            const chunk = (this.#isHidden ? undefined : this.#chunks[next]) ?? last;
            if (chunk) {
              next++;
              // Copies, because the SDK keeps a data chunk as the part and changes it in place.
              for (const ready of take(chunk)) {
                controller.enqueue({ ...ready });
                given++;
              }
            } else if (this.#end) {
              const isRefused = 'error' in this.#end;
              close(isRefused ? 'refused' : 'end');
              if (isRefused) return controller.error(this.#end.error);
              return controller.close();
            } else await new Promise<void>((resolve) => (resume = resolve));
          }
        },
        cancel: () => {
          close('cancel');
          resume();
        },
      },
      // Nothing is buffered, so unread chunks can still be cancelled.
      { highWaterMark: 0 },
    );
  }

  #notify(): void {
    for (const notify of [...this.#streams]) notify();
  }
}
