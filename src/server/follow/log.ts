// A session's log as far as it was read: entries in order, each key counted once, folded to a state.

import { newerError } from '../../protocol/errors.ts';
import { type LogEntry, ageOf, deletedEntry, effectOf, firstEpoch } from '../../protocol/entries.ts';
import { formatVersion } from '../../protocol/requests.ts';
import { Pages } from '../../protocol/size.ts';
import { change, draftOf, stateOf } from '../../protocol/fold.ts';
import { emptySession, type SessionState } from '../../protocol/session-state.ts';

/** A log that grows by `add`. */
export class Log {
  /** The entries in order, each with the frames that have an effect. An entry that was written twice is here once. */
  readonly entries: LogEntry[] = [];
  readonly #keys = new Set<string>();
  /** Of many entries, only the first one that is added after `state` was read copies a part of the session. */
  #draft = draftOf(emptySession);
  #lastId = '';
  #epoch = firstEpoch;
  #pages = new Pages();

  get state(): SessionState {
    return stateOf(this.#draft);
  }

  /** The id of the last entry read; '' when there is none. */
  get lastId(): string {
    return this.#lastId;
  }

  /** Whether the store knows the session. */
  get hasBegun(): boolean {
    return this.#draft.begun;
  }

  /** The epoch of this log: the id of its `deleted` entry, or `firstEpoch`. */
  get epoch(): string {
    return this.#epoch;
  }

  /** Whether the log has read as far as `id`. */
  has(id: string): boolean {
    return !isAfter(id, this.#lastId);
  }

  /** Whether an entry of this key has been read. */
  hasKey(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Whether the session ever had a message with this id, or a place for it. */
  hasHad(messageId: string): boolean {
    return this.entries.some(({ frames }) =>
      frames.some(
        (frame) =>
          (frame.type === 'message' && frame.message.id === messageId) ||
          (frame.type === 'run-start' && frame.messageId === messageId),
      ),
    );
  }

  /**
   * Adds an entry. Returns false if it was known, or is of an older version, which counts as expired.
   *
   * @throws `version` for an entry of a newer version: the entries after it cannot be read
   */
  add(entry: LogEntry): boolean {
    if (this.has(entry.id)) return false;
    const age = ageOf(entry);
    if (age === 'newer') throw newerError('session');
    const isExpected = entry.expectedLastId === undefined || entry.expectedLastId === this.#lastId;
    this.#lastId = entry.id;
    if (age === 'older') return false;
    if (entry.key === deletedEntry.key) this.#forget(entry.id);
    if (this.#keys.has(entry.key)) return false;
    this.#keys.add(entry.key);
    const whole = isExpected ? this.#pages.add(entry) : undefined;
    const frames = whole ? effectOf(this.#draft, this.#epoch, { ...entry, frames: whole }) : [];
    const { id, key, v = formatVersion } = entry;
    this.entries.push({ id, key, v, frames });
    for (const frame of frames) change(this.#draft, frame);
    // Only beginnings have pages.
    if (this.#draft.begun) this.#pages.clear();
    return true;
  }

  /** An independent copy of this log. */
  copy(): Log {
    const copy = new Log();
    copy.entries.push(...this.entries);
    for (const key of this.#keys) copy.#keys.add(key);
    copy.#draft = draftOf(this.state);
    copy.#lastId = this.#lastId;
    copy.#epoch = this.#epoch;
    copy.#pages = this.#pages.copy();
    return copy;
  }

  /** Removes the entries before a deletion. */
  #forget(epoch: string): void {
    this.entries.length = 0;
    this.#keys.clear();
    this.#pages.clear();
    this.#draft = draftOf(emptySession);
    this.#epoch = epoch;
  }
}

/** Compares stream ids, which are two numbers; '' comes before all. */
function isAfter(id: string, other: string): boolean {
  if (id === '' || other === '') return id !== '';
  const [time = 0n, sequence = 0n] = id.split('-').map(BigInt);
  const [otherTime = 0n, otherSequence = 0n] = other.split('-').map(BigInt);
  return time === otherTime ? sequence > otherSequence : time > otherTime;
}
