// Parses and validates a send before anything else reads it, except for the parts of its messages.

import type { UIMessage } from 'ai';
import { z } from 'zod/v4'; // a `zod` of 3.25 has version 4 under this path only
import { decodeCursor } from '../../protocol/cursor.ts';
import { DurableChatError, olderError } from '../../protocol/errors.ts';
import type { Trigger } from '../../protocol/frames.ts';
import { idempotencyHeader, subscriptionHeader } from '../../protocol/requests.ts';
import { maxLevels } from '../../protocol/size.ts';
import { checkLevels, id, invalid } from '../lib/validation.ts';
import type { WhenBusy } from '../options.ts';
import type { Changes } from './changes.ts';

/** The validated body of a send: the AI SDK's fields, and the app's own. */
export interface SendBody {
  readonly id: string;
  /** The posted `messages`, or the posted `message` as the only one. */
  readonly messages: readonly UIMessage[];
  /** Another posted `message`, which was not validated. */
  readonly message?: unknown;
  readonly trigger: Trigger;
  readonly messageId?: string;
  readonly whenBusy?: WhenBusy;
  readonly changes?: Changes;
}

/** A validated send. */
export interface SendRequest {
  readonly body: SendBody;
  /** The messages that the log can take: the last one, if it is the user's, and edited ones. See `checkMessages`. */
  readonly unchecked: readonly UIMessage[];
  /** The client's idempotency key. A retry has the same one. */
  readonly named: string | null;
  /** The client's own subscription, which gets no chunks of the run: the client reads them from the response. */
  readonly subscriptionId: string | null;
}

const fields = { id, parts: z.array(z.looseObject({ type: z.string() })) };
const message = z.looseObject({ ...fields, role: z.enum(['system', 'user', 'assistant']) });
const userMessage = z.looseObject({ ...fields, role: z.literal('user') });

/** Longer lists are refused before they are read. */
const maxListed = 10_000;

const sendBody = z.looseObject({
  id,
  messages: z.array(message).min(1, 'must not be empty'),
  trigger: z.enum(['submit-message', 'regenerate-message']).default('submit-message'),
  messageId: id.nullish(),
  whenBusy: z.enum(['queue', 'interrupt', 'steer', 'reject', 'parallel']).optional(),
  changes: z
    .object({
      seen: z.string(),
      removed: z.array(id).max(maxListed, `must have at most ${maxListed} ids`).default([]),
      edited: z.array(userMessage).max(maxListed, `must have at most ${maxListed} messages`).default([]),
    })
    .optional(),
});

/** Throws `bad_request` that names the field and the rule, and never the value; and `version` for an older cursor. */
export function parseSend(json: unknown, headers: Headers): SendRequest {
  const body = parseBody(json);
  const last = body.messages.slice(-1).filter(({ role }) => role === 'user');
  return {
    body,
    unchecked: [...last, ...(body.changes?.edited ?? [])],
    named: nameIn(headers, idempotencyHeader),
    subscriptionId: nameIn(headers, subscriptionHeader),
  };
}

function parseBody(json: unknown): SendBody {
  // Stored values come back inside a part of a message, which adds some levels.
  checkLevels(json, maxLevels + 10);
  const result = sendBody.safeParse(withMessages(json));
  if (!result.success) throw invalid(result.error, 'Post the body that the AI SDK sends.');
  const { messageId, whenBusy, changes, ...body } = result.data;
  return {
    ...body,
    messages: body.messages as unknown as UIMessage[], // parts are checked by the SDK where they are used
    ...(messageId != null && { messageId }),
    ...(whenBusy !== undefined && { whenBusy }),
    ...(changes && {
      changes: {
        ...changes,
        seen: seenAt(body.id, changes.seen),
        edited: changes.edited as unknown as UIMessage[], // as above
      },
    }),
  };
}

/** The log entry that a cursor names. @throws `version` for a cursor of another version, which says nothing of this log */
function seenAt(sessionId: string, text: string): string {
  const cursor = decodeCursor(sessionId, text);
  if (cursor) return cursor.log;
  throw olderError();
}

/** Turns the documented short body `{ id, message }` into `{ id, messages }`. */
function withMessages(json: unknown): unknown {
  const isAlone = typeof json === 'object' && json !== null && 'message' in json && !('messages' in json);
  return isAlone ? { ...json, messages: [json.message] } : json;
}

/** A client's own id in a header. */
function nameIn(headers: Headers, header: string): string | null {
  const name = headers.get(header);
  if (name === null || /^[\w-]{1,128}$/.test(name)) return name;
  throw new DurableChatError(
    'bad_request',
    `The \`${header}\` does not match [A-Za-z0-9_-]{1,128}. Use a random name of these characters.`,
  );
}
