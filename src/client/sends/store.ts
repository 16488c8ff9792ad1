// The store of the client's state and its connection, with listeners.

import type { DurableChatError } from '../../protocol/errors.ts';
import type { Frame } from '../../protocol/frames.ts';
import type { SessionRun, SessionState } from '../../protocol/session-state.ts';
import { isSame } from '../../lib/equal.ts';
import type { Connection } from '../network/connection.ts';
import { runsWithStops, unsentOf, type UnsentMessage } from './queries.ts';
import { emptyClient, type Client, type ClientEvent } from './client-state.ts';
import { reduce } from './reduce.ts';

/** The result of `getSnapshot`: a new object after each change. */
export interface SessionSnapshot {
  /** The state of the subscription to the session. */
  readonly connection: Connection;
  /** Why the connection is `closed`. */
  readonly error: DurableChatError | undefined;
  /** Runs that have not ended, in the order in which they run. A run with a waiting stop has the status `stopping`. */
  readonly runs: readonly SessionRun[];
  /** Messages of this client that the session does not have, with their status. */
  readonly unsent: readonly UnsentMessage[];
  /** The session's state; undefined until the first snapshot. */
  readonly state: SessionState | undefined;
}

/** The state of one session. `getSnapshot` returns the same object until something changes. */
export class ClientStore {
  #client = emptyClient;
  #snapshot: SessionSnapshot = {
    connection: 'connecting',
    error: undefined,
    runs: [],
    unsent: [],
    state: undefined,
  };
  readonly #listeners = new Set<() => void>();

  get client(): Client {
    return this.#client;
  }

  /** The same object until something changes. */
  getSnapshot = (): SessionSnapshot => this.#snapshot;

  /** Calls `listener` after every change, also of chunks. The returned function ends this. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Applies an event. With `quiet`, listeners are called only by `notify`. */
  dispatch(event: Frame | ClientEvent, how?: 'quiet'): void {
    const before = this.#client;
    const after = reduce(before, event);
    this.#client = after;
    const { session, sends, stops } = after;
    this.#update({
      ...(session !== before.session && { state: session }),
      ...((session !== before.session || stops !== before.stops) && { runs: runsWithStops(after) }),
      ...(sends !== before.sends && { unsent: sameUnless(this.#snapshot.unsent, unsentOf(after)) }),
    });
    if (!how) this.notify();
  }

  connect(connection: Connection, error: DurableChatError | undefined): void {
    this.#update({ connection, error });
    this.notify();
  }

  notify(): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        // Reported like that of an event listener: the event that is applied must not fail.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  #update(change: Partial<SessionSnapshot>): void {
    const next = { ...this.#snapshot, ...change };
    if (!isSame(Object.values<unknown>(next), Object.values(this.#snapshot))) this.#snapshot = next;
  }
}

/** The older list if the newer one is equal. */
function sameUnless(old: readonly UnsentMessage[], list: readonly UnsentMessage[]): readonly UnsentMessage[] {
  const fieldsOf = (messages: readonly UnsentMessage[]) => messages.flatMap<unknown>(Object.values);
  return isSame(fieldsOf(old), fieldsOf(list)) ? old : list;
}
