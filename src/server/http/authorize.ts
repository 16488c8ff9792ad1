// Calls `authorize`, and makes its result a user or a refusal.

import { DurableChatError } from '../../protocol/errors.ts';
import { isFrameworkResponse, refusalOf } from './respond.ts';
import type { Authorization, Authorize, AuthorizeInput } from '../options.ts';

/** The object that `authorize` returned. */
export type User = Extract<Authorization, { readonly userId: string }>;

/** The user that `authorize` returned; undefined for `true`. Throws a Response or a `DurableChatError` for a refusal. */
export async function authorized(
  authorize: Authorize | undefined,
  input: AuthorizeInput,
): Promise<User | undefined> {
  const decision = authorize ? await decide(authorize, input) : true;
  if (decision === true) return undefined;
  if (decision instanceof Response) throw refusalOf(decision);
  if (decision === false)
    throw new DurableChatError(
      'forbidden',
      'You do not have permission to do this in this session. Sign in as a user who has it.',
    );
  if (decision == null)
    throw new DurableChatError('unauthorized', 'You are not signed in. Sign in, then try again.');
  // Every other value is a refusal: `user && user.owns(chat)` can be '', 0, or any object.
  if (typeof decision === 'object' && typeof decision.userId === 'string' && decision.userId !== '')
    return decision;
  throw new DurableChatError(
    'forbidden',
    'You do not have permission to do this in this session. Sign in as a user who has it.',
  );
}

/** A Response that `authorize` throws is one that it returns. */
async function decide(authorize: Authorize, input: AuthorizeInput): Promise<Authorization> {
  try {
    return await authorize(input);
  } catch (error) {
    if (error instanceof Response) return error;
    throw error;
  }
}

/** Whether `authorize` refused, and did not only fail. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof Response) return error.status < 500;
  if (error instanceof DurableChatError) return error.status >= 400 && error.status < 500;
  return isFrameworkResponse(error);
}
