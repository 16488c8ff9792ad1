// Events of the runs that a server produces, for monitoring.

import type { Durability, InterruptionCause, RunEndReason } from '../../protocol/frames.ts';

/** An event of a run. */
export type RunEvent =
  /** The run was accepted. `queued`: it waits for others first. A parallel run never waits. */
  | { readonly type: 'run-start'; readonly queued: boolean }
  /** The store began to fail the run, or takes its output again. The run's own client does not wait for the store. */
  | { readonly type: 'durability'; readonly durability: Durability }
  /**
   * A part of the run cannot be stored: more than `maxUnwrittenBytes` waited for a failing store (`store`), or a chunk does
   * not fit into a request to the store (`too_large`). The run continues for its own client. The log keeps its first
   * `chunks`, and ends it as `interrupted`.
   */
  | { readonly type: 'overflow'; readonly cause: 'store' | 'too_large'; readonly chunks: number }
  /** The store was down at the send: the answer is not stored (`onStoreDown: 'passthrough'`). */
  | { readonly type: 'passthrough' }
  /**
   * The run has ended. `chunks` is how many it emitted, and `durationMs` counts from its acceptance. With `logged: false`
   * the end could not be written: the next server that notices ends the run in the log as `interrupted`.
   */
  | {
      readonly type: 'run-end';
      readonly reason: RunEndReason;
      readonly cause?: InterruptionCause;
      readonly chunks: number;
      readonly durationMs: number;
      readonly logged: boolean;
    };

/** A `RunEvent` with its session and its run. It contains no chat text. */
export type DurableChatEvent = RunEvent & { readonly sessionId: string; readonly runId: string };
