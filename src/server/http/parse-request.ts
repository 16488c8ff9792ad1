// What a client may send. Everything that comes in goes through here before anything else sees it.

import type { UIMessage } from 'ai';
import { z } from 'zod/v4'; // a `zod` of 3.25 has version 4 under this path only
import { DurableChatError } from '../../protocol/errors.ts';
import { removals } from '../../protocol/requests.ts';
import { isNestedOver, maxLevels } from '../../protocol/size.ts';
import type { Trigger } from '../../protocol/frames.ts';
import type { ToolOutcome } from '../../protocol/tool-outcome.ts';
import type { ToolClaim } from '../handle/claim-tool.ts';
import type { WhenBusy } from '../options.ts';

/** A validated POST body: the AI SDK's own, with whatever else the app added to it. */
export interface SendBody {
  readonly id: string;
  /** What was posted as `messages`, or as `message` alone. */
  readonly messages: readonly UIMessage[];
  /** What else was posted as `message`; nobody has looked at it. */
  readonly message?: unknown;
  readonly trigger: Trigger;
  readonly messageId?: string;
  readonly whenBusy?: WhenBusy;
}

const maxIdLength = 256;
const maxClaimMs = 10 * 60_000;

/** Ids end up in keys, headers and logs: bounded, printable, well-formed. */
const id = z
  .string()
  .min(1, 'must not be empty')
  .max(maxIdLength, `must have at most ${maxIdLength} characters`)
  .refine((text) => !/\p{Cc}|\p{Cs}/u.test(text), 'must not contain control characters');

const message = z.looseObject({
  id,
  role: z.enum(['system', 'user', 'assistant']),
  parts: z.array(z.looseObject({ type: z.string() })),
});

const sendBody = z.looseObject({
  id,
  messages: z.array(message).min(1, 'must not be empty'),
  trigger: z.enum(['submit-message', 'regenerate-message']).default('submit-message'),
  messageId: id.nullish(),
  whenBusy: z.enum(['queue', 'interrupt', 'steer', 'reject', 'parallel']).optional(),
});

const answerBody = z.object({
  id,
  trigger: z.literal('tool-outcome'),
  messageId: id,
  toolCallId: id,
  outcome: z.discriminatedUnion('state', [
    z.object({ state: z.literal('output-available'), output: z.unknown().optional() }),
    z.object({ state: z.literal('output-error'), errorText: z.string() }),
    z.object({
      state: z.literal('approval-responded'),
      approved: z.boolean(),
      reason: z.string().optional(),
    }),
  ]),
  answerId: id.optional(),
  holder: id.optional(),
});

const claimBody = z.object({
  id,
  trigger: z.literal('tool-claim'),
  messageId: id,
  toolCallId: id,
  holder: id,
  ms: z.int().min(1).max(maxClaimMs),
});

/** A validated answer to a tool call. */
export interface AnswerBody {
  readonly id: string;
  readonly messageId: string;
  readonly toolCallId: string;
  readonly outcome: ToolOutcome;
  readonly answerId?: string;
  readonly holder?: string;
}

/** A validated claim on a tool call. */
export interface ClaimBody extends ToolClaim {
  readonly id: string;
}

/** What a body is meant as: an answer to a tool call, a claim on one, or a send. */
export function kindOf(json: unknown): 'tool-outcome' | 'tool-claim' | 'send' {
  const trigger = typeof json === 'object' && json !== null && 'trigger' in json ? json.trigger : undefined;
  return trigger === 'tool-outcome' || trigger === 'tool-claim' ? trigger : 'send';
}

/** Throws `bad_request` as `parseSend` does. */
export function parseClaim(json: unknown): ClaimBody {
  const result = claimBody.safeParse(json);
  if (!result.success) throw invalid(result.error, fieldsOf(claimBody));
  return result.data;
}

/** Throws `bad_request` as `parseSend` does. */
export function parseAnswer(json: unknown): AnswerBody {
  checkLevels(json, maxLevels);
  const result = answerBody.safeParse(json);
  if (!result.success) throw invalid(result.error, fieldsOf(answerBody));
  return result.data as AnswerBody; // an output may be anything that JSON can be
}

