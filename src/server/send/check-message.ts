// User messages are checked before the log takes them: one that the AI SDK cannot read would fail every later turn.

import { safeValidateUIMessages, type UIMessage } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import { namesFile } from '../lib/file-part.ts';
import type { Limits } from '../options.ts';

/** Checks the messages of a send that a known session takes: the last one, if it is the user's, and edited ones. */
export async function checkPosted(
  messages: readonly UIMessage[],
  edited: readonly UIMessage[] = [],
): Promise<void> {
  const last = messages.at(-1);
  if (last?.role === 'user') await checkMessage(last);
  for (const message of edited) await checkMessage(message);
}

/**
 * Throws `bad_request` for a message that the SDK's own validation refuses, or that has a file part without a file. It
 * says which part that is, and nothing of what is in it. The message stays as it was posted.
 */
export async function checkMessage(message: UIMessage): Promise<void> {
  const checked = await safeValidateUIMessages({ messages: [message] });
  if (!checked.success) {
    const { place, part } = placeOf(message, checked.error);
    // The SDK wants a string here, also beside a reference, which then counts alone.
    const lacksUrl = part?.type === 'file' && typeof part.url !== 'string';
    throw refused(
      lacksUrl
        ? `${place} is a file without a \`url\`. With a \`providerReference\`, the \`url\` can be the empty string`
        : `${place} is not valid for the AI SDK (validateUIMessages)`,
    );
  }
  message.parts.forEach((part, index) => {
    if (part.type !== 'file' || namesFile(part)) return;
    throw refused(
      `Part ${index} of a message is a file that needs a \`url\` that new URL() accepts, or a \`providerReference\``,
    );
  });
}

function refused(why: string): DurableChatError {
  return new DurableChatError('bad_request', `${why}. The send was not stored.`);
}

/** The part that the SDK's error is about. Its path goes on into what the client has named itself. */
function placeOf(
  { parts }: UIMessage,
  { cause }: Error,
): { readonly place: string; readonly part?: UIMessage['parts'][number] | undefined } {
  const { issues } = (cause ?? {}) as { issues?: readonly { readonly path?: readonly unknown[] }[] };
  const [, field, index] = issues?.[0]?.path ?? [];
  return field === 'parts' && typeof index === 'number'
    ? { place: `Part ${index} of a message`, part: parts[index] }
    : { place: 'A message' };
}

/** Throws `too_large` for a message over the limit. */
export function checkSize(message: UIMessage, { messageBytes }: Pick<Limits, 'messageBytes'>): void {
  if (messageBytes === Infinity || bytesOf(message) <= messageBytes) return;
  throw new DurableChatError(
    'too_large',
    `The message is over the limit of ${messageBytes} bytes (limits.messageBytes). Send a smaller one.`,
  );
}

function bytesOf(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).byteLength;
}
