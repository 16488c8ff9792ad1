// What a send means for the log, as a pure function. The log is the authority: from a posted body it takes only a new
// message, the outcomes that waiting tool calls need, and the changes that the log's rules allow.

import type { UIMessage } from 'ai';
import {
  entries,
  whyVoid,
  type EntryCondition,
  type LogEntry,
  type NewEntry,
} from '../../protocol/entries.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { applyFrames } from '../../protocol/fold.ts';
import type { LogFrame, Report, RunStartFrame } from '../../protocol/frames.ts';
import { continues } from '../../protocol/requests.ts';
import { isPassed, isWriting, type SessionState } from '../../protocol/session-state.ts';
import { reportsFor } from '../keep/reports.ts';
import type { Limits, WhenBusy } from '../options.ts';
import { changeFrames } from './changes.ts';
import { checkSize } from './check-message.ts';
import { outcomeFrames } from './outcomes.ts';
import {
  goneError,
  passedError,
  refusal,
  roleError,
  suppliedError,
  takenError,
  unaskedError,
} from './refusals.ts';
import type { SendBody, SendRequest } from './send-body.ts';

/** What a plan is made of, besides the log. */
export interface Wish {
  readonly request: SendRequest;
  /** What makes it the same send when it is made again. */
  readonly key: NonNullable<RunStartFrame['send']>;
  readonly whenBusy: WhenBusy;
  readonly by: string | undefined;
  readonly runId: string;
  /** The id of the message that the run writes, unless it continues one. */
  readonly messageId: string;
  /** The time of the send, in milliseconds since 1970. */
  readonly at: number;
  /** What the app wants to be informed of. */
  readonly reports: readonly Report[];
}

/** The log, as far as a plan reads it. */
export interface LogView {
  readonly state: SessionState;
  readonly entries: readonly LogEntry[];
  readonly epoch: string;
  readonly lastId: string;
  hasHad(messageId: string): boolean;
}

/** What a send appends, and which runs it stops. */
export interface SendPlan {
  readonly entry: NewEntry;
  /** What the entry changes, without its run. */
  readonly frames: readonly LogFrame[];
  /** The user message that the run comes with. */
  readonly userMessageId: string | undefined;
  /** Active runs whose place the entry takes away, or whose message it removes; they are stopped. */
  readonly displaced: readonly string[];
}

/** Throws what the send is refused with in this log. */
export function planSend(
  log: LogView,
  { request: { body, subscriptionId }, key, whenBusy, by, runId, messageId, at, reports }: Wish,
  limits: Limits,
): SendPlan {
  const last = body.messages.at(-1)!; // validated as not empty
  const changes = body.changes ? changeFrames(log, body.changes, last.id, by) : [];
  const state = applyFrames(log.state, changes);
  const plan = planRun(state, body, messageId, (id) => log.hasHad(id));
  const frames = [...changes, ...plan.frames];
  for (const frame of frames) {
    if (frame.type === 'message') checkSize(frame.message, limits);
  }
  const run = {
    runId,
    messageId: plan.messageId,
    trigger: body.trigger,
    at,
    send: key,
    ...(plan.userMessageId !== undefined && { userMessageId: plan.userMessageId }),
    ...(whenBusy === 'parallel' && ({ parallel: true } as const)),
    ...(whenBusy === 'steer' && ({ steer: true } as const)),
    ...(by !== undefined && { by }),
    ...(subscriptionId !== null && { subscriptionId }),
    ...reportsFor(reports, frames),
  };
  const { messagesPerSession, activeRunsPerSession } = limits;
  const when: EntryCondition[] = [
    // An entry directly after what was read needs no other conditions.
    ...(changes.length > 0 ? [] : plan.when),
    ...(whenBusy === 'reject' ? [{ type: 'idle' } as const] : []),
    { type: 'messages', max: messagesPerSession },
    { type: 'runs', max: activeRunsPerSession },
  ];
  const entry: NewEntry = {
    ...entries.start(run, { frames, when, epoch: log.epoch }),
    ...(changes.length > 0 && { expectedLastId: log.lastId }),
  };
  const why = whyVoid(log.state, log.epoch, entry);
  if (why) throw refusal(why, limits);
  const stopped = state.active.filter(({ stop }, index) => stop && !log.state.active[index]?.stop);
  return {
    entry,
    frames,
    userMessageId: plan.userMessageId,
    displaced: [...stopped.map((run) => run.runId), ...plan.displaced],
  };
}

/** What a send changes, without its run. */
export interface Plan {
  /** The frames before `run-start`. */
  readonly frames: readonly LogFrame[];
  /** The assistant message that the run writes; an existing one if the run continues it. */
  readonly messageId: string;
  /** The user message that the plan writes. */
  readonly userMessageId?: string;
  /** Active runs whose place the plan removes. They are stopped. */
  readonly displaced: readonly string[];
  /** The conditions of the plan: its entry counts only if the log meets them. */
  readonly when: readonly EntryCondition[];
}

/**
 * Throws `bad_request`, `not_found` or `conflict` if the body does not fit the session. `hasHad` tests whether the session
 * ever had a message with an id that it does not have now.
 */
