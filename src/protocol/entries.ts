// The entries of a session's log: their makers, their keys, and the conditions under which they count. Only this module
// makes entries and spells keys, so that an entry that is written twice has the same key both times.

import type { UIMessage } from 'ai';
import { digest } from './cursor.ts';
import { outlookOf, type Outlook } from './fold.ts';
import type {
  Deletion,
  LogFrame,
  RunEndFrame,
  RunStartFrame,
  RunSteerFrame,
  RunStop,
  ToolOutcomeFrame,
  Trigger,
} from './frames.ts';
import { formatVersion } from './requests.ts';
import { isOver, isPassed, isPlaced, isWriting, type SessionState } from './session-state.ts';
import { pagesOf, type EntryPage } from './size.ts';
import { kindOf } from './tool-calls.ts';

/** One record of a session's log: frames that belong together, under a key that makes a retry harmless. */
export interface LogEntry {
  /** Its position in the log, given by the store; ascending. */
  readonly id: string;
  /** Two entries with one key are the same entry, written twice. */
  readonly key: string;
  /** The version of the format. Absent: 1, or that of a `deleted` entry, which every version reads. */
  readonly v?: number;
  /** What it changes. An entry whose key carries the information has none. */
  readonly frames: readonly LogFrame[];
  /** The conditions under which it counts. They are evaluated on what stands before it. Default: it counts. */
  readonly when?: readonly EntryCondition[];
  /**
   * The log that its writer read: the id of the log's `deleted` entry, '' where there was none. In a log of another
   * epoch the entry does not count. Absent: it counts in any.
   */
  readonly epoch?: string;
  /** It counts only directly after the entry with this id; as the first one where it is ''. Absent: anywhere. */
  readonly expectedLastId?: string;
  /**
   * Page `at` of the `last` pages, counted from 1, of the beginning `of`. One page alone has no effect. The last page
   * stands for the frames of all pages if each page stands after the one before it.
   */
  readonly page?: EntryPage;
}

export type { EntryPage } from './size.ts';

/** An entry that has no position yet. */
export type NewEntry = Omit<LogEntry, 'id' | 'v'>;

/** The entry as stores keep it: with the version of the format. */
export function versioned(entry: NewEntry): Omit<LogEntry, 'id'> {
  return { v: formatVersion, ...entry };
}

/** How the version of an entry compares to ours. What is older reads as expired; what is newer is not read. */
export function ageOf({ key, v = 1 }: Pick<LogEntry, 'key' | 'v'>): 'older' | 'ours' | 'newer' {
  if (key === deletedEntry.key || v === formatVersion) return 'ours';
  return v > formatVersion ? 'newer' : 'older';
}

/** The conditions of an entry. The place of a message that is still being written is a message here. */
export type EntryCondition =
  /** The log has not begun. */
  | { readonly type: 'first' }
  /** No other run is active. Runs whose message this entry removes are ignored. */
  | { readonly type: 'idle' }
  /** The message is the last one, and no run writes it. */
  | { readonly type: 'last'; readonly messageId: string }
  /** The message is in the session. */
  | { readonly type: 'present'; readonly messageId: string }
  /** No message has the id. */
  | { readonly type: 'free'; readonly messageId: string }
  /** With this entry there are at most `max` messages, or no more than without it. */
  | { readonly type: 'messages'; readonly max: number }
  /** With this entry at most `max` runs are active. Those that were stopped or lost their place are ignored. */
  | { readonly type: 'runs'; readonly max: number };

/** What the entry of a send has besides its run. */
export interface SendFrames {
  /** What the send changes; it stands before the run's start. */
  readonly frames: readonly LogFrame[];
  readonly when: readonly EntryCondition[];
  readonly epoch: string;
}

/** On whose behalf a run is stopped. */
export type StopCause = Optional<RunStop>;

