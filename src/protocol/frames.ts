// The records on a session's wire. README.md beside this file is the specification.

import type { UIMessage, UIMessageChunk } from 'ai';
import type { ErrorBody } from './errors.ts';
import type { ActiveRun, EndedRun } from './session-state.ts';
import type { ToolOutcome } from './tool-outcome.ts';

/** Why a run ended. */
export type RunEndReason = 'finish' | 'stop' | 'error' | 'interrupted';

/**
 * Why a run was interrupted, where its own producer knew: the function it ran in came near its `deadline`, the `store`
 * took nothing for so long that the rest could not be kept, or a chunk was `too_large` to be stored.
 */
export type InterruptionCause = 'deadline' | 'store' | 'too_large';

/** What a send asked for: the AI SDK's own `trigger`. */
export type Trigger = 'submit-message' | 'regenerate-message';

/** An upsert of one message: in place when its id is known, else at the end. */
export interface MessageFrame {
  readonly type: 'message';
  readonly message: UIMessage;
  /** A client supplied it for an unknown session. Handlers read its text, its files, and its finished tool calls as text. */
  readonly seeded?: true;
}

/** An answer to a tool call that waited for one; the first answer to a call counts. */
export interface ToolOutcomeFrame {
  readonly type: 'tool-outcome';
  readonly messageId: string;
  readonly toolCallId: string;
  readonly outcome: ToolOutcome;
  /** Tells one answer from another that came at the same time. */
  readonly answerId: string;
  readonly by?: string;
}

/** The message with this id and all that follow it are gone. */
export interface TruncateFrame {
  readonly type: 'truncate';
  readonly messageId: string;
}

/** One message is gone, or all are. Runs that were sent with it, or that write it, are stopped. */
export type MessageDeleteFrame = {
  readonly type: 'message-delete';
  readonly by?: string;
} & ({ readonly messageId: string } | { readonly all: true });

/** A run took its place in the session. It works once every run before it has ended. */
export interface RunStartFrame {
  readonly type: 'run-start';
  readonly runId: string;
  /** The assistant message that the run writes; every viewer uses this id. */
  readonly messageId: string;
  readonly trigger: Trigger;
  /** Milliseconds since the epoch, by the server's clock. */
  readonly at: number;
  /** The user who sent it, as named by `authorize`. */
  readonly by?: string;
  /**
   * The send that became this run; `once` when the same send never becomes another one, `named` what its client
   * calls it besides, `content` a digest of what its message says.
   */
  readonly send?: {
    readonly key: string;
    readonly once: boolean;
    readonly named?: string;
    readonly content?: string;
  };
  /** The user message that came with it. No run before it has that message any more. */
  readonly userMessageId?: string;
  /** It does not wait for the runs before it. */
  readonly parallel?: true;
  /** While it waits, its message is offered to the run before it. */
  readonly steer?: true;
  /** What its client called its subscription: a GET of this name is sent no chunks of the run. */
  readonly subscriptionId?: string;
  /** What the server that accepted it reports to its app. Viewers do not see this. */
  readonly reports?: readonly Report[];
}

/** That the user message of a run was stored, or that the run has ended. */
export type Report = 'message' | 'end';

/** Chunks `from` (inclusive) to `from + chunks.length` of a run, exactly as the model emitted them. */
export interface ChunksFrame {
  readonly type: 'chunks';
  readonly runId: string;
  readonly from: number;
  readonly chunks: readonly UIMessageChunk[];
}

/** A stop was accepted; the run ends as soon as its producer has heard of it. */
export interface RunStopFrame {
  readonly type: 'run-stop';
  readonly runId: string;
  readonly by?: string;
  /** The message that interrupted it. */
  readonly interruptedBy?: string;
  /** It lost its place to another edit that was made at the same moment. */
  readonly conflict?: true;
}

/** A run that still waited for its turn, and the message that came with it, are gone. Too late, it means nothing. */
export interface RunWithdrawFrame {
  readonly type: 'run-withdraw';
  readonly runId: string;
  readonly by?: string;
}

/**
 * What became of the message of a run that still waited and was offered to a running one. Delivered, the running
 * answer answers it, and the run is not needed; missed, the run has its turn.
 */
export type RunSteerFrame = {
  readonly type: 'run-steer';
  readonly runId: string;
  /** The running one. */
  readonly intoRunId: string;
} & (
  | {
      /** The step whose model call received it, where the SDK tells. */
      readonly step?: number;
      /** The running answer holds the message as a part of its own, so that it does not stand beside it. */
      readonly inside: boolean;
    }
  | {
      /** Why: the SDK's own reason, or `not-taken` when the handler asked for no more messages. */
      readonly missed: string;
    }
);

export interface RunEndFrame {
  readonly type: 'run-end';
  readonly runId: string;
  readonly reason: RunEndReason;
  /** How many chunks the run had. */
  readonly chunks: number;
  /** The finished message; absent when the run produced nothing to keep. A message that it continued stays then. */
  readonly message?: UIMessage;
  /**
   * Which of the message's parts are calls that the end closed while they waited for an output, by their index. An
   * output that came before the end counts all the same.
   */
  readonly closed?: readonly number[];
  /** Who stopped it. */
  readonly by?: string;
  /** The message that interrupted it. */
  readonly interruptedBy?: string;
  readonly cause?: InterruptionCause;
  /** The user message that it had to answer, if the handler failed before it emitted a part. */
  readonly failedOn?: string;
}

