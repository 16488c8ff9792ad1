// The client's state as one value: the log's state, the client's own sends, its stops, and the runs that its chat reads.
// Only `reduce` changes it.

import type { UIMessage } from 'ai';
import type { SessionState } from '../../protocol/session-state.ts';

/**
 * The kind of a send: it adds its message, replaces the one with its id, asks for a new answer, or continues
 * the message.
 */
export type SendKind = 'new' | 'edit' | 'regenerate' | 'continue';

/** Messages that the app removed from the chat's list or changed in it. */
export interface Changes {
  /** The cursor after the newest frames that the client had. */
  readonly seen: string;
  readonly removed: readonly string[];
  /** User messages. */
  readonly edited: readonly UIMessage[];
}

/** A send as it was made. */
export interface Outgoing {
  /** Its unique key. */
  readonly key: string;
  readonly kind: SendKind;
  /** The last message that it posts. */
  readonly message: UIMessage;
  /** The id of the message before it; undefined at the start of the list. */
  readonly afterMessageId: string | undefined;
  /** What the app changed with `setMessages` before the send. It is posted with the send. */
  readonly changes?: Changes | undefined;
}

/** A send of this client, until the app or the log no longer needs it. */
export type Send = Outgoing & {
  /** The log has had its message, so the log decides what is shown. */
  readonly isLogged: boolean;
} & (
    | { readonly state: 'queued' }
    /** `attempt` counts from 1. `offline` waits for the next one. */
    | { readonly state: 'posting' | 'offline'; readonly attempt: number }
    /**
     * It is a run that no frame has named. `isAsked`: a subscription has begun since, whose snapshot will name the
     * run, or show that it is gone. `answerId` is the message that the run writes, once it is known.
     */
    | {
        readonly state: 'accepted';
        readonly runId: string;
        readonly isAsked: boolean;
        readonly answerId?: string;
      }
    /** The log has named the run, or the run is gone. */
    | { readonly state: 'logged' | 'lost'; readonly runId: string }
    /** The server responded to it without the session. */
    | { readonly state: 'passed' }
    | { readonly state: 'refused'; readonly error: Error }
  );

/** A stop of one run, or of the run of a message's send. */
export interface Stop {
  readonly id: string;
  /** `waiting`: it waits for the network. `taken`: the server has it, and the log will show it. */
  readonly state: 'posting' | 'waiting' | 'taken';
}

/** The client's state. */
export interface Client {
  /** Undefined until the first snapshot. */
  readonly session: SessionState | undefined;
  /** The server knows the session. */
  readonly hasBegun: boolean;
  /** In the order in which they were made. */
  readonly sends: readonly Send[];
  readonly stops: readonly Stop[];
  /** How many stops of all runs have no response yet. They would also stop the run of a send that is posted meanwhile. */
  readonly stopping: number;
  /** The runs that the chat reads or has read as a stream, and whether it still reads. */
  readonly reads: ReadonlyMap<string, 'reading' | 'read'>;
  /** What the app has changed since the last send. */
  readonly intent: Changes | undefined;
  /** The message of the refused send whose changes `intent` has, if the message was in the session. */
  readonly intendedFor?: string | undefined;
}

/** The state before the first frame and the first send. */
export const emptyClient: Client = {
  session: undefined,
  hasBegun: false,
  sends: [],
  stops: [],
  stopping: 0,
  reads: new Map(),
  intent: undefined,
};

/** What happens to a send. `key` names it. */
export type SendEvent =
  | { readonly type: 'send'; readonly send: Outgoing }
  | { readonly type: 'attempt'; readonly key: string }
  | { readonly type: 'fail'; readonly key: string }
  | { readonly type: 'pass'; readonly key: string }
  | { readonly type: 'drop'; readonly key: string }
  | { readonly type: 'accept'; readonly key: string; readonly runId: string }
  | { readonly type: 'refuse'; readonly key: string; readonly error: Error };

/** An event of this client, besides the session's frames. */
export type ClientEvent =
  | SendEvent
  | { readonly type: 'intend'; readonly intent: Changes | undefined }
  /** The message of a run, as its stream names it. */
  | { readonly type: 'name'; readonly runId: string; readonly answerId: string }
  /** A subscription begins, whose snapshot will have everything so far. */
  | { readonly type: 'ask' }
  | { readonly type: 'read'; readonly runId: string }
  | { readonly type: 'stop-all' | 'stop-all-over' }
  /** `cancel`: the chat can read the run again. */
  | { readonly type: 'read-end'; readonly runId: string; readonly how: 'end' | 'cancel' }
  | {
      readonly type: 'stop' | 'stop-fail' | 'stop-taken' | 'stop-over';
      readonly ids: readonly string[];
    };

/** Whether the send has no response yet. */
export function isOpen({ state }: Pick<Send, 'state'>): boolean {
  return state === 'queued' || state === 'posting' || state === 'offline';
}