type SteerOutcome =
  | Pick<Extract<RunSteerFrame, { inside: boolean }>, 'step' | 'inside'>
  | Pick<Extract<RunSteerFrame, { missed: string }>, 'missed'>;

/** A maker for each kind of entry. */
export const entries = {
  /** A run takes its place in the order, with what its send changes. */
  start: (run: Omit<RunStartFrame, 'type'>, { frames, when, epoch }: SendFrames): NewEntry => ({
    key: `${run.runId} start`,
    frames: [...frames, { type: 'run-start', ...run }],
    when,
    epoch,
  }),

  /** The outputs that a send brought whose run could not start: a continuation of a message that is not the last one. */
  late: (runId: string, frames: readonly ToolOutcomeFrame[]): NewEntry => ({ key: `${runId} late`, frames }),

  /** Denials of the approvals that the conversation has gone past with this run. */
  passed: (runId: string, frames: readonly ToolOutcomeFrame[]): NewEntry => ({
    key: `${runId} passed`,
    frames,
  }),

  /** A stop of the run was accepted. */
  stop: (runId: string, cause: StopCause = {}): NewEntry => ({
    key: `${runId} stop`,
    frames: [{ type: 'run-stop', runId, ...defined<RunStop>(cause) }],
  }),

  /** A run that still waits is taken back. */
  withdraw: (runId: string, by?: string): NewEntry => ({
    key: `${runId} withdraw`,
    frames: [{ type: 'run-withdraw', runId, ...defined<{ by?: string }>({ by }) }],
  }),

  /** What became of the message of a run that was offered to the run `intoRunId`. */
  steer: (runId: string, intoRunId: string, outcome: SteerOutcome): NewEntry => ({
    key: `${runId} steer`,
    frames: [{ type: 'run-steer', runId, intoRunId, ...outcome }],
  }),

  /** A run has ended. */
  end: (end: Omit<RunEndFrame, 'type'>): NewEntry => ({
    key: `${end.runId} end`,
    frames: [{ type: 'run-end', ...end }],
  }),

  /** The end of the run was reported to the app, or is not to be reported. */
  saved: (runId: string): NewEntry => ({ key: `${runId} saved`, frames: [{ type: 'run-saved', runId }] }),

  /** The user message of the run was reported to the app. The key carries the information. */
  messageSaved: (runId: string): NewEntry => ({ key: `${runId} message saved`, frames: [] }),

  /** The outcome of a tool call. The same `outcomeId` is the same outcome. */
  toolOutcome: (frame: Omit<ToolOutcomeFrame, 'type'>): NewEntry => ({
    key: `${frame.messageId} ${frame.toolCallId} ${kindOf(frame.outcome)} ${frame.outcomeId}`,
    frames: [{ type: 'tool-outcome', ...frame }],
  }),

  /** A deletion named `name`. It counts only directly after the entry with the id `expectedLastId`. */
  delete: (name: string, deletion: Optional<Deletion>, expectedLastId: string): NewEntry => ({
    key: `${name} delete`,
    frames: [{ type: 'message-delete', ...defined<Deletion>(deletion) }],
    expectedLastId,
  }),

  /**
   * The beginning of a log, as one entry, or as its pages where one request has no room for it. `of` names the pages.
   * The key of a single entry names the epoch: a void entry of another epoch does not replace it.
   */
  seed(frames: readonly LogFrame[], epoch: string, of: string): readonly NewEntry[] {
    const rest = { when: [{ type: 'first' } as const], epoch };
    const pages = pagesOf(frames);
    const last = pages.length;
    if (last === 1) return [{ key: `seed ${epoch}`, frames, ...rest }];
    return pages.map((page, index) => ({
      key: `seed ${index + 1} ${of}`,
      frames: page,
      ...rest,
      page: { of, at: index + 1, last },
    }));
  },
};

/** What is left of a session that was deleted: the first entry of its new log. Its id names the log's epoch. */
export const deletedEntry: NewEntry = { key: 'deleted', frames: [] };

