// The port to the store of sessions. Every adapter passes conformance.fixture.ts.

import type { UIMessageChunk } from 'ai';
import type { LogEntry, NewEntry } from '../protocol/entries.ts';
import type { RunEnding } from '../protocol/frames.ts';

/** A run's chunks from some position on, and its closure if it has one. */
export interface RunTail {
  /** Chunks in order, from the asked position on. */
  readonly chunks: readonly UIMessageChunk[];
  /** How the run was closed; absent while it is open. */
  readonly closure?: RunEnding;
}

/**
 * A hint that the session has changed. It can be lost, doubled or late. Only the store's streams are authoritative.
 *
 * - `log`: an entry with this key was appended, or its append had no effect (`existing`, or the store refused it).
 * - `chunks`: these chunks were appended to the run. It is never published before the store has acknowledged them.
 * - `run`: the same without the chunks, which are too large for a hint. The run now has `count` chunks.
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

/** An open subscription to the wake-ups of a session. `close` ends it; `onEnd` is then not called. */
export interface Subscription {
  close(): void;
}

/** A change of a run's lease in the same round trip as an append to the log. */
export type LeaseChange =
  | { readonly type: 'take'; readonly runId: string; readonly ms: number }
  /** Marks the lease, so that the producer's next heartbeat returns `stop`. */
  | { readonly type: 'stop'; readonly runId: string }
  /** Deletes the lease, and the reservation `key` if it is named. */
  | { readonly type: 'release'; readonly runId: string; readonly key?: string };

/** How a log is read. */
export interface ReadOptions {
  /** The read does not come from a stale replica. Without it, the read can miss the newest entries. */
  readonly fresh?: boolean;
}

interface CloseOptions {
  /** The run has chunks, so its stream exists and already expires. */
  readonly written?: boolean;
}

/**
 * The port to a store. Callers pass plain session ids, which the adapter encodes. A position in a run is a number of
 * chunks. If the store fails, a method rejects with `DurableChatError` `store_failed`, which contains no chat text and
 * no secrets. Every method may be repeated after it failed.
 */
export interface Channel {
  /**
   * Reserves a send for `runId` and reads the log. The result names the run of the first reservation: a second one
   * of the same key gets the first one's run. A reservation lasts a minute, which covers the time until the log
   * itself knows of the run.
   */
  reserve(sessionId: string, key: string, runId: string): Promise<{ runId: string; entries: LogEntry[] }>;

  /**
   * Claims a name for `ms`, or for `ms` more if `holder` has claimed it already. Resolves with the current holder, which can be
   * another one. The name is free again once the time has passed.
   */
  claim(sessionId: string, key: string, holder: string, ms: number): Promise<string>;

  /** Releases a reservation. */
  release(sessionId: string, key: string): Promise<void>;

  /**
   * Reads the log's entries from the entry with the id `from` on, that entry included. Reads all entries if `from` is '',
   * or if that entry no longer exists because the session has expired or was deleted. An adapter must not take a stale
   * replica for that.
   */
  readLog(sessionId: string, from: string, options?: ReadOptions): Promise<LogEntry[]>;

  /**
   * Appends one entry and publishes a wake-up. With `after`, resolves with the entries after that id, the new one
   * included; else with none. It restarts the session's time to live.
   *
   * With `existing`, the entry needs an existing log: if the log is gone, nothing is stored or renewed. A lease change of
   * type `stop` or `release` implies `existing`, unless it is false. Rejects with `too_large` for an entry over
   * `maxEntryBytes`.
   */
  append(
    sessionId: string,
    entry: NewEntry,
    options: { readonly after?: string; readonly lease?: LeaseChange; readonly existing?: boolean },
  ): Promise<LogEntry[]>;

  /**
   * Appends chunks `from`, `from + 1`, … of a run, and publishes them once they are stored. Writing the same chunks again
   * changes nothing. `closed`: the run is closed, and its producer must give up. `gone`: the chunks before `from` no
   * longer exist, and these were not stored; the run must be written from 0.
   */
  write(
    sessionId: string,
    runId: string,
    from: number,
    chunks: readonly UIMessageChunk[],
  ): Promise<'stored' | 'closed' | 'gone'>;

  /** Closes a run, with or without chunks. The first closure wins, and every caller gets that one. */
  close(sessionId: string, runId: string, closure: RunEnding, options?: CloseOptions): Promise<RunEnding>;

  /**
   * Reads the run's chunks from position `from` on, without a gap. If the run's chunks are gone, it returns none. If the
   * result has a closure, no more chunks follow.
   */
  readRun(sessionId: string, runId: string, from: number, options?: ReadOptions): Promise<RunTail>;

  /**
   * Deletes the session with all its keys, and publishes a wake-up. A deleted log begins at once with `deletedEntry`, and
   * is kept for the time to live. (An expired log begins with the next append.) The runs whose ends the log does not have
   * stay closed, without their chunks, because their producers may still write.
   */
  delete(sessionId: string): Promise<void>;

  /**
   * Renews a run's lease for `ms`. `stop`: a stop is marked on the lease. `lapsed`: the lease had ended, so another
   * process may have ended the run.
   */
  heartbeat(sessionId: string, runId: string, ms: number): Promise<'running' | 'stop' | 'lapsed'>;

  /** Returns for each of these runs how long its lease is still valid, in milliseconds; 0 for a run without a lease. */
  leases(sessionId: string, runIds: readonly string[]): Promise<number[]>;

  /**
   * Subscribes to wake-ups. Resolves once the store has acknowledged it, so that a read after it misses nothing.
   * `onEnd` is called once if the store ends the subscription, where the adapter can tell; not after `close()`.
   * Subscriptions of one session may overlap.
   */
  subscribe(sessionId: string, onWake: (wake: Wake) => void, onEnd?: () => void): Promise<Subscription>;
}
