// The checks that all parsers of requests share: ids, depth, and errors that quote nothing of the input.

import { z } from 'zod/v4'; // a `zod` of 3.25 has version 4 under this path only
import { DurableChatError } from '../../protocol/errors.ts';
import { isNestedOver } from '../../protocol/size.ts';

const maxIdLength = 256;

/** Ids are used in keys, headers and logs, so they are short, printable and well-formed. */
export const id: z.ZodString = z
  .string()
  .min(1, 'must not be empty')
  .max(maxIdLength, `must have at most ${maxIdLength} characters`)
  .refine((text) => !/\p{Cc}|\p{Cs}/u.test(text), 'must not contain control characters');

/** Whether a value may be an id: of a session, a message or a tool call. */
export function isId(value: unknown): value is string {
  return id.safeParse(value).success;
}

/** Throws `bad_request` for a value that is nested more than `levels` levels deep. */
export function checkLevels(json: unknown, levels: number): void {
  if (!isNestedOver(json, levels)) return;
  throw new DurableChatError(
    'bad_request',
    `The body is nested more than ${levels} levels deep. Post a flatter one.`,
  );
}

/** A `bad_request` that names the field and the rule, and never the value. `shape` describes the body. */
export function invalid(error: z.ZodError, shape: string): DurableChatError {
  const issue = error.issues[0];
  const field = issue?.path.join('.') || 'The body';
  // Only our own rules are quoted, because zod's messages can quote the input.
  const rule = issue?.code === 'custom' || issue?.code.startsWith('too_') ? issue.message : 'is invalid';
  return new DurableChatError('bad_request', `${field} ${rule}. ${shape}`);
}
