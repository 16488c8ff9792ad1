// The errors for refused sends.

import { DurableChatError } from '../../protocol/errors.ts';
import type { VoidReason } from '../../protocol/entries.ts';
import type { Limits } from '../options.ts';

/** The error for the sender of an entry that does not count. */
export function refusal(why: VoidReason, limits: Limits): DurableChatError {
  switch (why) {
    case 'epoch':
    case 'first':
      return conflict('The session was deleted at the same moment. Send the message again.');
    case 'over':
      return conflict('The run was ended before it could begin. Send the message again.');
    case 'idle':
      return conflict('The session is busy with another answer. Wait until it ends, or stop it.');
    case 'last':
      return passedError();
    case 'present':
      return goneError();
    case 'free':
      return conflict(
        'Another message with this id was sent at the same moment. Send this one under a new id.',
      );
    case 'messages':
      return fullError(limits);
    case 'runs':
      return crowdedError(limits);
    default:
      return why satisfies never;
  }
}

function conflict(message: string): DurableChatError {
  return new DurableChatError('conflict', message);
}

/** The error for a message whose id another message has. */
export function takenError(): DurableChatError {
  return conflict(
    'The session has a message with this id and other parts. To edit that message, name it in `messageId`.',
  );
}

/** For a continuation of a message that others follow. */
export function passedError(): DurableChatError {
  return conflict('The conversation has continued after that message. Send a new message instead.');
}

/** For an edit or a regeneration of a message that was removed. */
export function goneError(): DurableChatError {
  return conflict(
    'The message is no longer in the session: it was deleted, or an edit removed it. Send a new message instead.',
  );
}

/** For a new message with the id of a message of another role. */
export function roleError(): DurableChatError {
  return conflict('A message of another role has this id. Use a new id.');
}

/** A continued seeded message would mix the run's parts with the client's. */
export function suppliedError(): DurableChatError {
  return conflict('A client supplied that message, so it cannot be continued. Send a new message instead.');
}

/** For a regeneration without a message before it. */
export function unaskedError(): DurableChatError {
  return conflict(
    'The answer cannot be regenerated, because no message stands before it. Send a new message instead.',
  );
}

/** For a send over `limits.messagesPerSession`. */
export function fullError({ messagesPerSession }: Limits): DurableChatError {
  return new DurableChatError(
    'too_large',
    `The session is at its limit of ${messagesPerSession} messages (\`limits.messagesPerSession\`). Start a new session.`,
  );
}

function crowdedError({ activeRunsPerSession }: Limits): DurableChatError {
  return new DurableChatError(
    'too_many',
    `The session is at its limit of ${activeRunsPerSession} active runs (\`limits.activeRunsPerSession\`). Wait until one ends.`,
  );
}
