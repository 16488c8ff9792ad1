// Tool calls that wait for a client to execute them: nobody writes their message any more, and they have no output.

import type { UIMessage } from 'ai';
import type { SessionState } from './session-state.ts';

export interface WaitingCall {
  readonly messageId: string;
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input: unknown;
  readonly dynamic?: true;
}

/** Those of the last message; a call that the conversation has gone past waits no more. */
export function waitingCalls(state: SessionState): WaitingCall[] {
  const last = state.byId.get(state.order.at(-1) ?? '');
  return last?.role === 'assistant' && state.active.length === 0
    ? last.parts.flatMap((part) => waitingCall(last.id, part) ?? [])
    : [];
}

function waitingCall(messageId: string, part: UIMessage['parts'][number]): WaitingCall | undefined {
  if (!('toolCallId' in part) || part.state !== 'input-available' || part.providerExecuted) return undefined;
  const { toolCallId, input } = part;
  if (part.type === 'dynamic-tool')
    return { messageId, toolCallId, toolName: part.toolName, input, dynamic: true };
  return { messageId, toolCallId, toolName: part.type.slice('tool-'.length), input };
}
