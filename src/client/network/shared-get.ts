// One GET for several sessions. A session that joins or leaves makes the GET end and begin again, with each session at its own
// cursor: nothing is lost, and never two are open.

import { newId } from '../../lib/id.ts';
import type { Cancel, Runtime } from '../../lib/runtime.ts';
import { every, sleep } from '../../lib/time.ts';
import type { SnapshotFrame, WireFrame } from '../../protocol/frames.ts';
import { mostSessions } from '../../protocol/requests.ts';
import type { SseEvent } from '../../protocol/sse.ts';
import type { Slot } from './slots.ts';

/** A session, and the cursor to go on from; undefined for a snapshot. */
export interface Place {
  readonly sessionId: string;
  readonly after: string | undefined;
}

export interface SubscribeOptions {
  readonly signal: AbortSignal;
  /** Names the GET, so that it is not sent the chunks of runs whose POST named it. */
  readonly subscriptionId?: string | undefined;
  /** An event of a session; without both, a sign of life. */
  readonly onEvent: (event?: SseEvent, sessionId?: string) => void;
}

/** One GET. Resolves when it has ended, with whether the server asked to come back at once. */
export type Subscribe = (places: readonly Place[], options: SubscribeOptions) => Promise<boolean>;

export interface SharedGetOptions {
  readonly runtime: Runtime;
  readonly subscribe: Subscribe;
  readonly takeSlot: (signal: AbortSignal) => Promise<Slot>;
  /** An event of one session, or a sign of life for all that are on the GET. */
  readonly onEvent: (sessionIds: readonly string[], event?: SseEvent) => void;
  /** Whether nobody else follows these sessions through this GET. */
  readonly isUnshared: () => boolean;
}

/** How far a session has come on the GET. */
interface Carried {
  cursor: string | undefined;
  /** Frames came behind the cursor that have none of their own yet. */
  isPartial: boolean;
}

/** How long a session that nobody follows any more may stay on the GET. */
const trimAfterMs = 10_000;
/** A GET that has its connection by turns gives it back after so much silence, or time. */
const turnSilenceMs = 1_000;
const turnMs = 5_000;
const betweenTurnsMs = 3_000;

export class SharedGet {
  readonly #options: SharedGetOptions;
  readonly #carried = new Map<string, Carried>();
  /** What the GET was asked for. */
  #asked: readonly string[] = [];
  #state: 'none' | 'opening' | 'stale' | 'open' = 'none';
  #current: AbortController | undefined;
  #cancelTrim: Cancel = () => {};
  #subscriptionId: string | undefined;
  /** A POST has named it. */
  #isNamed = false;

  constructor(options: SharedGetOptions) {
    this.#options = options;
  }

  /**
   * Takes up a session behind `after`, or once more. Returns what has to be taken first where the GET is not at `after`: made by
   * `snapshot` if that knows the session, else the server sends a snapshot to all who follow it. `full`: there is no room.
   */
  join(
    { sessionId, after }: Place,
    snapshot: () => SnapshotFrame | undefined,
  ): SseEvent | 'full' | undefined {
    this.checkShared();
    const carried = this.#carried.get(sessionId);
    if (!carried) {
      if (this.#carried.size >= mostSessions) return 'full';
      this.#carried.set(sessionId, { cursor: after, isPartial: false });
      this.#reopen();
      return undefined;
    }
    const { cursor, isPartial } = carried;
    if (cursor === after && !isPartial) return undefined;
    const frame = snapshot();
    if (frame) return { data: JSON.stringify(frame), ...(cursor !== undefined && { id: cursor }) };
    carried.cursor = undefined;
    this.#reopen();
    return undefined;
  }

  /** Nobody follows the session any more. */
  leave(sessionId: string): void {
    this.#carried.delete(sessionId);
    this.#cancelTrim();
    this.#cancelTrim = this.#options.runtime.schedule(() => {
      if (this.#asked.some((asked) => !this.#carried.has(asked))) this.#reopen();
    }, trimAfterMs);
  }

