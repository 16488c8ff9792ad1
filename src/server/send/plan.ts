// What a send means for the log: a pure plan. The log is the authority; of what a client posts, only its own
// new message and the outcomes that a waiting tool call asked it for are taken.

import type { UIMessage } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import { digest } from '../../protocol/cursor.ts';
import { sendKeys, type EntryCondition } from '../../protocol/entries.ts';
import type { LogFrame, ToolOutcomeFrame } from '../../protocol/frames.ts';
import { isPassed, isWriting, type SessionState } from '../../protocol/session-state.ts';
import { outcomesOf, toolPartsOf, waitsFor } from '../../protocol/tool-calls.ts';
import type { SendBody } from './send-body.ts';
import { goneError, passedError, roleError, suppliedError, takenError, unaskedError } from './refusals.ts';

export interface Plan {
  /** To be appended before `run-start`. */
  readonly frames: readonly LogFrame[];
  /** The assistant message that the run writes: an existing one when the run continues it. */
  readonly messageId: string;
  /** The user message that the plan writes. */
  readonly userMessageId?: string;
  /** Active runs whose place the plan takes away; they are stopped. */
  readonly displaced: readonly string[];
  /** What the plan rests on: its entry counts only where the log is like that. */
  readonly when: readonly EntryCondition[];
}

/**
 * Throws `bad_request`, `not_found` or `conflict` when the body does not fit the session. `hasHad` says of an id that the
 * session does not have whether it ever had it.
 */
export function planTurn(
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
  // What an assistant said is the log's to say.
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
        place(state, last.id),
        ...(target === undefined ? nothingBehind(state, last.id) : [place(state, target)]),
      ],
    };
  }
  if (body.messageId === undefined && isEdited(state, last)) throw takenError();
  // A message the log already has is sent anew: it and what followed it are replaced.
  const target = state.order.includes(last.id) ? last.id : undefined;
  return {
    frames: [...truncation(target), write],
    messageId: newMessageId,
    userMessageId: last.id,
    displaced: displacedBy(state, target),
    when: [place(state, last.id)],
  };
}

/** A user's message has no id of an answer, be it still written. What an assistant is said to have said is not taken. */
function checkRole(state: SessionState, last: UIMessage): void {
  if (last.role === 'user' && state.order.includes(last.id) && state.byId.get(last.id)?.role !== 'user') {
    throw roleError();
  }
}

/** An assistant's message at the end is continued, unless another answer is asked for. */
export function continues({ trigger }: SendBody, last: UIMessage): boolean {
  return last.role === 'assistant' && trigger === 'submit-message';
}

/**
 * Throws `conflict` for an edit or a regeneration of what the log does not have, unless it can only be a message
 * that never got through: one that the log never had, and that follows what it ends with.
 */
function checkPlace(
  state: SessionState,
  body: SendBody,
  last: UIMessage,
  hasHad: (messageId: string) => boolean,
): void {
  const anew = body.trigger === 'regenerate-message' || body.messageId !== undefined;
  if (!anew || state.order.includes(last.id)) return;
  const follows = state.order.length === 0 || body.messages.at(-2)?.id === state.order.at(-1);
  if (last.role === 'assistant' || !follows || hasHad(last.id)) throw goneError();
}

function planContinuation(state: SessionState, posted: UIMessage, answerId: string): Plan {
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
    frames: outcomeFrames(known, posted, answerId),
    messageId: posted.id,
    displaced: [],
    when: [{ type: 'last', messageId: posted.id }],
  };
}

/** What a plan found of an id has to be so still. */
function place({ order }: SessionState, messageId: string): EntryCondition {
  return { type: order.includes(messageId) ? 'present' : 'free', messageId };
}

/** Asked for a first answer, a message has none yet. */
function nothingBehind({ order }: SessionState, messageId: string): EntryCondition[] {
  return order.includes(messageId) ? [{ type: 'last', messageId }] : [];
}

/**
 * The outputs that a continuation brings which is refused, because the conversation has gone past its message or
 * another run goes on with it: they are kept. An approval is not: nothing would come of it.
 */
