// A finished message as the chunks that would build it: how a run that continues a message is replayed.

import type { UIMessage, UIMessageChunk } from 'ai';

type Part = UIMessage['parts'][number];

/** The chunks that rebuild `message`, `start` first and no `finish`. Unknown part types are left out. */
export function chunksOfMessage(message: UIMessage): UIMessageChunk[] {
  return [
    {
      type: 'start',
      messageId: message.id,
      ...(message.metadata !== undefined && { messageMetadata: message.metadata }),
    },
    ...message.parts.flatMap((part, index) => chunksOfPart(part, String(index))),
  ];
}

function chunksOfPart(part: Part, id: string): UIMessageChunk[] {
  switch (part.type) {
    case 'step-start':
      return [{ type: 'start-step' }];
    case 'text': {
      const { providerMetadata } = part;
      return [
        { type: 'text-start', id, ...(providerMetadata && { providerMetadata }) },
        { type: 'text-delta', id, delta: part.text },
        { type: 'text-end', id },
      ];
    }
    case 'reasoning': {
      const { providerMetadata } = part;
      return [
        { type: 'reasoning-start', id, ...(providerMetadata && { providerMetadata }) },
        { type: 'reasoning-delta', id, delta: part.text },
        { type: 'reasoning-end', id },
      ];
    }
    case 'source-url':
    case 'source-document':
    case 'file':
      // These parts and their chunks have the same fields.
      return [part];
    case 'dynamic-tool':
      return chunksOfTool(part, part.toolName, true);
    default:
      if (part.type.startsWith('data-')) return [part as UIMessageChunk]; // same fields
      if (part.type.startsWith('tool-')) {
        return chunksOfTool(part as unknown as ToolPart, part.type.slice('tool-'.length), false);
      }
      return [];
  }
}

/** The union of tool part states, read field by field. */
interface ToolPart {
  toolCallId: string;
  state: string;
  title?: string;
  input?: unknown;
  output?: unknown;
  errorText?: string;
  preliminary?: boolean;
  providerExecuted?: boolean;
  approval?: { id: string; approved?: boolean; reason?: string };
}

function chunksOfTool(part: ToolPart, toolName: string, dynamic: boolean): UIMessageChunk[] {
  const { toolCallId, providerExecuted, title } = part;
  const call = {
    toolCallId,
    toolName,
    ...(dynamic && { dynamic }),
    ...(providerExecuted !== undefined && { providerExecuted }),
    ...(title !== undefined && { title }),
  };
  if (part.state === 'input-streaming') return [{ type: 'tool-input-start', ...call }];

  const chunks: UIMessageChunk[] = [{ type: 'tool-input-available', ...call, input: part.input }];
  const { approval } = part;
  if (approval) {
    chunks.push({ type: 'tool-approval-request', approvalId: approval.id, toolCallId });
    if (approval.approved !== undefined) {
      chunks.push({
        type: 'tool-approval-response',
        approvalId: approval.id,
        approved: approval.approved,
        ...(approval.reason !== undefined && { reason: approval.reason }),
      });
    }
  }
  const outcome = { toolCallId, ...(providerExecuted !== undefined && { providerExecuted }) };
  switch (part.state) {
    case 'output-available':
      chunks.push({
        type: 'tool-output-available',
        ...outcome,
        output: part.output,
        ...(part.preliminary && { preliminary: true }),
      });
      break;
    case 'output-error':
      chunks.push({ type: 'tool-output-error', ...outcome, errorText: part.errorText ?? '' });
      break;
    case 'output-denied':
      chunks.push({ type: 'tool-output-denied', toolCallId });
      break;
  }
  return chunks;
}
