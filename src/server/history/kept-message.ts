// The message that the end of a run stores. It must be storable, whatever the run emitted: an end that cannot be written
// would block its session forever.

import type { UIMessage, UIMessageChunk } from 'ai';
import type { RunEndFrame, RunEndReason } from '../../protocol/frames.ts';
import { isNestedOver } from '../../protocol/size.ts';
import { closeParts, foldMessage } from './final-message.ts';
import { withinLimit, withoutNested } from './left-out.ts';

/** The fields of a `run-end` about its message, see `RunEndFrame`. */
export type Kept = Pick<RunEndFrame, 'message' | 'closed'>;

/**
 * The message that `chunks` build on top of `base`, as far as it can be read and stored. No message if there is
 * nothing to keep. Never rejects.
 */
export async function keptMessage(
  chunks: readonly UIMessageChunk[],
  base: UIMessage | undefined,
  reason: RunEndReason,
): Promise<Kept> {
  try {
    return await fitting(chunks, base, reason);
  } catch {
    // Below.
  }
  try {
    // Without its outcome a call would seem to wait for one.
    const closing = reason === 'finish' ? 'interrupted' : reason;
    return await fitting(chunks.filter(isReadable), base && withoutNested(base), closing);
  } catch {
    // An existing message stays as it is.
    return {};
  }
}

async function fitting(
  chunks: readonly UIMessageChunk[],
  base: UIMessage | undefined,
  reason: RunEndReason,
): Promise<Kept> {
  const open = await foldMessage(chunks, base);
  if (!open) return {};
  const message = closeParts(open, reason);
  const closed = open.parts.flatMap((part, index) => {
    const waited = 'toolCallId' in part && part.state === 'input-available';
    return waited && message.parts[index] !== part ? [index] : [];
  });
  return { message: withinLimit(message), ...(closed.length > 0 && { closed }) };
}

/** A streamed input is text of unknown depth. The complete input is one chunk. */
function isReadable(chunk: UIMessageChunk): boolean {
  return chunk.type !== 'tool-input-delta' && !isNestedOver(chunk);
}
