// The port to the store that sessions live in. Every adapter passes conformance.fixture.ts.

import type { UIMessageChunk } from 'ai';
import type { InterruptionCause, LogEntry, NewEntry, RunEndReason } from '../protocol/frames.ts';

/** How a run was closed. A closed run takes no more chunks, from anybody. */
export interface Closure {
  readonly reason: RunEndReason;
  readonly by?: string;
  /** The message that interrupted it. */
  readonly interruptedBy?: string;
  /** Why it was `interrupted`, where its producer knew. */
  readonly cause?: InterruptionCause;
  /** It lost its place to another edit that was made at the same moment. */
  readonly conflict?: true;
}

/** A run's chunks from some position on, and its closure if it has one. */
export interface RunTail {
  readonly chunks: readonly UIMessageChunk[];
  readonly closure?: Closure;
}

/**
 * A hint that the session has changed. It can be lost, doubled or late; the streams are the truth.
 *
 * - `log`: an entry with this key was appended, or its append came to nothing (`existing`, or the store refused it).
 * - `chunks`: these chunks were appended to the run. It is never sent before the store has acknowledged them.
 * - `run`: the same, without the chunks, which are too large for a hint; the run now has `count`.
 * - `deleted`: the session was deleted.
 */
export type Wake =
  | { readonly type: 'log'; readonly key: string }
  | {
      readonly type: 'chunks';
      readonly runId: string;
      readonly from: number;
      readonly chunks: readonly UIMessageChunk[];
    }
  | { readonly type: 'run'; readonly runId: string; readonly count: number }
  | { readonly type: 'deleted' };

export interface Subscription {
  /** Replaces a connection that is suspected dead; resolves once the new one is acknowledged. */
  renew(): Promise<void>;
  close(): void;
}

/** What happens to a run's lease in the same round trip as an append to the log. */
export type LeaseChange =
  | { readonly type: 'take'; readonly runId: string; readonly ms: number }
  /** Marks it, so that the producer's next heartbeat tells of the stop. */
  | { readonly type: 'stop'; readonly runId: string }
  /** Drops it, and with it the reservation `key` if one is named. */
  | { readonly type: 'release'; readonly runId: string; readonly key?: string };

/** Reads may be answered by a replica that is behind, and see less than there is; with `fresh` they are not. */
export interface ReadOptions {
  readonly fresh?: boolean;
}

interface CloseOptions {
  /** The run has chunks, so that what keeps them is known to expire. */
  readonly written?: boolean;
}

/**
 * Sessions are named by their plain ids; an adapter encodes them. Positions in a run are chunk counts.
 * Every method rejects with `DurableChatError` `store_failed`, which holds neither chat text nor secrets,
 * and every method may be repeated after it failed.
 */
export interface Channel {
  /**
   * Reserves a send for `runId` and reads the log. The result names the run of the first reservation: a second one
   * of the same key gets the first one's run. A reservation lasts a minute, which covers the time until the log
   * itself knows of the run.
   */
  reserve(sessionId: string, key: string, runId: string): Promise<{ runId: string; entries: LogEntry[] }>;

  /**
   * Takes something by name for `ms`, or holds it for as long again; resolves with its holder. It is free
   * again when its holder lets the time pass.
   */
  hold(sessionId: string, key: string, holder: string, ms: number): Promise<string>;

  /** Gives a reservation back. */
  release(sessionId: string, key: string): Promise<void>;

  /**
   * The log's entries from the one with the id `from` on; all of them when it is '', and when it is not there any
   * more, because the session has expired or was deleted. A replica that is behind must not be taken for that.
   */
  readLog(sessionId: string, from: string, options?: ReadOptions): Promise<LogEntry[]>;

  /**
   * Appends one entry and tells all subscribers. With `after`, resolves with the entries after that id, its
   * own included; else with none. The session is kept for its time to live from then on. With `existing`, which a
   * `stop` or a `release` implies unless it is false, the entry belongs to what is there: in a log that is gone it
   * is not stored, and nothing renewed. Rejects with `too_large` for an entry over `maxEntryBytes`.
   */
  append(
    sessionId: string,
    entry: NewEntry,
    options: { readonly after?: string; readonly lease?: LeaseChange; readonly existing?: boolean },
  ): Promise<LogEntry[]>;

  /**
   * Appends chunks `from`, `from + 1`, … of a run and tells all subscribers, once they are stored. Writing them again
   * changes nothing. `closed` means that the run takes no more: its producer must give up. `gone` means that the
   * chunks before `from` are not there any more, so that these were not stored: a run begins at 0.
   */
  write(
    sessionId: string,
    runId: string,
    from: number,
    chunks: readonly UIMessageChunk[],
  ): Promise<'stored' | 'closed' | 'gone'>;

  /** Closes a run, whether or not it has chunks. The first closer wins; everybody gets the winner's closure. */
  close(sessionId: string, runId: string, closure: Closure, options?: CloseOptions): Promise<Closure>;

  /**
   * The run's chunks from position `from` on, without a gap: of a run whose chunks are gone there are none. With a
   * closure there will be no more of them.
   */
  readRun(sessionId: string, runId: string, from: number, options?: ReadOptions): Promise<RunTail>;

  /**
   * Deletes the session with all that belongs to it, and tells all subscribers. A log that has
   * expired begins again with the next append. One that was deleted begins at once, with `deletedEntry`, and is kept
   * for its time to live from then on. The closures of `closed` runs are kept, without their chunks:
   * their producers may not have heard of them.
   */
  delete(sessionId: string, closed?: readonly string[]): Promise<void>;

  /**
   * Renews a run's lease for `ms`. `stop`: one was marked on it. `lapsed`: it had run out, so that another process may have
   * ended the run.
   */
  heartbeat(sessionId: string, runId: string, ms: number): Promise<'running' | 'stop' | 'lapsed'>;

  /** Which of these runs have a producer that renews its lease. */
  alive(sessionId: string, runs: readonly string[]): Promise<boolean[]>;

  /** Subscribes; resolves once the store acknowledged it, so that a read after it misses nothing. */
  subscribe(sessionId: string, onWake: (wake: Wake) => void): Promise<Subscription>;
}
