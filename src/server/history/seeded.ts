// Messages that a client supplied for a session that the store does not know. The server cannot verify them:
// viewers see them without open calls, and a handler reads only their text, their files, and their
// finished tool calls as text.

import type { UIMessage } from 'ai';
import { namesFile } from '../lib/file-part.ts';

type Part = UIMessage['parts'][number];

/** A part of a message that was not validated, and is read field by field. */
type Loose = { readonly type: string } & Readonly<Record<string, unknown>>;

/**
 * The message for the log: without calls that wait or were approved. Undefined if no part is
 * left, and for a system message.
 */
export function withoutOpenCalls(message: UIMessage): UIMessage | undefined {
  if (message.role === 'system') return undefined;
  const parts = message.parts.filter((part) => !isTool(part) || isFinished(part));
  const isEmpty = parts.every(({ type }) => type === 'step-start');
  if (isEmpty) return undefined;
  return parts.length === message.parts.length ? message : { ...message, parts };
}

/**
 * The message for a handler: its text and files, and its finished tool calls as text.
 * Undefined if it has none of these.
 */
export function asText({ id, role, parts }: UIMessage): UIMessage | undefined {
  const reduced = parts.flatMap((part) => reduce(part));
  return role === 'system' || reduced.length === 0 ? undefined : { id, role, parts: reduced };
}

function reduce(part: Loose): Part[] {
  if (part.type === 'text') return typeof part['text'] === 'string' ? [text(part['text'])] : [];
  if (part.type === 'file') return fileOf(part);
  if (isTool(part) && isFinished(part)) return [text(said(part))];
  return [];
}

function text(content: string): Part {
  return { type: 'text', text: content };
}

function fileOf({ mediaType, filename, url, providerReference }: Loose): Part[] {
  if (typeof mediaType !== 'string' || typeof url !== 'string' || !namesFile({ url, providerReference }))
    return [];
  const part = {
    type: 'file' as const,
    mediaType,
    url,
    ...(typeof filename === 'string' && { filename }),
    ...(providerReference !== undefined && { providerReference }),
  };
  return [part as Part]; // the content of a reference is defined by its provider
}

function isTool({ type }: Loose): boolean {
  return type.startsWith('tool-') || type === 'dynamic-tool';
}

function isFinished({ state, preliminary }: Loose): boolean {
  return (
    state === 'output-error' ||
    state === 'output-denied' ||
    (state === 'output-available' && preliminary !== true)
  );
}

/** A finished call as text that no provider takes for a call. */
function said(part: Loose): string {
  const name = part.type === 'dynamic-tool' ? part['toolName'] : part.type.slice('tool-'.length);
  const outcome =
    part['state'] === 'output-available'
      ? `returned ${JSON.stringify(part['output'])}`
      : part['state'] === 'output-denied'
        ? 'was not allowed'
        : `failed: ${JSON.stringify(part['errorText'])}`;
  return `[The tool ${JSON.stringify(name)}, called with ${JSON.stringify(part['input'])}, ${outcome}]`;
}
