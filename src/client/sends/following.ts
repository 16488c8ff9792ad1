// What a Chat has been given of its session, and what it has sent that the log does not show yet.

import { isActive, type SessionRun, type SessionState } from '../../protocol/session-state.ts';

/** How long the session's frames may stay behind an answer that has been read to its end. */
const catchUpMs = 2_000;

export class Following {
  /** Runs that the chat's own sends have started. */
  readonly #own = new Set<string>();
  /** Runs that the chat has been given as a stream. */
  readonly #followed = new Set<string>();
  /** Those of them that the chat is still reading. */
  readonly #reading = new Set<string>();
  readonly #pending = new Set<string>();
  /** Own runs that the session's frames have not told of yet. */
  readonly #ahead = new Set<string>();
  /** The messages that own runs came with, until the session's frames tell of the run, however late. */
  readonly #sent = new Map<string, string>();
  readonly #listeners = new Set<() => void>();

  /** Calls back when the chat has taken a stream's last chunk, until the result is called. */
  onDelivered(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  follow(run: string, as: 'own' | 'other', sent?: string): void {
    if (as === 'own') {
      this.#own.add(run);
      this.#ahead.add(run);
      if (sent !== undefined) this.#sent.set(run, sent);
    }
    this.#followed.add(run);
    this.#reading.add(run);
  }

  /** The chat is done with a run's stream: it has read it all, or it has cancelled it and may want it again. */
  leave(run: string, how: 'end' | 'cancel'): void {
    this.#reading.delete(run);
    if (how === 'cancel') this.#followed.delete(run);
    else this.#notify();
    // A short answer is over before the session has told of its run; one that is told of never ended long ago.
    if (this.#ahead.has(run)) setTimeout(() => this.#ahead.delete(run) && this.#notify(), catchUpMs);
  }

  /** The run is not followed again, whatever became of its stream. */
  keep(run: string): void {
    this.#followed.add(run);
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Whether the chat writes a run that `state` has not heard of: until then the two cannot be compared. */
  isAhead(state: SessionState): boolean {
    const isTold = (run: string) => state.ended.has(run) || isActive(state, run);
    for (const run of this.#ahead) if (isTold(run)) this.#ahead.delete(run);
    for (const [run, sent] of this.#sent) {
      if (!isTold(run)) continue;
      this.#sent.delete(run);
      // The log has had its message, even if that is gone again.
      this.settle([sent]);
    }
    return this.#ahead.size > 0;
  }

  isReading(run: string): boolean {
    return this.#reading.has(run);
  }

  /** Whether a send has become a run, which it does on a durable route only. */
  get hasOwn(): boolean {
    return this.#own.size > 0;
  }

  isOwn(run: string): boolean {
    return this.#own.has(run);
  }

  /** The run to follow next: one that is running and not followed. */
  next(runs: readonly SessionRun[]): SessionRun | undefined {
    return runs.find(({ run, status }) => status === 'running' && !this.#followed.has(run));
  }

  /** Whether the chat is reading a run that it did not start: the SDK resumes one at a time. */
  get isResuming(): boolean {
    return [...this.#reading].some((run) => !this.#own.has(run));
  }

  addPending(messageId: string): void {
    this.#pending.add(messageId);
  }

  isPending(messageId: string): boolean {
    return this.#pending.has(messageId);
  }

  /** What the log shows is pending no more: from now on the log decides. */
  settle(shown: readonly string[]): void {
    if (this.#pending.size > 0) for (const id of shown) this.#pending.delete(id);
  }
}
