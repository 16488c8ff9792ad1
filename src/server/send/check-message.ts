// Checks user messages before the log takes them: a message that the AI SDK cannot read would make every later run fail.

import { safeValidateUIMessages, type UIMessage } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import { namesFile } from '../lib/file-part.ts';
import type { Limits } from '../options.ts';

/** Checks each of the messages. */
export async function checkMessages(messages: readonly UIMessage[]): Promise<void> {
  for (const message of messages) await checkMessage(message);
}

/**
 * Throws `bad_request` for a message that the SDK's validation refuses, or that has a file part without a file. The error
 * names the part, and nothing of its content. The message is not changed.
 */
export async function checkMessage(message: UIMessage): Promise<void> {
  const checked = await safeValidateUIMessages({ messages: [message] });
  if (!checked.success) {
    const { label, part } = labelOf(message, checked.error);
    // The SDK requires a string here, also with a reference, and then ignores it.
    const lacksUrl = part?.type === 'file' && typeof part.url !== 'string';
    throw refused(
      lacksUrl
        ? `${label} is a file without a \`url\`. With a \`providerReference\`, the \`url\` can be the empty string`
        : `${label} is not valid for the AI SDK (\`validateUIMessages\`)`,
    );
  }
  message.parts.forEach((part, index) => {
    if (part.type !== 'file' || namesFile(part)) return;
    throw refused(
      `Part ${index} of a message is a file that needs a \`url\` that \`new URL()\` accepts, or a \`providerReference\``,
    );
  });
}

function refused(why: string): DurableChatError {
  return new DurableChatError('bad_request', `${why}. The send was not stored.`);
}

/** The part that the SDK's error names. The rest of its path can contain names of the client. */
function labelOf(
  { parts }: UIMessage,
  { cause }: Error,
): { readonly label: string; readonly part?: UIMessage['parts'][number] | undefined } {
  const { issues } = (cause ?? {}) as { issues?: readonly { readonly path?: readonly unknown[] }[] };
  const [, field, index] = issues?.[0]?.path ?? [];
  return field === 'parts' && typeof index === 'number'
    ? { label: `Part ${index} of a message`, part: parts[index] }
    : { label: 'A message' };
}

/** Throws `too_large` for a message over the limit. */
export function checkSize(message: UIMessage, { messageBytes }: Pick<Limits, 'messageBytes'>): void {
  if (messageBytes === Infinity || bytesOf(message) <= messageBytes) return;
  throw new DurableChatError(
    'too_large',
    `The message is over the limit of ${messageBytes} bytes (\`limits.messageBytes\`). Send a smaller one.`,
  );
}

function bytesOf(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).byteLength;
}
