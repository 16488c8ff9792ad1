// What a Chat has been given of its session, and what it has sent that the log does not show yet.

import { isActive, type SessionRun, type SessionState } from '../../protocol/session-state.ts';

/** How long the session's frames may stay behind an answer that has been read to its end, before it is asked for again. */
const catchUpMs = 10_000;

export class Following {
  /** Runs that the chat's own sends have started. */
  readonly #own = new Set<string>();
  /** Runs that the chat has been given as a stream. */
  readonly #followed = new Set<string>();
  /** Those of them that the chat is still reading. */
  readonly #reading = new Set<string>();
  readonly #pending = new Set<string>();
  /** Messages whose send was refused or given up. */
  readonly #refused = new Set<string>();
  /** Own runs that the session's frames have not told of yet. */
  readonly #ahead = new Set<string>();
  /** Those of them that began before the session was last asked for: what it is now has them, or they are gone. */
  readonly #asked = new Set<string>();
  readonly #gone = new Set<string>();
  /** The messages that own runs came with, until the session's frames tell of the run, however late. */
  readonly #sent = new Map<string, string>();
  readonly #listeners = new Set<() => void>();
  readonly #onOverdue: () => void;

  /** `onOverdue` is called when the session may never tell of a run: it is to be asked for as it is now. */
  constructor(onOverdue: () => void) {
    this.#onOverdue = onOverdue;
  }

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
    this.expect(run);
  }

  /** The session's frames are to tell of the run within `ms`; of one that ended long ago they do not. */
  expect(run: string, ms: number = catchUpMs): void {
    if (this.#ahead.has(run)) setTimeout(() => this.#ahead.has(run) && this.#onOverdue(), ms);
  }

  /** The session is asked for now: its snapshot will hold what there has been so far. */
  markAsked(): void {
    for (const run of this.#ahead) this.#asked.add(run);
  }

  /** Compares own runs with a snapshot of the session. */
  compare(snapshot: SessionState): void {
    this.isAhead(snapshot);
    for (const run of this.#ahead) {
      if (!this.#asked.has(run)) continue;
      this.#gone.add(run);
      this.#settleRun(run);
    }
  }

  /** Whether the session has an own run no more, which it never told of. */
  isGone(run: string): boolean {
    return this.#gone.has(run);
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
    for (const run of [...this.#ahead, ...this.#sent.keys()]) if (isTold(run)) this.#settleRun(run);
    return this.#ahead.size > 0;
  }

  #settleRun(run: string): void {
    this.#ahead.delete(run);
    const sent = this.#sent.get(run);
    this.#sent.delete(run);
    // The log has had its message, even if that is gone again.
    if (sent !== undefined) this.settle([sent]);
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

  /** The send of a message has failed for good. */
  refuse(messageId: string): void {
    this.#refused.add(messageId);
  }

  /** The send of a message was answered: the log goes on without those that were refused before. */
  accept(messageId: string): void {
    this.#refused.delete(messageId);
    this.settle([...this.#refused]);
    this.#refused.clear();
  }

  isPending(messageId: string): boolean {
    return this.#pending.has(messageId);
  }

  /** What the log shows is pending no more: from now on the log decides. */
  settle(shown: readonly string[]): void {
    if (this.#pending.size > 0) for (const id of shown) this.#pending.delete(id);
  }
}