/** Whether what a run emits reaches the store. */
export type Durability = 'durable' | 'degraded';

/**
 * The store began to fail a run, or takes it again. The log does not hold it: only the server that produces the run
 * tells it, to the viewers that it serves itself.
 */
export interface DurabilityFrame {
  readonly type: 'durability';
  readonly runId: string;
  readonly durability: Durability;
}

/** The app has been told of a run's end, or is not to be told of it. Viewers do not hear of this. */
export interface RunSavedFrame {
  readonly type: 'run-saved';
  readonly runId: string;
}

/** A run inside a snapshot. */
export interface SnapshotRun extends Omit<ActiveRun, 'send' | 'reports'> {
  /**
   * The id that stands before the run's message in the order; null at the very start. Absent when a
   * truncation took the message's place away.
   */
  readonly afterMessageId?: string | null;
  /** How many of the run's chunks `chunks` stands for. */
  readonly count: number;
  /** The run so far, compacted: adjacent deltas are merged. */
  readonly chunks: readonly UIMessageChunk[];
}

/** The whole session as of now. A subscription without a cursor begins with one. */
export interface SnapshotFrame {
  readonly type: 'snapshot';
  readonly messages: readonly UIMessage[];
  /** Active runs, in their order. */
  readonly runs: readonly SnapshotRun[];
  /** Runs that ended lately, oldest first. */
  readonly ended: readonly (EndedRun & { readonly runId: string })[];
  /** Answers to tool calls of messages that are still being written. */
  readonly outcomes: readonly ToolOutcomeFrame[];
  readonly hasOlder: boolean;
  /** The store knows the session, so that one without messages is empty; absent for a session it does not know. */
  readonly begun?: true;
  /** The ids of those messages that a client brought along; absent where there are none. */
  readonly seeded?: readonly string[];
}

/** The cursor is no longer known to the store: a snapshot follows. */
export interface ResetFrame {
  readonly type: 'reset';
}

/** No more frames of this session come on this connection: it may not be read, or cannot be read now. */
export interface RefusedFrame extends ErrorBody {
  readonly type: 'refused';
}

/** The frames that the session's log keeps. */
export type LogFrame =
  | MessageFrame
  | TruncateFrame
  | MessageDeleteFrame
  | RunStartFrame
  | RunStopFrame
  | RunWithdrawFrame
  | RunSteerFrame
  | RunEndFrame
  | RunSavedFrame
  | ToolOutcomeFrame;

/** Everything that can come down a subscription. A viewer ignores types it does not know. */
export type Frame = LogFrame | ChunksFrame | DurabilityFrame | SnapshotFrame | ResetFrame | RefusedFrame;

/** A frame as it stands in an event; `sessionId` is there on a connection of several sessions. */
export type WireFrame = Frame & { readonly sessionId?: string };

/** One record of a session's log: frames that belong together, under a key that makes a retry harmless. */
export interface LogEntry {
  /** Its place in the log, given by the store; ascending. */
  readonly id: string;
  /** Two entries with one key are the same entry, written twice. */
  readonly key: string;
  readonly frames: readonly LogFrame[];
  /**
   * Decided by what stands before it in the log: it counts where all of them hold, and else is void as a whole.
   * Default: it counts.
   */
  readonly when?: readonly EntryCondition[];
  /**
   * The log that its writer read: the id of the log's `deleted` entry, '' where there was none. In a log of another
   * epoch the entry does not count. Absent: it counts in any.
   */
  readonly epoch?: string;
  /** It counts only directly behind the entry with this id; behind none where it is ''. Absent: anywhere. */
  readonly behind?: string;
  /**
   * Page `at` of the `last` pages, counted from 1, of what is named `of`. Nothing comes of a page by itself. The last one
   * stands for the frames of all of them, where each of the others stands behind the one before it; else for none.
   */
  readonly page?: { readonly of: string; readonly at: number; readonly last: number };
}

/** What has to hold for an entry to count. Places of messages that are still being written are messages here. */
export type EntryCondition =
  /** The log has not begun. */
  | { readonly type: 'first' }
  /** No other run is active. Runs whose message this entry removes are ignored. */
  | { readonly type: 'idle' }
  /** The message is the last one, and nobody writes it. */
  | { readonly type: 'last'; readonly messageId: string }
  /** The message is in the session. */
  | { readonly type: 'present'; readonly messageId: string }
  /** No message has the id. */
  | { readonly type: 'free'; readonly messageId: string }
  /** With this entry there are at most `max` messages, or no more than without it. */
  | { readonly type: 'messages'; readonly max: number }
  /** With this entry at most `max` runs are active. Those that were stopped or lost their place are ignored. */
  | { readonly type: 'runs'; readonly max: number };

/** An entry that has no place yet. */
export type NewEntry = Omit<LogEntry, 'id'>;
