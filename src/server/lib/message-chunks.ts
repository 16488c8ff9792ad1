// A finished message as the chunks that build it. The replay of a run that continues a message begins with them.

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

function chunksOfPart(part: Part, index: string): UIMessageChunk[] {
  switch (part.type) {
    case 'step-start':
      return [{ type: 'start-step' }];
    case 'text': {
      const { text, state, citations, providerMetadata } = part;
      const end: UIMessageChunk = { type: 'text-end', id: index, ...(citations && { citations }) };
      return [
        { type: 'text-start', id: index, ...(providerMetadata && { providerMetadata }) },
        { type: 'text-delta', id: index, delta: text },
        ...(state === 'streaming' ? [] : [end]),
      ];
    }
    case 'reasoning': {
      const { id = index, text, state, providerMetadata } = part;
      return [
        { type: 'reasoning-start', id, ...(providerMetadata && { providerMetadata }) },
        { type: 'reasoning-delta', id, delta: text },
        ...(state === 'streaming' ? [] : [{ type: 'reasoning-end', id } as const]),
      ];
    }
    case 'source-url':
    case 'source-document':
    case 'file':
    case 'reasoning-file':
    case 'custom':
    case 'steering-message':
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

type Chunk<T extends UIMessageChunk['type']> = Extract<UIMessageChunk, { type: T }>;
type Metadata = NonNullable<Chunk<'text-start'>['providerMetadata']>;

/** The union of tool part states, read field by field. */
interface ToolPart {
  toolCallId: string;
  state: string;
  title?: string;
  input?: unknown;
  rawInput?: unknown;
  inputEncoding?: 'json' | 'text';
  output?: unknown;
  errorText?: string;
  preliminary?: boolean;
  providerExecuted?: boolean;
  toolMetadata?: NonNullable<Chunk<'tool-input-start'>['toolMetadata']>;
  callProviderMetadata?: Metadata;
  resultProviderMetadata?: Metadata;
  approval?: {
    id: string;
    approved?: boolean;
    reason?: string;
    requestReason?: string;
    descriptor?: unknown;
    inputSchemaInput?: unknown;
    isAutomatic?: boolean;
    signature?: string;
  };
}

function chunksOfTool(part: ToolPart, toolName: string, dynamic: boolean): UIMessageChunk[] {
  const { toolCallId, providerExecuted, title, toolMetadata, callProviderMetadata } = part;
  const call = {
    toolCallId,
    toolName,
    ...(dynamic && { dynamic }),
    ...(providerExecuted !== undefined && { providerExecuted }),
    ...(title !== undefined && { title }),
    ...(toolMetadata && { toolMetadata }),
    ...(callProviderMetadata && { providerMetadata: callProviderMetadata }),
  };
  if (part.state === 'input-streaming') {
    const { inputEncoding, rawInput } = part;
    return [
      { type: 'tool-input-start', ...call, ...(inputEncoding && { inputEncoding }) },
      ...(typeof rawInput === 'string'
        ? [{ type: 'tool-input-delta', toolCallId, inputTextDelta: rawInput } as const]
        : []),
    ];
  }
  return [
    { type: 'tool-input-available', ...call, input: part.input },
    ...chunksOfApproval(toolCallId, part.approval),
    ...chunksOfOutcome(part),
  ];
}

function chunksOfApproval(toolCallId: string, approval: ToolPart['approval']): UIMessageChunk[] {
  if (!approval) return [];
  const { id: approvalId, approved, reason, requestReason, descriptor, isAutomatic, signature } = approval;
  const request: UIMessageChunk = {
    type: 'tool-approval-request',
    approvalId,
    toolCallId,
    ...(requestReason !== undefined && { reason: requestReason }),
    ...(descriptor !== undefined && { approvalDescriptor: descriptor }),
    ...('inputSchemaInput' in approval && { inputSchemaInput: approval.inputSchemaInput }),
    ...(isAutomatic && { isAutomatic }),
    ...(signature !== undefined && { signature }),
  };
  if (approved === undefined) return [request];
  return [
    request,
    { type: 'tool-approval-response', approvalId, approved, ...(reason !== undefined && { reason }) },
  ];
}

function chunksOfOutcome(part: ToolPart): UIMessageChunk[] {
  const { toolCallId, state, output, errorText = '', preliminary, providerExecuted } = part;
  const outcome = {
    toolCallId,
    ...(providerExecuted !== undefined && { providerExecuted }),
    ...(part.resultProviderMetadata && { providerMetadata: part.resultProviderMetadata }),
  };
  switch (state) {
    case 'output-available':
      return [{ type: 'tool-output-available', ...outcome, output, ...(preliminary && { preliminary }) }];
    case 'output-error':
      return [{ type: 'tool-output-error', ...outcome, errorText }];
    case 'output-denied':
      return [{ type: 'tool-output-denied', toolCallId }];
    default:
      return [];
  }
}