  /** Whether the session's frames come on the GET that is open now. */
  isOpen(sessionId: string): boolean {
    return this.#state === 'open' && this.#asked.includes(sessionId);
  }

  /** The name of the GET, for a POST whose chunks are not to come on it as well; undefined while others need them. */
  nameForPost(sessionId: string): string | undefined {
    if (!this.isOpen(sessionId) || !this.#options.isUnshared()) return undefined;
    this.#isNamed = true;
    return this.#subscriptionId;
  }

  /** What a POST has named this GET for is to come on it after all. */
  rename(name: string): void {
    if (name === this.#subscriptionId) this.#dropName();
  }

  /** To be called when the number of those who follow has changed. */
  checkShared(): void {
    if (!this.#options.isUnshared()) this.#dropName();
  }

  /** Keeps a GET open; resolves or rejects as `subscribe` does when it ends by itself. */
  async run(signal: AbortSignal): Promise<boolean> {
    try {
      for (;;) {
        const slot = await this.#options.takeSlot(signal);
        const current = new AbortController();
        const stop = () => current.abort();
        signal.addEventListener('abort', stop);
        try {
          signal.throwIfAborted();
          const again = await this.#open(current, slot.isTurn);
          if (!current.signal.aborted) return again;
        } catch (error) {
          if (signal.aborted || !current.signal.aborted) throw error;
        } finally {
          this.#state = 'none';
          signal.removeEventListener('abort', stop);
          slot.release();
        }
        if (slot.isTurn) await sleep(this.#options.runtime, betweenTurnsMs);
      }
    } finally {
      this.#cancelTrim();
    }
  }

  async #open(current: AbortController, isTurn: boolean): Promise<boolean> {
    const { runtime } = this.#options;
    const places: Place[] = [];
    for (const [sessionId, carried] of this.#carried) {
      carried.isPartial = false;
      places.push({ sessionId, after: carried.cursor });
    }
    this.#asked = places.map(({ sessionId }) => sessionId);
    this.#state = 'opening';
    this.#current = current;
    if (this.#options.isUnshared()) this.#subscriptionId ??= newId(runtime);
    let heardAt = runtime.monotonic();
    const endsAt = heardAt + turnMs;
    const look = () => {
      const now = runtime.monotonic();
      if (this.#state === 'open' && (now - heardAt > turnSilenceMs || now > endsAt)) current.abort();
    };
    const cancelTurn = isTurn ? every(runtime, turnSilenceMs / 2, look) : () => {};
    try {
      return await this.#options.subscribe(places, {
        signal: current.signal,
        subscriptionId: this.#subscriptionId,
        onEvent: (event, sessionId) => {
          if (current.signal.aborted) return;
          heardAt = runtime.monotonic();
          if (this.#state === 'stale') return current.abort();
          this.#state = 'open';
          this.#take(event, sessionId);
        },
      });
    } finally {
      cancelTurn();
    }
  }

  #dropName(): void {
    this.#subscriptionId = undefined;
    if (this.#isNamed) this.#reopen();
    this.#isNamed = false;
  }

  #take(event: SseEvent | undefined, sessionId: string | undefined): void {
    if (!event || sessionId === undefined) return this.#options.onEvent(this.#asked);
    const carried = this.#carried.get(sessionId);
    if (!carried) return;
    carried.cursor = event.id ?? carried.cursor;
    carried.isPartial = event.id === undefined;
    // Nothing more of it comes on this GET; its followers ask for themselves.
    if (isRefused(event)) this.#carried.delete(sessionId);
    this.#options.onEvent([sessionId], event);
  }

  /** One that is being opened is let in first: each session that joins at the same time would begin it again. */
  #reopen(): void {
    if (this.#state === 'opening') this.#state = 'stale';
    else if (this.#state === 'open') this.#current?.abort();
  }
}

function isRefused({ data }: SseEvent): boolean {
  return (JSON.parse(data) as WireFrame).type === 'refused'; // our own server's
}
