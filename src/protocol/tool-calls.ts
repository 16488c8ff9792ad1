// Tool calls in messages: the outcomes that clients give them, and which of them wait for a client.

import type { UIMessage } from 'ai';
import type { ToolOutcome } from './frames.ts';
import type { SessionState } from './session-state.ts';

type Part = UIMessage['parts'][number];

/** A tool part, with the fields that outcomes concern. */
export interface ToolPart {
  readonly toolCallId: string;
  readonly state: string;
  readonly approval?: { readonly id: string; readonly approved?: boolean };
}

/** The message's tool parts. */
export function toolPartsOf(message: UIMessage): ToolPart[] {
  return message.parts.flatMap((part) => toolOf(part) ?? []);
}

function toolOf(part: Part): (ToolPart & Record<string, unknown>) | undefined {
  return 'toolCallId' in part && 'state' in part ? part : undefined;
}

/** A call has at most one approval and one output. */
export function kindOf({ state }: ToolOutcome): 'approval' | 'output' {
  return state === 'approval-responded' ? 'approval' : 'output';
}

interface CallOutcome {
  readonly messageId: string;
  readonly toolCallId: string;
  readonly outcome: ToolOutcome;
}

/** Whether two outcomes are of one kind, and of one call. */
export function areOfSameCall(one: CallOutcome, other: CallOutcome): boolean {
  const isSame = one.messageId === other.messageId && one.toolCallId === other.toolCallId;
  return isSame && kindOf(one.outcome) === kindOf(other.outcome);
}

/** Whether the call waits for an outcome of this kind. */
export function waitsFor({ state }: ToolPart, outcome: ToolOutcome): boolean {
  return state === (kindOf(outcome) === 'approval' ? 'approval-requested' : 'input-available');
}

/** The message with the outcome in place; the same object if none of its calls waits for the outcome. */
export function withOutcome(message: UIMessage, toolCallId: string, outcome: ToolOutcome): UIMessage {
  let applied = false;
  const parts = message.parts.map((part) => {
    const tool = toolOf(part);
    if (tool?.toolCallId !== toolCallId || !waitsFor(tool, outcome)) return part;
    applied = true;
    if (outcome.state !== 'approval-responded') return { ...part, ...outcome } as Part; // the same call, done
    const { state, approved, reason } = outcome;
    const approval = { ...tool.approval, approved, ...(reason !== undefined && { reason }) };
    return { ...part, state, approval } as Part; // the same call, decided
  });
  return applied ? { ...message, parts } : message;
}

/** The message, in which each of the `closed` calls that has an output among the outcomes waits again. */
export function reopened(
  message: UIMessage,
  closed: readonly number[],
  outcomes: readonly { readonly toolCallId: string; readonly outcome: ToolOutcome }[],
): UIMessage {
  const ids = new Set(
    outcomes.flatMap(({ toolCallId, outcome }) => (kindOf(outcome) === 'output' ? [toolCallId] : [])),
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

/** The outcomes that a posted message has, by tool call. */
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
    // A client posted it, so the fields can have any type.
    const { approved, reason } = approval as { approved?: unknown; reason?: unknown };
    return [
      [toolCallId, { state, approved: approved === true, ...(typeof reason === 'string' && { reason }) }],
    ];
  });
}

/** A tool call that waits for a client to execute it. */
export interface WaitingCall {
  readonly messageId: string;
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input: unknown;
  readonly dynamic?: true;
}

/** The waiting calls of the last message. A call that the conversation has gone past does not wait any more. */
export function waitingCalls(state: SessionState): WaitingCall[] {
  const last = state.byId.get(state.order.at(-1) ?? '');
  return last?.role === 'assistant' && state.active.length === 0
    ? last.parts.flatMap((part) => waitingCall(last.id, part) ?? [])
    : [];
}

function waitingCall(messageId: string, part: Part): WaitingCall | undefined {
  if (!('toolCallId' in part) || part.state !== 'input-available' || part.providerExecuted) return undefined;
  const { toolCallId, input } = part;
  if (part.type === 'dynamic-tool')
    return { messageId, toolCallId, toolName: part.toolName, input, dynamic: true };
  return { messageId, toolCallId, toolName: part.type.slice('tool-'.length), input };
}

/** The name of a tool call among all of a session. A client claims the call under it. */
export function claimKey(messageId: string, toolCallId: string): string {
  return `${messageId} ${toolCallId}`;
}
