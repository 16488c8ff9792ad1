// The records on a session's wire. README.md beside this file is the specification.

import type { UIMessage, UIMessageChunk } from 'ai';
import type { ErrorBody } from './errors.ts';

/** Why a run ended. */
export type RunEndReason = 'finish' | 'stop' | 'error' | 'interrupted';

/**
 * Why a run was interrupted, if its producer knew: its function came near its `deadline`, the `store` failed for so long
 * that later chunks are lost, or a chunk was `too_large` to be stored.
 */
export type InterruptionCause = 'deadline' | 'store' | 'too_large';

/** How a run ends, and on whose behalf. A run that has ended takes no more chunks, from any process. */
export interface RunEnding {
  /** `interrupted`: its producer could not complete it; `cause` says why, if it is known. */
  readonly reason: RunEndReason;
  /** The user who stopped it, as named by `authorize`. */
  readonly by?: string;
  /** The message that interrupted it. */
  readonly interruptedBy?: string;
  /** It lost its place to another edit that was made at the same moment. */
  readonly conflict?: true;
  /** Why it was `interrupted`, if its producer knew. */
  readonly cause?: InterruptionCause;
}

/** On whose behalf a run is stopped. */
export type RunStop = Pick<RunEnding, 'by' | 'interruptedBy' | 'conflict'>;

/** What a send asked for: the AI SDK's `trigger`. */
export type Trigger = 'submit-message' | 'regenerate-message';

/** The outcome that a client gives a tool call. */
export type ToolOutcome =
  | { readonly state: 'output-available'; readonly output: unknown }
  | { readonly state: 'output-error'; readonly errorText: string }
  | { readonly state: 'approval-responded'; readonly approved: boolean; readonly reason?: string };

/** Replaces the message of this id, or adds it at the end. */
export interface MessageFrame {
  readonly type: 'message';
  /** The whole message. */
  readonly message: UIMessage;
  /**
   * A client supplied it for an unknown session. Handlers read its text, its files, and its finished tool calls as text.
   */
  readonly seeded?: true;
}

/** The outcome of a tool call. The first outcome of a call counts. */
export interface ToolOutcomeFrame {
  readonly type: 'tool-outcome';
  /** The message that has the call. */
  readonly messageId: string;
  /** The call, in that message. */
  readonly toolCallId: string;
  /** An output, an error, or the response to an approval. */
  readonly outcome: ToolOutcome;
  /** Names the outcome. An outcome that is given again under its name is the same outcome. */
  readonly outcomeId: string;
  /** The `userId` that `authorize` returned for the client. */
  readonly by?: string;
}

/** The message with this id and all that follow it are gone. */
export interface TruncateFrame {
  readonly type: 'truncate';
  /** The first message that is removed. */
  readonly messageId: string;
}

/** What a deletion removes: one message, or all. */
export type Deletion = { readonly by?: string } & ({ readonly messageId: string } | { readonly all: true });

/** One message is gone, or all are. Runs that have it as their user message, or that write it, are stopped. */
export type MessageDeleteFrame = { readonly type: 'message-delete' } & Deletion;

/** A run took its place in the session. It works once every run before it has ended. */
export interface RunStartFrame {
  readonly type: 'run-start';
  /** Unique in the session. */
  readonly runId: string;
  /** The assistant message that the run writes; every viewer uses this id. */
  readonly messageId: string;
  /** The AI SDK's trigger of the send. */
  readonly trigger: Trigger;
  /** Milliseconds since the epoch, by the server's clock. */
  readonly at: number;
  /** The user who sent it, as named by `authorize`. */
  readonly by?: string;
  /**
   * The send that became this run. `key`: the name under which it is reserved. `once`: the same send never becomes
   * another run. `named`: its client's own name for it. `content`: a digest of its message's parts. Viewers do not see
   * this.
   */
  readonly send?: {
    readonly key: string;
    readonly once: boolean;
    readonly named?: string;
    readonly content?: string;
  };
  /** The user message that its entry wrote. A run before it with the same user message has none from then on. */
  readonly userMessageId?: string;
  /** It does not wait for the runs before it. */
  readonly parallel?: true;
  /** While it waits, its message is offered to the run before it. */
  readonly steer?: true;
  /** What its client called its subscription: a GET of this name is sent no chunks of the run. Viewers do not see this. */
  readonly subscriptionId?: string;
  /** What the server that accepted it reports to its app. Viewers do not see this. */
  readonly reports?: readonly Report[];
}

/** What is reported to the app: that the user message of a run was stored, or that the run has ended. */
export type Report = 'message' | 'end';

/**
 * Chunks `from` (inclusive) to `from + chunks.length` of a run, as the handler emitted them. A `start` carries the run's
 * `messageId`.
 */
export interface ChunksFrame {
  readonly type: 'chunks';
  /** The run that emitted them. */
  readonly runId: string;
  /** The number of the first chunk, counted from 0. */
  readonly from: number;
  /** In order, as the handler emitted them. */
  readonly chunks: readonly UIMessageChunk[];
}