export function planRun(
  state: SessionState,
  body: SendBody,
  newMessageId: string,
  hasHad: (messageId: string) => boolean = () => false,
): Plan {
  const last = body.messages.at(-1);
  if (last?.role !== 'user' && last?.role !== 'assistant') {
    throw new DurableChatError(
      'bad_request',
      'The last message must be a user message or an assistant message.',
    );
  }
  if (continues(body, last)) return planContinuation(state, last, newMessageId);
  checkRole(state, last);
  checkPlace(state, body, last, hasHad);
  // The log decides the content of assistant messages.
  const isNew = last.role === 'user' && (!state.byId.has(last.id) || isEdited(state, last));
  const write: LogFrame = { type: 'message', message: last };

  if (body.trigger === 'regenerate-message') {
    const target = regenerated(state, body, last);
    if (!isNew && target !== undefined && target === state.order[0]) throw unaskedError();
    return {
      frames: [...truncation(target), ...(isNew ? [write] : [])],
      messageId: newMessageId,
      ...(isNew && { userMessageId: last.id }),
      displaced: displacedBy(state, target),
      when: [
        presentOrFree(state, last.id),
        ...(target === undefined ? nothingAfter(state, last.id) : [presentOrFree(state, target)]),
      ],
    };
  }
  if (body.messageId === undefined && isEdited(state, last)) throw takenError();
  // An edit replaces the message, and removes what followed it. A new message that has no answer, because another send
  // brought it as an earlier message or its run failed, moves to the end: messages that came first keep their answers.
  const isMoved = body.messageId === undefined && isUnanswered(state, last.id);
  const target = state.order.includes(last.id) && !isMoved ? last.id : undefined;
  return {
    frames: [
      ...truncation(target),
      ...(isMoved ? [{ type: 'message-delete', messageId: last.id } as const] : []),
      write,
    ],
    messageId: newMessageId,
    userMessageId: last.id,
    displaced: displacedBy(state, target),
    when: [presentOrFree(state, last.id)],
  };
}

/** Whether the session has the message, and no answer stands after it. */
function isUnanswered({ order, byId }: SessionState, messageId: string): boolean {
  if (!order.includes(messageId)) return false;
  const next = order[order.indexOf(messageId) + 1];
  return next === undefined || (byId.has(next) && byId.get(next)?.role !== 'assistant');
}

/** A user message must not have the id of an answer, also of one that is still being written. */
function checkRole(state: SessionState, last: UIMessage): void {
  if (last.role === 'user' && state.order.includes(last.id) && state.byId.get(last.id)?.role !== 'user') {
    throw roleError();
  }
}

/**
 * Throws `conflict` for an edit or a regeneration of a message that the log does not have, unless it can be a message
 * that never reached the server: the log never had it, and it follows the log's last message.
 */
function checkPlace(
  state: SessionState,
  body: SendBody,
  last: UIMessage,
  hasHad: (messageId: string) => boolean,
): void {
  const fromMessage = body.trigger === 'regenerate-message' || body.messageId !== undefined;
  if (!fromMessage || state.order.includes(last.id)) return;
  const follows = state.order.length === 0 || body.messages.at(-2)?.id === state.order.at(-1);
  if (last.role === 'assistant' || !follows || hasHad(last.id)) throw goneError();
}

function planContinuation(state: SessionState, posted: UIMessage, outcomeId: string): Plan {
  const known = state.byId.get(posted.id);
  if (!known)
    throw new DurableChatError(
      'not_found',
      'The message to continue is not in the session. Send a user message instead.',
    );
  if (known.role !== 'assistant') throw roleError();
  if (state.seeded.has(known.id)) throw suppliedError();
  if (isWriting(state, posted.id) || isPassed(state, posted.id)) {
    throw passedError();
  }
  return {
    frames: outcomeFrames(known, posted, outcomeId),
    messageId: posted.id,
    displaced: [],
    when: [{ type: 'last', messageId: posted.id }],
  };
}

/** The condition that an id is still present, or still free. */
function presentOrFree({ order }: SessionState, messageId: string): EntryCondition {
  return { type: order.includes(messageId) ? 'present' : 'free', messageId };
}

/** The condition that a message without an answer still has none. */
function nothingAfter({ order }: SessionState, messageId: string): EntryCondition[] {
  return order.includes(messageId) ? [{ type: 'last', messageId }] : [];
}

/** The first message that a regeneration removes, if any. */
function regenerated(state: SessionState, body: SendBody, last: UIMessage): string | undefined {
  const { messageId } = body;
  const isKnown = messageId !== undefined && state.order.includes(messageId);
  const edited = isEdited(state, last);
  if (edited && messageId !== undefined && !isKnown) throw goneError();
  // A message that is still being written has its place already. After an edit, all following messages are removed.
  if (isKnown && !edited && state.byId.get(messageId)?.role !== 'user') return messageId;
  const index = state.order.indexOf(last.id);
  return index === -1 ? undefined : state.order[index + 1];
}

/** Whether the log has a user message with this id and other content. */
export function isEdited(state: SessionState, posted: UIMessage): boolean {
  const known = state.byId.get(posted.id);
  return known?.role === 'user' && posted.role === 'user' && contentOf(known) !== contentOf(posted);
}

/** The content of a message with sorted keys, because JSON from a database can have another order. */
export function contentOf({ parts }: UIMessage): string {
  return JSON.stringify(parts, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

function truncation(messageId: string | undefined): LogFrame[] {
  return messageId === undefined ? [] : [{ type: 'truncate', messageId }];
}

function displacedBy(state: SessionState, target: string | undefined): string[] {
  if (target === undefined) return [];
  const gone = new Set(state.order.slice(state.order.indexOf(target)));
  return state.active.filter(({ messageId }) => gone.has(messageId)).map(({ runId }) => runId);
}
