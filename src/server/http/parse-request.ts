// Parses and validates each POST and DELETE before anything else reads it. The messages of a send are checked later.

import { z } from 'zod/v4'; // a `zod` of 3.25 has version 4 under this path only
import { DurableChatError } from '../../protocol/errors.ts';
import { maxClaimMs, removals, type Query } from '../../protocol/requests.ts';
import { maxLevels } from '../../protocol/size.ts';
import type { ToolOutcomeOptions } from '../handle/tool-outcome.ts';
import type { ToolClaim } from '../handle/claim-tool.ts';
import { checkLevels, id, invalid } from '../lib/validation.ts';
import { parseSend, type SendRequest } from '../send/send-body.ts';

const outcomeBody = z.object({
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
  outcomeId: id.optional(),
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

/** A validated POST. */
export type Posted =
  | { readonly type: 'send'; readonly sessionId: string; readonly send: SendRequest }
  | { readonly type: 'tool-outcome'; readonly sessionId: string; readonly outcome: ToolOutcomeOptions }
  | { readonly type: 'tool-claim'; readonly sessionId: string; readonly claim: ToolClaim };

/**
 * The kind of a POST: a send, a tool outcome, or a claim on a tool call.
 *
 * @throws `bad_request` that names the field and the rule, and never the value; `too_large` for a body over `maxBytes`.
 */
export async function parsePost(request: Request, maxBytes: number): Promise<Posted> {
  const json = await readJson(request, maxBytes);
  const type = typeof json === 'object' && json !== null && 'trigger' in json ? json.trigger : undefined;
  switch (type) {
    case 'tool-claim': {
      const { id: sessionId, trigger: _, ...claim } = parsed(claimBody, json);
      return { type, sessionId, claim };
    }
    case 'tool-outcome': {
      checkLevels(json, maxLevels);
      const { id: sessionId, trigger: _, ...outcome } = parsed(outcomeBody, json);
      return { type, sessionId, outcome: outcome as ToolOutcomeOptions }; // an output may be anything that JSON can be
    }
    default: {
      const send = parseSend(json, request.headers);
      return { type: 'send', sessionId: send.body.id, send };
    }
  }
}

/** The JSON of the request, read up to `limit` bytes. */
async function readJson(request: Request, limit: number): Promise<unknown> {
  const tooLarge = () =>
    new DurableChatError(
      'too_large',
      `The body is over the limit of ${limit} bytes (\`limits.bodyBytes\`). Post a smaller one.`,
    );
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge();
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  if (request.body) {
    for await (const bytes of request.body) {
      size += bytes.byteLength;
      if (size > limit) throw tooLarge();
      text += decoder.decode(bytes, { stream: true });
    }
  }
  try {
    return JSON.parse(text + decoder.decode());
  } catch {
    // Without a cause, because the parser's message quotes the body.
    throw new DurableChatError('bad_request', 'The body is not JSON. Post the body that the AI SDK sends.');
  }
}

function parsed<T extends z.ZodObject>(schema: T, json: unknown): z.output<T> {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw invalid(
    result.error,
    `The body of this trigger has the fields ${Object.keys(schema.shape).join(', ')}.`,
  );
}

/** The session's id from the query. Throws `bad_request`. */
export function parseSessionId(value: string | null): string {
  const result = id.safeParse(value ?? undefined);
  if (!result.success) {
    throw new DurableChatError(
      'bad_request',
      value === null
        ? 'The query has no session id. Add `?id=<sessionId>`.'
        : `The session id ${result.error.issues[0]?.message ?? 'is invalid'}. Use another id.`,
    );
  }
  return result.data;
}

/** A validated DELETE of the protocol. */
export type RemovalQuery =
  | { readonly type: 'stop'; readonly runId: string | undefined }
  | { readonly type: 'withdraw'; readonly runId: string }
  | { readonly type: 'delete-message'; readonly messageId: string }
  | { readonly type: 'clear' };

/** The kind of a DELETE of the protocol. Throws `bad_request`. */
export function parseRemoval(query: Query): RemovalQuery {
  const type = query.get('durable');
  const runId = parseRunId(query.get('runId'));
  switch (type) {
    case 'stop':
      return { type, runId };
    case 'withdraw':
      if (runId === undefined)
        throw new DurableChatError(
          'bad_request',
          'The withdrawal names no run. Add `&runId=<runId>` to the query.',
        );
      return { type, runId };
    case 'delete-message': {
      const messageId = id.safeParse(query.get('messageId'));
      if (messageId.success) return { type, messageId: messageId.data };
      throw new DurableChatError(
        'bad_request',
        'The deletion names no message. Add &messageId=<messageId> to the query.',
      );
    }
    case 'clear':
      return { type };
    default:
      throw new DurableChatError(
        'bad_request',
        `The query has an unknown value of \`durable\`. Use one of: ${removals.join(', ')}.`,
      );
  }
}

/** An optional run id from the query. Throws `bad_request`. */
function parseRunId(value: string | null): string | undefined {
  if (value === null) return undefined;
  if (!/^[\w-]{1,64}$/.test(value))
    throw new DurableChatError(
      'bad_request',
      'The run id in the query is invalid. It must match [A-Za-z0-9_-]{1,64}.',
    );
  return value;
}