/** Throws `bad_request` that names the field and the rule, and never the value. */
export function parseSend(json: unknown): SendBody {
  // What was taken or emitted before comes back as a part of a message, which is some levels more.
  checkLevels(json, maxLevels + 10);
  const result = sendBody.safeParse(withMessages(json));
  if (!result.success) throw invalid(result.error, 'The body is the one the AI SDK sends.');
  const { messageId, whenBusy, ...body } = result.data;
  return {
    ...body,
    messages: body.messages as unknown as UIMessage[], // parts are checked by the SDK where they are used
    ...(messageId != null && { messageId }),
    ...(whenBusy !== undefined && { whenBusy }),
  };
}

function checkLevels(json: unknown, levels: number): void {
  if (!isNestedOver(json, levels)) return;
  throw new DurableChatError('bad_request', `The body is nested over ${levels} levels deep.`);
}

/** The body that the SDK's documentation makes most often, `{ id, message }`, as the SDK's own. */
function withMessages(json: unknown): unknown {
  const isAlone = typeof json === 'object' && json !== null && 'message' in json && !('messages' in json);
  return isAlone ? { ...json, messages: [json.message] } : json;
}

/** The session's id from a query string; throws `bad_request`. */
export function parseSessionId(value: string | null): string {
  const result = id.safeParse(value ?? undefined);
  if (!result.success) {
    throw new DurableChatError(
      'bad_request',
      value === null
        ? 'The query needs ?id=<session>.'
        : `The session id ${result.error.issues[0]?.message ?? 'is invalid'}.`,
    );
  }
  return result.data;
}

/** A validated DELETE of ours. */
export type RemovalQuery =
  | { readonly type: 'stop'; readonly runId: string | undefined }
  | { readonly type: 'withdraw'; readonly runId: string }
  | { readonly type: 'delete-message'; readonly messageId: string }
  | { readonly type: 'clear' };

/** What a DELETE of ours asks for; throws `bad_request`. */
export function parseRemoval(query: URLSearchParams): RemovalQuery {
  const type = query.get('durable');
  const runId = parseRunId(query.get('runId'));
  switch (type) {
    case 'stop':
      return { type, runId };
    case 'withdraw':
      if (runId === undefined)
        throw new DurableChatError('bad_request', 'A withdrawal needs &runId=<runId>.');
      return { type, runId };
    case 'delete-message': {
      const messageId = id.safeParse(query.get('messageId'));
      if (messageId.success) return { type, messageId: messageId.data };
      throw new DurableChatError('bad_request', 'The deletion of a message needs &messageId=<message>.');
    }
    case 'clear':
      return { type };
    default:
      throw new DurableChatError('bad_request', `The query needs &durable=${removals.join(' | ')}.`);
  }
}

/** Whether a value may be an id: of a session, a message or a tool call. */
export function isId(value: unknown): value is string {
  return id.safeParse(value).success;
}

/** An optional run id from a query string; throws `bad_request`. */
function parseRunId(value: string | null): string | undefined {
  if (value === null) return undefined;
  if (!/^[\w-]{1,64}$/.test(value)) throw new DurableChatError('bad_request', 'The run id is invalid.');
  return value;
}

function fieldsOf({ shape }: typeof claimBody | typeof answerBody): string {
  return `The body of this trigger has the fields ${Object.keys(shape).join(', ')}.`;
}

/** `shape` says what the body looks like. */
function invalid(error: z.ZodError, shape: string): DurableChatError {
  const issue = error.issues[0];
  const field = issue?.path.join('.') || 'The body';
  // Only rules of our own wording are quoted: zod's own messages can quote the input.
  const rule = issue?.code === 'custom' || issue?.code.startsWith('too_') ? issue.message : 'is invalid';
  return new DurableChatError('bad_request', `${field} ${rule}. ${shape}`);
}