export function lateResults(state: SessionState, body: SendBody, answerId: string): ToolOutcomeFrame[] {
  const last = body.messages.at(-1)!; // validated as not empty
  const known = continues(body, last) ? state.byId.get(last.id) : undefined;
  if (!known || !(isWriting(state, last.id) || isPassed(state, last.id))) return [];
  return outcomeFrames(known, last, answerId).filter(({ outcome }) => outcome.state !== 'approval-responded');
}

/** The first message that a regeneration removes, if there is one. */
function regenerated(state: SessionState, body: SendBody, last: UIMessage): string | undefined {
  const { messageId } = body;
  const isKnown = messageId !== undefined && state.order.includes(messageId);
  const edited = isEdited(state, last);
  if (edited && messageId !== undefined && !isKnown) throw goneError();
  // One that is still being written has its place already. What followed an edited message goes, all of it.
  if (isKnown && !edited && state.byId.get(messageId)?.role !== 'user') return messageId;
  const index = state.order.indexOf(last.id);
  return index === -1 ? undefined : state.order[index + 1];
}

/** Whether a user message says something else than the log's message of its id. */
function isEdited(state: SessionState, posted: UIMessage): boolean {
  const known = state.byId.get(posted.id);
  return known?.role === 'user' && posted.role === 'user' && contentOf(known) !== contentOf(posted);
}

/** What a message says, in one spelling: JSON from a database has its fields in another order. */
function contentOf({ parts }: UIMessage): string {
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

/** Each one is work for whoever reads the log. */
const maxOutcomes = 1_000;

/**
 * Those of `posted`'s tool outcomes that one of `known`'s calls is waiting for. As changes, not as a message: what
 * somebody else answers in the meantime stays.
 */
function outcomeFrames(known: UIMessage, posted: UIMessage, answerId: string): ToolOutcomeFrame[] {
  const calls = new Map(toolPartsOf(known).map((part) => [part.toolCallId, part]));
  const first = new Map(outcomesOf(posted).toReversed());
  const frames = [...first].flatMap(([toolCallId, outcome]): ToolOutcomeFrame[] => {
    const call = calls.get(toolCallId);
    if (!call || !waitsFor(call, outcome)) return [];
    return [{ type: 'tool-outcome', messageId: known.id, toolCallId, outcome, answerId }];
  });
  if (frames.length <= maxOutcomes) return frames;
  throw new DurableChatError(
    'too_large',
    `The message answers more than ${maxOutcomes} tool calls. Answer them one by one.`,
  );
}

/** What makes two sends the same; `once` when it lasts longer than the run. */
export interface SendKey {
  readonly key: string;
  readonly once: boolean;
  /** What its client calls it, where that is not its key: made again under this name it is the same send. */
  readonly named?: string;
  /** A digest of what its message says, where the message names it: with other content it is no send at all. */
  readonly content?: string;
}

/**
 * The name under which a send is claimed (G5). A continuation is named by what it continues. Anything else a
 * client can name; where it does not, a new message names itself, and asking again for an answer is named by its
 * content, as long as its run.
 */
export function sendOf(body: SendBody, named: string | null): SendKey {
  const last = body.messages.at(-1)!; // validated as not empty
  if (continues(body, last)) {
    // What a continuation adds to the log is its outcomes; all else in it is how its client happens to spell it.
    const key = sendKeys.continuation(last.id, statesOf(last));
    return { key, once: false, ...(named !== null && { named }) };
  }
  if (named !== null) return { key: sendKeys.named(named), once: true };
  if (body.trigger === 'submit-message' && body.messageId === undefined) {
    return { key: sendKeys.message(last.id), once: true, content: digest(contentOf(last)) };
  }
  return { key: sendKeys.change(body.trigger, body.messageId, last), once: false };
}

function statesOf(message: UIMessage): unknown {
  return toolPartsOf(message).map(({ toolCallId, state }) => [toolCallId, state]);
}
