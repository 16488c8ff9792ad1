// What an operator may want to know of the runs that a server produces.

import type { Durability, InterruptionCause, RunEndReason } from '../../protocol/frames.ts';

/** Something that happened to a run. */
export type RunEvent =
  /** The run was accepted. `queued`: it waits for others first; a parallel run never does. */
  | { readonly type: 'run-start'; readonly queued: boolean }
  /** The store began to fail it, or takes again what it emits. Its own client is not kept waiting by either. */
  | { readonly type: 'durability'; readonly durability: Durability }
  /**
   * A part of the run cannot be stored: more waited for a store that fails than `maxUnwrittenBytes` (`store`), or a chunk does
   * not fit into a request to the store (`too_large`). The run goes on for its own client; the log keeps its first
   * `chunks`, and will hold it as `interrupted`.
   */
  | { readonly type: 'overflow'; readonly cause: 'store' | 'too_large'; readonly chunks: number }
  /** The store was down before it began: it is answered, and kept nowhere (`onStoreDown: 'passthrough'`). */
  | { readonly type: 'passthrough' }
  /**
   * It is over. `chunks` is how many it emitted, `durationMs` counts from its acceptance. With `logged: false` the
   * store stayed away: the log does not know the end, and the next server that notices ends the run there as `interrupted`.
   */
  | {
      readonly type: 'run-end';
      readonly reason: RunEndReason;
      readonly cause?: InterruptionCause;
      readonly chunks: number;
      readonly durationMs: number;
      readonly logged: boolean;
    };

/** A `RunEvent`, and whose it is. Holds no chat text. */
export type DurableChatEvent = RunEvent & { readonly sessionId: string; readonly runId: string };
