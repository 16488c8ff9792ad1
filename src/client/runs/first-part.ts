// When an answer begins to be shown: with its first part or its metadata. A server names the message in the first chunk,
// and the SDK's chat would show an empty message from then on, and remove it again if nothing follows.

import type { UIMessageChunk } from 'ai';

/**
 * Takes a run's chunks one by one and gives those to be read now: `start` and `start-step` wait for the first chunk
 * that shows something. What shows nothing is not kept.
 */
export function fromFirstPart(): (chunk: UIMessageChunk) => readonly UIMessageChunk[] {
  const kept: UIMessageChunk[] = [];
  let begun = false;
  return (chunk) => {
    if (begun || isSilent(chunk)) return [chunk];
    kept.push(chunk);
    if (isOpening(chunk)) return [];
    begun = true;
    return kept;
  };
}

/** Whether the chunk changes nothing that is shown. */
function isSilent(chunk: UIMessageChunk): boolean {
  if (chunk.type === 'finish') return chunk.messageMetadata === undefined;
  if (chunk.type === 'error' || chunk.type === 'abort' || chunk.type === 'finish-step') return true;
  return 'transient' in chunk && chunk.transient;
}

/** Whether the chunk opens what later ones fill. */
function isOpening(chunk: UIMessageChunk): boolean {
  return chunk.type === 'start-step' || (chunk.type === 'start' && chunk.messageMetadata === undefined);
}