/** The epoch of a log whose session was not deleted. */
export const firstEpoch = '';

/** The names under which sends are reserved. Two sends of one name are the same send. */
export const sendKeys = {
  /** A send that its client named. */
  named: (name: string): string => `named ${name}`,
  /** A new message. */
  message: (messageId: string): string => `message ${messageId}`,
  /** A continuation adds only outcomes, so the states of the message's tool calls identify it. */
  continuation: (messageId: string, states: unknown): string =>
    `continue ${messageId} ${digest(JSON.stringify(states))}`,
  /** An edit or a regeneration that its client did not name. */
  change: (trigger: Trigger, messageId: string | undefined, last: UIMessage): string =>
    `${trigger} ${messageId ?? ''} ${last.id} ${digest(JSON.stringify(last))}`,
};

/** The run that an entry starts, in any version of the format. */
export function startedBy({ key, frames }: Pick<LogEntry, 'key' | 'frames'>): string | undefined {
  return frames.find(isStart)?.runId ?? /^([\w-]+) start$/.exec(key)?.[1];
}

/** The runs that entries start, in any version of the format, and whose ends these entries do not have. */
export function unendedRuns(entries: readonly Pick<LogEntry, 'key' | 'frames'>[]): readonly string[] {
  const keys = new Set(entries.map(({ key }) => key));
  return entries.flatMap((entry) => startedBy(entry) ?? []).filter((runId) => !keys.has(`${runId} end`));
}

type Optional<T> = T extends unknown ? { readonly [K in keyof T]: T[K] | undefined } : never;

/** The fields that have a value. */
function defined<T extends object>(fields: Optional<T>): T {
  const known = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known) as T; // the same fields, without those that are undefined
}

/**
 * The frames of an entry that have an effect on `state`: all of them, or, of a void entry, the withdrawals of the
 * runs that it would have started.
 */
export function effectOf(
  state: SessionState,
  epoch: string,
  entry: Omit<NewEntry, 'key'>,
): readonly LogFrame[] {
  if (whyVoid(state, epoch, entry) === undefined) return entry.frames;
  return entry.frames.filter(isStart).map(({ runId }): LogFrame => ({ type: 'run-withdraw', runId }));
}

/** It was written for another log; one of its runs is over before it starts; or a condition is false. */
export type VoidReason = 'epoch' | 'over' | EntryCondition['type'];

/** Why an entry would be void as the next one in a log of this epoch. Undefined: it would count. */
export function whyVoid(
  state: SessionState,
  epoch: string,
  { frames, when = [], epoch: written = epoch }: Omit<NewEntry, 'key'>,
): VoidReason | undefined {
  if (written !== epoch) return 'epoch';
  if (frames.some((frame) => isStart(frame) && isOver(state, frame.runId))) return 'over';
  let outlook: Outlook | undefined; // made once, because an entry can have thousands of frames
  const after = () => (outlook ??= outlookOf(state, frames));
  return when.find((condition) => !isTrue(condition, state, after))?.type;
}

function isTrue(condition: EntryCondition, state: SessionState, after: () => Outlook): boolean {
  switch (condition.type) {
    case 'first':
      return !state.begun;
    case 'idle':
      return after().others.length === 0;
    case 'last':
      return !isPassed(state, condition.messageId) && !isWriting(state, condition.messageId);
    case 'present':
      return isPlaced(state, condition.messageId);
    case 'free':
      return !isPlaced(state, condition.messageId);
    case 'messages':
      // An entry that makes a full session shorter counts.
      return after().length <= Math.max(condition.max, state.order.length);
    case 'runs':
      return after().others.filter(({ stop }) => !stop).length < condition.max;
    default:
      condition satisfies never;
      return true;
  }
}

function isStart(frame: LogFrame): frame is RunStartFrame {
  return frame.type === 'run-start';
}