/** A stop was accepted. The run ends once its producer has received the stop. */
export interface RunStopFrame extends RunStop {
  readonly type: 'run-stop';
  /** The run that is stopped. */
  readonly runId: string;
}

/** A run that still waited for its turn, and its user message, are gone. For any other known run it has no effect. */
export interface RunWithdrawFrame {
  readonly type: 'run-withdraw';
  /** The run that is taken back. */
  readonly runId: string;
  /** The `userId` of the client that took it back. */
  readonly by?: string;
}

/**
 * The message of a waiting run was offered to a running one. If it was delivered, the waiting run is not needed; if it
 * was missed, the waiting run has its turn.
 */
export type RunSteerFrame = {
  readonly type: 'run-steer';
  /** The waiting run. */
  readonly runId: string;
  /** The running run. */
  readonly intoRunId: string;
} & (
  | {
      /** The step whose model call received it, if the SDK reports it. */
      readonly step?: number;
      /** The running answer has the message as a part, and the message itself is gone. */
      readonly inside: boolean;
    }
  | {
      /** Why: the SDK's own reason, or `not-taken` when the handler asked for no more messages. */
      readonly missed: string;
    }
);

/** A run has ended. */
export interface RunEndFrame extends RunEnding {
  readonly type: 'run-end';
  /** The run that has ended. */
  readonly runId: string;
  /** How many chunks the run had. */
  readonly chunks: number;
  /** The finished message. Absent: the run leaves nothing, and a message that it continued stays as it was. */
  readonly message?: UIMessage;
  /**
   * The indices of the message's parts that the end closed while they waited for an output. An output that came before
   * the end counts all the same.
   */
  readonly closed?: readonly number[];
  /** The user message that it had to answer, if the handler failed before it emitted a part. */
  readonly failedOn?: string;
}

/** Whether what a run emits reaches the store. */
export type Durability = 'durable' | 'degraded';

/**
 * The store fails a run, or accepts its chunks again. Not in the log: the producer's server sends it to its own viewers.
 */
export interface DurabilityFrame {
  readonly type: 'durability';
  /** The run whose output is meant. */
  readonly runId: string;
  /** Whether the store takes it. */
  readonly durability: Durability;
}

/** The end of a run was reported to the app, or is not to be reported. Viewers do not see this. */
export interface RunSavedFrame {
  readonly type: 'run-saved';
  /** The run whose end was reported. */
  readonly runId: string;
}

/** What has become of an active run since its start. */
export interface RunProgress {
  /** Why the running answer did not take its message. */
  readonly missed?: string;
  /** Present once a stop was accepted. */
  readonly stop?: RunStop;
  /** Only viewers on the producer's server receive it, once the store has failed the run. */
  readonly durability?: Durability;
}

/** An active run in a snapshot. */
export interface SnapshotRun
  extends Omit<RunStartFrame, 'type' | 'send' | 'reports' | 'subscriptionId'>, RunProgress {
  /**
   * The id before the run's message in the order; null at the start; absent if a truncation took the message's place away.
   */
  readonly afterMessageId?: string | null;
  /** How many of the run's chunks `chunks` stands for. */
  readonly count: number;
  /** The run so far, compacted: adjacent deltas are merged. */
  readonly chunks: readonly UIMessageChunk[];
}

/** A run that has ended. */
export interface EndedRun extends RunEnding {
  /** The message that it wrote. */
  readonly messageId: string;
  /** How many chunks it emitted. */
  readonly chunks: number;
  /** The user message that it had to answer, if the handler failed before it emitted a part. */
  readonly failedOn?: string;
  /** It never had its turn: it was taken back, or its message went into another run. */
  readonly withdrawn?: true;
  /** The run that took its message, and at which step. */
  readonly steered?: { readonly intoRunId: string; readonly step?: number };
  /** Why the running answer did not take its message, so it had a turn of its own. */
  readonly missed?: string;
}

/** The whole session at this moment. A subscription without a cursor begins with one. */
export interface SnapshotFrame {
  readonly type: 'snapshot';
  /** In order, without those that are still being written. */
  readonly messages: readonly UIMessage[];
  /** Active runs, in their order. */
  readonly runs: readonly SnapshotRun[];
  /** The runs that ended last, oldest first. */
  readonly ended: readonly (EndedRun & { readonly runId: string })[];
  /** Outcomes of tool calls of messages that are still being written. */
  readonly outcomes: readonly ToolOutcomeFrame[];
  /** The log has begun, so a session without messages is empty. Absent: the store does not know the session. */
  readonly begun?: true;
  /** The ids of the messages that a client supplied. Absent: there are none. */
  readonly seeded?: readonly string[];
}

/** The frames before this one no longer count. A snapshot follows. */
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

/** Everything that a subscription can carry. A viewer ignores types that it does not know. */
export type Frame = LogFrame | ChunksFrame | DurabilityFrame | SnapshotFrame | ResetFrame | RefusedFrame;

/** A frame as it stands in an event; `sessionId` is there on a connection of several sessions. */
export type WireFrame = Frame & { readonly sessionId?: string };
