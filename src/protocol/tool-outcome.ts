// What somebody answers to a tool call that waits for it. The first answer counts.

import type { UIMessage } from 'ai';

export type ToolOutcome =
  | { readonly state: 'output-available'; readonly output: unknown }
  | { readonly state: 'output-error'; readonly errorText: string }
  | { readonly state: 'approval-responded'; readonly approved: boolean; readonly reason?: string };

type Part = UIMessage['parts'][number];

/** A tool part, read as far as outcomes go. */
export interface ToolPart {
  readonly toolCallId: string;
  readonly state: string;
  readonly approval?: { readonly id: string; readonly approved?: boolean };
}

/** A message's tool parts. */
export function toolPartsOf(message: UIMessage): ToolPart[] {
  return message.parts.flatMap((part) => toolOf(part) ?? []);
}

function toolOf(part: Part): (ToolPart & Record<string, unknown>) | undefined {
  return 'toolCallId' in part && 'state' in part ? part : undefined;
}

/** A call is approved once, and has an output once. */
export function kindOf({ state }: ToolOutcome): 'approval' | 'output' {
  return state === 'approval-responded' ? 'approval' : 'output';
}

interface Answer {
  readonly messageId: string;
  readonly toolCallId: string;
  readonly outcome: ToolOutcome;
}

/** Whether two answers are of one kind, and of one call. */
export function answersSameCall(one: Answer, other: Answer): boolean {
  const isSame = one.messageId === other.messageId && one.toolCallId === other.toolCallId;
  return isSame && kindOf(one.outcome) === kindOf(other.outcome);
}

/** Whether the call waits for an outcome of this kind. */
export function waitsFor({ state }: ToolPart, outcome: ToolOutcome): boolean {
  return state === (kindOf(outcome) === 'approval' ? 'approval-requested' : 'input-available');
}

/** `message` with the outcome in place; the same object when none of its calls waits for it. */
export function withOutcome(message: UIMessage, toolCallId: string, outcome: ToolOutcome): UIMessage {
  let applied = false;
  const parts = message.parts.map((part) => {
    const tool = toolOf(part);
    if (tool?.toolCallId !== toolCallId || !waitsFor(tool, outcome)) return part;
    applied = true;
    if (outcome.state !== 'approval-responded') return { ...part, ...outcome } as Part; // the same call, done
    const { state, approved, reason } = outcome;
    const approval = { ...tool.approval, approved, ...(reason !== undefined && { reason }) };
    return { ...part, state, approval } as Part; // the same call, answered
  });
  return applied ? { ...message, parts } : message;
}

/** `message`, in which those of the `closed` calls wait again that one of the outcomes has an output for. */
export function reopened(
  message: UIMessage,
  closed: readonly number[],
  outcomes: readonly { readonly toolCallId: string; readonly outcome: ToolOutcome }[],
): UIMessage {
  const ids = new Set(
    outcomes.flatMap(({ toolCallId, outcome: { state } }) =>
      state === 'approval-responded' ? [] : [toolCallId],
    ),
  );
  if (ids.size === 0 || closed.length === 0) return message;
  const indices = new Set(closed);
  const parts = message.parts.map((part, index) => {
    const tool = indices.has(index) ? toolOf(part) : undefined;
    if (tool?.state !== 'output-error' || !ids.has(tool.toolCallId)) return part;
    const { errorText: _, ...call } = tool;
    return { ...call, state: 'input-available' } as unknown as Part; // as it was before the end
  });
  return { ...message, parts };
}

/** The outcomes that a posted message holds, by tool call: what a client may say of it. */
export function outcomesOf(message: UIMessage): [toolCallId: string, outcome: ToolOutcome][] {
  return message.parts.flatMap((part): [string, ToolOutcome][] => {
    const tool = toolOf(part);
    if (!tool) return [];
    const { toolCallId, state, approval } = tool;
    if (state === 'output-available') return [[toolCallId, { state, output: tool['output'] }]];
    if (state === 'output-error') {
      const errorText = tool['errorText'];
      return [[toolCallId, { state, errorText: typeof errorText === 'string' ? errorText : '' }]];
    }
    if (state !== 'approval-responded' || !approval) return [];
    const { approved, reason } = approval as { approved?: unknown; reason?: unknown };
    return [
      [toolCallId, { state, approved: approved === true, ...(typeof reason === 'string' && { reason }) }],
    ];
  });
}
