// One GET for several sessions. When a session joins or leaves, the GET ends and begins again, with each session at its own
// cursor. Nothing is lost, and two GETs are never open at the same time.

import { onAbort } from '../../lib/abort.ts';
import { newId } from '../../lib/id.ts';
import type { Cancel, Runtime } from '../../lib/runtime.ts';
import { every, sleep } from '../../lib/time.ts';
import type { SnapshotFrame, WireFrame } from '../../protocol/frames.ts';
import { mostSessions } from '../../protocol/requests.ts';
import type { SseEvent } from '../../protocol/sse.ts';
import type { Slot } from './slots.ts';

/** A session, and the cursor to resume at; undefined for a snapshot. */
export interface SessionCursor {
  readonly sessionId: string;
  readonly after: string | undefined;
}

/** What one GET needs besides its sessions. */
export interface SubscribeOptions {
  readonly signal: AbortSignal;
  /** The id of the GET, which gets no chunks of runs whose POST names it. */
  readonly subscriptionId?: string | undefined;
  /** An event of a session; without arguments, a sign of life. */
  readonly onEvent: (event?: SseEvent, sessionId?: string) => void;
}

/** One GET. Resolves when it has ended, with whether the server asked the client to reconnect at once. */
export type Subscribe = (sessions: readonly SessionCursor[], options: SubscribeOptions) => Promise<boolean>;

/** The runtime, the requests and the listeners of a shared GET. */
export interface SharedGetOptions {
  readonly runtime: Runtime;
  readonly subscribe: Subscribe;
  readonly takeSlot: (signal: AbortSignal) => Promise<Slot>;
  /** An event of one session, or a sign of life for all sessions of the GET. */
  readonly onEvent: (sessionIds: readonly string[], event?: SseEvent) => void;
  /** Whether no other tab follows these sessions through this GET. */
  readonly isUnshared: () => boolean;
}

/** The position of a session on the GET. */
interface Carried {
  cursor: string | undefined;
  /** Frames arrived after the cursor that have no cursor yet. */
  isPartial: boolean;
}

/** How long a session without followers stays on the GET. */
const trimAfterMs = 10_000;
/** A GET with a shared connection releases it after this silence, or this time. */
const sliceSilenceMs = 1_000;
const sliceMs = 5_000;
const betweenSlicesMs = 3_000;

/** The GET of a line, with the sessions that have joined it. */
export class SharedGet {
  readonly #options: SharedGetOptions;
  readonly #carried = new Map<string, Carried>();
  /** The sessions of the open GET. */
  #requested: readonly string[] = [];
  #state: 'none' | 'opening' | 'stale' | 'open' = 'none';
  #current: AbortController | undefined;
  #cancelTrim: Cancel = () => {};
  #subscriptionId: string | undefined;
  /** Whether a POST has named it. */
  #isNamed = false;

  constructor(options: SharedGetOptions) {
    this.#options = options;
  }

  /**
   * Adds a session after the cursor `after`, or once more. Returns the events that come first if the GET is not at
   * `after`: made by `snapshot` if it has the session, else the server sends a snapshot to all followers. `full`: the GET
   * has no room.
   */
  join(
    { sessionId, after }: SessionCursor,
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

  /** The session has no followers any more. */
  leave(sessionId: string): void {
    this.#carried.delete(sessionId);
    this.#cancelTrim();
    this.#cancelTrim = this.#options.runtime.schedule(() => {
      if (this.#requested.some((sessionId) => !this.#carried.has(sessionId))) this.#reopen();
    }, trimAfterMs);
  }

  /** Whether the session's frames come on the open GET. */
  isOpen(sessionId: string): boolean {
    return this.#state === 'open' && this.#requested.includes(sessionId);
  }

  /** The id of the GET, for a POST whose chunks are not sent on it; undefined while other readers need them. */
  nameForPost(sessionId: string): string | undefined {
    if (!this.isOpen(sessionId) || !this.#options.isUnshared()) return undefined;
    this.#isNamed = true;
    return this.#subscriptionId;
  }

  /** From now on this GET needs the chunks of runs whose POST named it. */
  rename(name: string): void {
    if (name === this.#subscriptionId) this.#dropName();
  }

  /** Call it when the number of followers has changed. */
  checkShared(): void {
    if (!this.#options.isUnshared()) this.#dropName();
  }

  /** Keeps a GET open. Resolves or rejects like `subscribe` when it ends by itself. */
  async run(signal: AbortSignal): Promise<boolean> {
    try {
      for (;;) {
        const slot = await this.#options.takeSlot(signal);
        const current = new AbortController();
        const off = onAbort(signal, () => current.abort());
        try {
          signal.throwIfAborted();
          const again = await this.#open(current, slot.isTimeSlice);
          if (!current.signal.aborted) return again;
        } catch (error) {
          if (signal.aborted || !current.signal.aborted) throw error;
        } finally {
          this.#state = 'none';
          off();
          slot.release();
        }
        if (slot.isTimeSlice) await sleep(this.#options.runtime, betweenSlicesMs);
      }
    } finally {
      this.#cancelTrim();
    }
  }

  async #open(current: AbortController, isTimeSlice: boolean): Promise<boolean> {
    const { runtime } = this.#options;
    const sessions: SessionCursor[] = [];
    for (const [sessionId, carried] of this.#carried) {
      carried.isPartial = false;
      sessions.push({ sessionId, after: carried.cursor });
    }
    this.#requested = sessions.map(({ sessionId }) => sessionId);
    this.#state = 'opening';
    this.#current = current;
    if (this.#options.isUnshared()) this.#subscriptionId ??= newId(runtime);
    let heardAt = runtime.monotonic();
    const endsAt = heardAt + sliceMs;
    const look = () => {
      const now = runtime.monotonic();
      if (this.#state === 'open' && (now - heardAt > sliceSilenceMs || now > endsAt)) current.abort();
    };
    const cancelSlice = isTimeSlice ? every(runtime, sliceSilenceMs / 2, look) : () => {};
    try {
      return await this.#options.subscribe(sessions, {
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
      cancelSlice();
    }
  }

  #dropName(): void {
    this.#subscriptionId = undefined;
    if (this.#isNamed) this.#reopen();
    this.#isNamed = false;
  }

  #take(event: SseEvent | undefined, sessionId: string | undefined): void {
    if (!event || sessionId === undefined) return this.#options.onEvent(this.#requested);
    const carried = this.#carried.get(sessionId);
    if (!carried) return;
    carried.cursor = event.id ?? carried.cursor;
    carried.isPartial = event.id === undefined;
    // No more frames of it come on this GET. Its followers ask again themselves.
    if (isRefused(event)) this.#carried.delete(sessionId);
    this.#options.onEvent([sessionId], event);
  }

  /** Waits until the GET is open, because each session that joins would make it begin again. */
  #reopen(): void {
    if (this.#state === 'opening') this.#state = 'stale';
    else if (this.#state === 'open') this.#current?.abort();
  }
}

function isRefused({ data }: SseEvent): boolean {
  return (JSON.parse(data) as WireFrame).type === 'refused'; // a response of our server
}
