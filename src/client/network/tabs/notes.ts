// The notes between the tabs that share a line. A member is one session of one tab.

import type { SseEvent } from '../../../protocol/sse.ts';
import { newId } from '../../../lib/id.ts';
import type { Runtime } from '../../../lib/runtime.ts';
import { openChannel } from '../browser.ts';

type Note =
  /** From now on this tab leads: each member joins again. */
  | { readonly type: 'lead' }
  /** `to` is the leading tab, if it is known. */
  | {
      readonly type: 'join';
      readonly to: string | undefined;
      readonly key: string;
      readonly sessionId: string;
      readonly after: string | undefined;
    }
  | { readonly type: 'leave'; readonly keys: readonly string[] }
  /** To a member that has joined: the state so far, if the member's cursor is not the line's. `full`: no room. */
  | { readonly type: 'welcome'; readonly key: string; readonly event?: SseEvent; readonly full?: true }
  /** An event for these sessions; without an event, a sign of life of their connection. */
  | { readonly type: 'event'; readonly sessionIds: readonly string[]; readonly event?: SseEvent }
  /** Asks the leader whether it still has these members, and thereby whether it is alive. */
  | { readonly type: 'ask'; readonly keys: readonly string[] }
  /** The members that the leader still has. */
  | { readonly type: 'tell'; readonly keys: readonly string[]; readonly to: string };

/** A note with its sender. */
export type Said = Note & { readonly from: string };

/** The other tabs. */
export interface Bus {
  /** This tab. */
  readonly id: string;
  say(note: Note): void;
  close(): void;
}

/** Undefined if tabs cannot reach each other. */
export function openBus(runtime: Runtime, name: string, onNote: (note: Said) => void): Bus | undefined {
  const id = newId(runtime);
  // Only this code uses this channel.
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
