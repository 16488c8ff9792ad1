// A message that does not fit into a request to the store is kept without its largest parts, because an end that cannot
// be stored would block its session forever. A text part replaces each of them, for the model, the screen and apps.

import type { TextUIPart, UIMessage } from 'ai';
import { isNestedOver, maxStoredBytes, requestBytes } from '../../protocol/size.ts';

/** The missing part, as `providerMetadata['durable-chat'].leftOut` of the text part in its place. */
interface LeftOut {
  /** The type of the part; `metadata` for the message's metadata, `parts` for all following parts. */
  readonly type: string;
  /** The size in the request; absent for a part that is nested too deeply. */
  readonly bytes?: number;
  readonly toolCallId?: string;
}

type Part = UIMessage['parts'][number];

/** The model chooses the name of a tool, which can be long. */
const maxNameLength = 100;

/** The message if it takes at most `limit` bytes in a request, else without its largest parts, as many as needed. */
export function withinLimit(message: UIMessage, limit: number = maxStoredBytes): UIMessage {
  const { metadata, ...rest } = message;
  // The commas between the parts count too.
  const sizes = message.parts.map((part) => requestBytes(part) + 1);
  const metadataSize = metadata === undefined ? 0 : requestBytes({ metadata });
  let left = limit - requestBytes({ ...rest, parts: [] }) - metadataSize;
  for (const size of sizes) left -= size;
  if (left >= 0) return message;

  const parts: Part[] = [...message.parts];
  let kept = metadata;
  /** Makes a text that replaces a part of `size` bytes, unless the text is larger. */
  const replace = (size: number, what: LeftOut): Part | undefined => {
    const standIn = standInFor(what);
    const saved = size - requestBytes(standIn) - 1;
    if (saved <= 0) return undefined;
    left += saved;
    return standIn;
  };
  const largest = [...sizes, metadataSize]
    .map((size, index) => ({ size, index }))
    .sort((a, b) => b.size - a.size);
  for (const { size, index } of largest) {
    if (left >= 0) break;
    const part = message.parts[index];
    const standIn = replace(size, part ? described(part, size) : { type: 'metadata', bytes: size });
    if (standIn && part) parts[index] = standIn;
    else if (standIn) {
      parts.push(standIn);
      kept = undefined;
    }
  }
  return {
    ...rest,
    ...(kept !== undefined && { metadata: kept }),
    parts: left >= 0 ? parts : firstOf(parts, left),
  };
}

/** The message without the parts that are nested too deeply. */
export function withoutNested({ metadata, ...message }: UIMessage): UIMessage {
  return {
    ...message,
    ...(metadata !== undefined && !isNestedOver(metadata) && { metadata }),
    parts: message.parts.map((part) => (isNestedOver(part) ? standInFor(described(part)) : part)),
  };
}

/** As many of the parts as fit, if all of them are small. */
function firstOf(parts: readonly Part[], missing: number): Part[] {
  let end = parts.length;
  let bytes = 0;
  const standIn = () => standInFor({ type: 'parts', bytes });
  while (end > 0 && bytes + missing < requestBytes(standIn()) + 1) bytes += requestBytes(parts[--end]) + 1;
  return [...parts.slice(0, end), standIn()];
}

function described(part: Part, bytes?: number): LeftOut {
  const type = part.type === 'dynamic-tool' ? `tool-${part.toolName}` : part.type;
  return {
    type: type.slice(0, maxNameLength),
    ...(bytes !== undefined && { bytes }),
    ...('toolCallId' in part && { toolCallId: part.toolCallId.slice(0, maxNameLength) }),
  };
}

function standInFor(leftOut: LeftOut): TextUIPart {
  const { type, bytes } = leftOut;
  return {
    type: 'text',
    text:
      bytes === undefined
        ? `[Left out: ${type}, nested too deeply to be stored.]`
        : `[Left out: ${type} of ${(bytes / 1_000_000).toFixed(1)} MB, too large to be stored.]`,
    state: 'done',
    providerMetadata: { 'durable-chat': { leftOut: { ...leftOut } } },
  };
}
