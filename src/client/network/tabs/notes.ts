// What the tabs of a browser that share a line say to each other. A member is one session of one tab.

import type { SseEvent } from '../../../protocol/sse.ts';
import { newId } from '../../../lib/id.ts';
import type { Runtime } from '../../../lib/runtime.ts';
import { openChannel } from '../browser.ts';

type Note =
  /** From now on this tab holds the line: each member joins again. */
  | { readonly type: 'lead' }
  /** `to` the tab that leads, where that is known. */
  | {
      readonly type: 'join';
      readonly to: string | undefined;
      readonly key: string;
      readonly sessionId: string;
      readonly after: string | undefined;
    }
  | { readonly type: 'leave'; readonly keys: readonly string[] }
  /** To a member that has joined: all there is so far, where its own place is not that of the line. `full`: no room. */
  | { readonly type: 'welcome'; readonly key: string; readonly event?: SseEvent; readonly full?: true }
  /** What came for these sessions; without an event, a sign of life of their connection. */
  | { readonly type: 'event'; readonly sessionIds: readonly string[]; readonly event?: SseEvent }
  /** Asks whether these members are still followed for, and by that whether the one who leads is alive. */
  | { readonly type: 'ask'; readonly keys: readonly string[] }
  /** Those of them that are. */
  | { readonly type: 'tell'; readonly keys: readonly string[]; readonly to: string };

/** A note, and the tab that says it. */
export type Said = Note & { readonly from: string };

/** The other tabs. */
export interface Bus {
  /** This tab. */
  readonly id: string;
  say(note: Note): void;
  close(): void;
}

/** Undefined where tabs cannot hear each other. */
export function openBus(runtime: Runtime, name: string, onNote: (note: Said) => void): Bus | undefined {
  const id = newId(runtime);
  // Only this code speaks under this name.
  const channel = openChannel(name, (data) => onNote(data as Said));
  return (
    channel && {
      id,
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- channels have none
      say: (note) => channel.postMessage({ ...note, from: id }),
      close: () => channel.close(),
    }
  );
}
