// One connection for all tabs of a browser: whoever holds the session's lock is connected to the server and tells
// the others what comes. Each tab asks the server for itself whether it may read.

import type { SnapshotFrame } from '../../protocol/frames.ts';
import type { SseEvent } from '../../protocol/sse.ts';
import type { Connect } from './requests.ts';

/** How long a tab waits for the one that leads before it connects by itself, in milliseconds. */
const answerWithinMs = 2_000;

/** What tabs say to each other. */
type Note = { readonly from: string } & (
  | { readonly type: 'join' }
  /** From now on it is this one that is connected: join again. */
  | { readonly type: 'lead' }
  /** To one that has joined, all there is so far; nothing when nothing has come yet. */
  | { readonly type: 'welcome'; readonly to: string; readonly event: SseEvent | undefined }
  /** What comes; without an event, a sign of life. */
  | { readonly type: 'event'; readonly event: SseEvent | undefined }
);

export interface ShareOptions {
  /** This tab's own way to the server. */
  readonly connect: Connect;
  /** Tabs of the same name share. */
  readonly name: () => Promise<string>;
  /** All that this tab has been told so far. */
  readonly snapshot: () => SnapshotFrame | undefined;
}

/** Whether tabs can find each other here. */
export function canShare(): boolean {
  return typeof document !== 'undefined' && 'locks' in navigator && typeof BroadcastChannel !== 'undefined';
}

export function shareConnection({ connect, name, snapshot }: ShareOptions): Connect {
  return async (after, signal, onEvent) => {
    const shared = `durable-chat ${await name()}`;
    signal.throwIfAborted();
    const tab = new Tab(shared);
    const over = new AbortController();
    signal.addEventListener('abort', () => over.abort());
    let cursor = after;
    const take = (event: SseEvent | undefined) => {
      onEvent(event);
      // Where something is missing, the tab begins again: the cursor stays before it.
      if (!signal.aborted) cursor = event?.id ?? cursor;
    };

    async function lead(): Promise<boolean> {
      signal.throwIfAborted();
      tab.onNote = (note) => {
        if (note.type !== 'join') return;
        const frame = snapshot();
        const event = frame && { data: JSON.stringify(frame), ...(cursor !== undefined && { id: cursor }) };
        tab.say({ type: 'welcome', to: note.from, event });
      };
      tab.say({ type: 'lead' });
      return connect(cursor, signal, (event) => {
        take(event);
        if (!signal.aborted) tab.say({ type: 'event', event });
      });
    }

    /** Takes what the leader tells, until it is this tab's turn to lead, or nobody answers. */
    function follow(): Promise<boolean> {
      return new Promise((resolve, reject) => {
        let leader: string | undefined;
        let patience: ReturnType<typeof setTimeout>;
        const join = () => {
          leader = undefined;
          clearTimeout(patience);
          patience = setTimeout(() => {
            over.abort();
            tab.onNote = () => {};
            connect(cursor, signal, take).then(resolve, reject);
          }, answerWithinMs);
          tab.say({ type: 'join' });
        };
        tab.onNote = (note) => {
          if (note.type === 'lead') join();
          else if (note.type === 'event' && note.from === leader) take(note.event);
          else if (note.type === 'welcome' && note.to === tab.id) {
            clearTimeout(patience);
            leader = note.from;
            if (note.event) take(note.event);
          }
        };
        join();
        signal.addEventListener('abort', () => {
          clearTimeout(patience);
          reject(signal.reason as Error);
        });
        navigator.locks
          .request(shared, { signal: over.signal }, () => {
            clearTimeout(patience);
            return lead();
          })
          .then(resolve, (error: unknown) => over.signal.aborted || reject(error as Error));
      });
    }

    try {
      let isAnswered = false;
      const led = await navigator.locks
        .request(shared, { ifAvailable: true }, (lock) => {
          isAnswered = true;
          return lock && lead();
        })
        .catch((error: unknown) => {
          if (isAnswered) throw error;
          // Pages without an origin of their own, such as sandboxed frames, are given no locks.
          return connect(after, signal, onEvent);
        });
      if (led !== null) return led;
      await ask(connect, cursor, signal);
      return await follow();
    } finally {
      over.abort();
      tab.close();
    }
  };
}

/** Whether a tab may read is the server's to say, to each tab. Rejects as `connect` does. */
async function ask(connect: Connect, after: string | undefined, signal: AbortSignal): Promise<void> {
  const answered = new AbortController();
  const leave = () => answered.abort();
  signal.addEventListener('abort', leave);
  try {
    await connect(after, answered.signal, leave);
  } catch (error) {
    if (!answered.signal.aborted) throw error;
  }
  signal.throwIfAborted();
}

/** One tab among those that share. */
class Tab {
  readonly id: string = crypto.randomUUID();
  onNote: (note: Note) => void = () => {};
  readonly #channel: BroadcastChannel;

  constructor(name: string) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.addEventListener('message', ({ data }: MessageEvent<Note>) => this.onNote(data));
  }

  say(note: WithoutSender<Note>): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- channels have none
    this.#channel.postMessage({ ...note, from: this.id });
  }

  close(): void {
    this.#channel.close();
  }
}

type WithoutSender<T> = T extends Note ? Omit<T, 'from'> : never;
