// A run's chunks as its final message. The SDK's reader builds it, and open parts are closed, so that the next run
// converts to model messages however this one ended (G11).

import { readUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai';
import { compact } from '../../protocol/compact.ts';
import type { RunEndReason } from '../../protocol/frames.ts';

/**
 * The message that `chunks` build, on top of `base` if the run continues a message. Undefined if there is
 * nothing to keep. A malformed chunk ends the message, and the part before it is kept. Rejects if a value is
 * nested too deeply to be read.
 */
export async function foldMessage(
  chunks: readonly UIMessageChunk[],
  base: UIMessage | undefined,
): Promise<UIMessage | undefined> {
  let message = base;
  let overflow: RangeError | undefined;
  const stream = new ReadableStream<UIMessageChunk>({
    start(controller) {
      // Copies, because the SDK keeps a data chunk as the part and changes it in place.
      for (const chunk of compact(chunks)) controller.enqueue({ ...chunk });
      controller.close();
    },
  });
  const snapshots = readUIMessageStream({
    stream,
    ...(base && { message: structuredClone(base) }),
    // Viewers already have the error as a chunk. Here it only ends the message.
    onError: (error) => {
      if (error instanceof RangeError) overflow = error;
    },
  });
  for await (const snapshot of snapshots) message = snapshot;
  if (overflow) throw overflow;
  // A step that has only begun shows nothing.
  const isEmpty = !message?.parts.some(({ type }) => type !== 'step-start');
  return isEmpty ? undefined : message;
}

/** Why a call will not be completed. `passed`: later messages follow it. */
type Closing = RunEndReason | 'passed';

const unfinished: Readonly<Record<Exclude<Closing, 'finish'>, string>> = {
  passed: 'The conversation went on before this tool call was complete.',
  stop: 'The run was stopped before this tool call was complete.',
  error: 'The run failed before this tool call was complete.',
  interrupted: 'The run was interrupted before this tool call was complete.',
};

type Part = UIMessage['parts'][number];

/** Closes text parts, and tool calls that no client can complete any more. */
export function closeParts(message: UIMessage, reason: Closing): UIMessage {
  return { ...message, parts: message.parts.map((part) => closePart(part, reason)) };
}

function closePart(part: Part, reason: Closing): Part {
  if (part.type === 'text' || part.type === 'reasoning') {
    return part.state === 'streaming' ? { ...part, state: 'done' } : part;
  }
  if (!('toolCallId' in part)) return part;
  if (!isOpen(part, reason)) return part;
  const {
    rawInput: _raw,
    inputEncoding: _encoding,
    preliminary: _preliminary,
    output: _output,
    ...call
  } = part as typeof part & Record<'rawInput' | 'inputEncoding' | 'preliminary' | 'output', unknown>;
  const errorText = unfinished[reason === 'finish' ? 'interrupted' : reason];
  // The same call in its error state, without an input if none came.
  return { ...call, ...grantOf(part), state: 'output-error', input: part.input ?? {}, errorText } as Part;
}

/** Whether the call can no longer be completed. A finished run keeps calls open that a client can still complete. */
function isOpen(part: Extract<Part, { toolCallId: string }>, reason: Closing): boolean {
  switch (part.state) {
    case 'input-streaming':
      return true;
    case 'output-available':
      return part.preliminary === true;
    case 'input-available':
      return reason !== 'finish';
    case 'approval-requested':
    case 'approval-responded':
      return reason !== 'finish';
    default:
      return false;
  }
}

/** Only a granted approval may be kept with an outcome. */
function grantOf(part: Extract<Part, { toolCallId: string }>): { approval?: unknown } {
  return { approval: part.approval?.approved === true ? part.approval : undefined };
}
