// The id of a message that the server makes.

import { DurableChatError } from '../../protocol/errors.ts';
import { isId } from './validation.ts';

/** `taken` are the ids of other messages. Throws `config` for one of them, and for an invalid id. */
export function newMessageId(generateId: () => string, taken: readonly string[]): string {
  const id: unknown = generateId();
  if (!isId(id)) {
    throw new DurableChatError(
      'config',
      '`generateId` returned an invalid id. It must return 1 to 256 characters, without control characters.',
    );
  }
  if (taken.includes(id)) {
    throw new DurableChatError(
      'config',
      '`generateId` returned the id of another message of the session. It must return a new id each time.',
    );
  }
  return id;
}
