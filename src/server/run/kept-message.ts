// The message that the end of a run stores, whatever the run emitted: an end that cannot be written would hold its
// session for ever.

import type { UIMessage, UIMessageChunk } from 'ai';
import type { RunEndReason } from '../../protocol/frames.ts';
import { isNestedOver } from '../../protocol/size.ts';
import { foldMessage } from './final-message.ts';
import { withinLimit, withoutNested } from './left-out.ts';

/**
 * The message that `chunks` build on top of `base`, as far as it can be read and stored. Undefined when there is
 * nothing to keep. Never rejects.
 */
export async function keptMessage(
  chunks: readonly UIMessageChunk[],
  base: UIMessage | undefined,
  reason: RunEndReason,
): Promise<UIMessage | undefined> {
  try {
    return await fitting(chunks, base, reason);
  } catch {
    // Below.
  }
  try {
    // Without its outcome a call would look as if it waited for one.
    const closing = reason === 'finish' ? 'interrupted' : reason;
    return await fitting(chunks.filter(isReadable), base && withoutNested(base), closing);
  } catch {
    // A message that there was stays as it is.
    return undefined;
  }
}

async function fitting(...folding: Parameters<typeof foldMessage>): Promise<UIMessage | undefined> {
  const message = await foldMessage(...folding);
  return message && withinLimit(message);
}

/** An input that streams in is text, of which nobody knows how deep it goes; whole, it comes as one chunk. */
function isReadable(chunk: UIMessageChunk): boolean {
  return chunk.type !== 'tool-input-delta' && !isNestedOver(chunk);
}
