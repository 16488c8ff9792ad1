// A run's chunks as its final message: built by the SDK's own reader, and closed, so that the next turn
// converts to model messages whatever ended this one (G11).

import { readUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai';
import { compact } from '../../protocol/compact.ts';
import type { RunEndReason } from '../../protocol/frames.ts';

/**
 * The message that `chunks` build, on top of `base` when the run continues one. Undefined when there is
 * nothing to keep. A malformed chunk ends the reading; what was built before it is kept. Rejects where something is
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
      // Copies: the SDK keeps a data chunk as the part, and changes that in place.
      for (const chunk of compact(chunks)) controller.enqueue({ ...chunk });
      controller.close();
    },
  });
  const snapshots = readUIMessageStream({
    stream,
    ...(base && { message: structuredClone(base) }),
    // Reported to the viewers as a chunk already; here it only ends the reading.
    onError: (error) => {
      if (error instanceof RangeError) overflow = error;
    },
  });
  for await (const snapshot of snapshots) message = snapshot;
  if (overflow) throw overflow;
  // A step that has begun is nothing to show.
  const isEmpty = !message?.parts.some(({ type }) => type !== 'step-start');
  return isEmpty ? undefined : message;
}

/** Why a call will not be completed; `passed` when the conversation has gone on without it. */
type Closing = RunEndReason | 'passed';

const unfinished: Readonly<Record<Exclude<Closing, 'finish'>, string>> = {
  passed: 'The conversation went on before this tool call was complete.',
  stop: 'The run was stopped before this tool call was complete.',
  error: 'The run failed before this tool call was complete.',
  interrupted: 'The run was interrupted before this tool call was complete.',
};

type Part = UIMessage['parts'][number];

/** Text is done, and no tool call is left open unless somebody can still answer it. */
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
  // The same call in its error state; a call whose input never came has none.
  return { ...call, ...grantOf(part), state: 'output-error', input: part.input ?? {}, errorText } as Part;
}

/** Whether nobody will complete the call any more. A finished run leaves open what a person can still answer. */
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

/** Only a granted approval may stand beside an outcome. */
function grantOf(part: Extract<Part, { toolCallId: string }>): { approval?: unknown } {
  return { approval: part.approval?.approved === true ? part.approval : undefined };
}
