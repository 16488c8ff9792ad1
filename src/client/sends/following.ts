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

  follow(runId: string, as: 'own' | 'other', userMessageId?: string): void {
    if (as === 'own') {
      this.#own.add(runId);
      this.#ahead.add(runId);
      if (userMessageId !== undefined) this.#sent.set(runId, userMessageId);
    }
    this.#followed.add(runId);
    this.#reading.add(runId);
  }

  /** The chat is done with a run's stream: it has read it all, or it has cancelled it and may want it again. */
  leave(runId: string, how: 'end' | 'cancel'): void {
    this.#reading.delete(runId);
    if (how === 'cancel') this.#followed.delete(runId);
    else this.#notify();
    this.expect(runId);
  }

  /** The session's frames are to tell of the run within `ms`; of one that ended long ago they do not. */
  expect(runId: string, ms: number = catchUpMs): void {
    if (this.#ahead.has(runId)) setTimeout(() => this.#ahead.has(runId) && this.#onOverdue(), ms);
  }

  /** The session is asked for now: its snapshot will hold what there has been so far. */
  markAsked(): void {
    for (const runId of this.#ahead) this.#asked.add(runId);
  }

  /** Compares own runs with a snapshot of the session. */
  compare(snapshot: SessionState): void {
    this.isAhead(snapshot);
    for (const runId of this.#ahead) {
      if (!this.#asked.has(runId)) continue;
      this.#gone.add(runId);
      this.#settleRun(runId);
    }
  }

  /** Whether the session has an own run no more, which it never told of. */
  isGone(runId: string): boolean {
    return this.#gone.has(runId);
  }

  /** The run is not followed again, whatever became of its stream. */
  keep(runId: string): void {
    this.#followed.add(runId);
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Whether the chat writes a run that `state` has not heard of: until then the two cannot be compared. */
  isAhead(state: SessionState): boolean {
    const isTold = (runId: string) => state.ended.has(runId) || isActive(state, runId);
    for (const runId of [...this.#ahead, ...this.#sent.keys()]) if (isTold(runId)) this.#settleRun(runId);
    return this.#ahead.size > 0;
  }

  #settleRun(runId: string): void {
    this.#ahead.delete(runId);
    const userMessageId = this.#sent.get(runId);
    this.#sent.delete(runId);
    // The log has had its message, even if that is gone again.
    if (userMessageId !== undefined) this.settle([userMessageId]);
  }

  isReading(runId: string): boolean {
    return this.#reading.has(runId);
  }

  /** Whether a send has become a run, which it does on a durable route only. */
  get hasOwn(): boolean {
    return this.#own.size > 0;
  }

  isOwn(runId: string): boolean {
    return this.#own.has(runId);
  }

  /** The run to follow next: one that is running and not followed. */
  next(runs: readonly SessionRun[]): SessionRun | undefined {
    return runs.find(({ runId, status }) => status === 'running' && !this.#followed.has(runId));
  }

  /** Whether the chat is reading a run that it did not start: the SDK resumes one at a time. */
  get isResuming(): boolean {
    return [...this.#reading].some((runId) => !this.#own.has(runId));
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
