// The demo's hook, and the tool that the page itself executes.
'use client';

import {
  lastAssistantMessageIsCompleteWithApprovalResponses,
  lastAssistantMessageIsCompleteWithToolCalls,
} from 'ai';
import { useDurableChat, type UseDurableChatHelpers } from 'durable-chat/react';
import type { DemoMessage } from './tools';

export type { Connection, SessionRun } from 'durable-chat/client';
export type { DemoMessage } from './tools';

export type DemoChat = UseDurableChatHelpers<DemoMessage>;

/** A fixed place: the demo needs no real position to show where a tool runs. */
const HERE = { city: 'Lisbon' };

export function useDemoChat(id: string, onError: (error: Error) => void): DemoChat {
  const chat: DemoChat = useDurableChat<DemoMessage>({
    id,
    throttle: 32,
    onError,
    onToolCall({ toolCall }) {
      if (toolCall.dynamic || toolCall.toolName !== 'location') return;
      void chat.addToolOutput({ tool: 'location', toolCallId: toolCall.toolCallId, output: HERE });
    },
    sendAutomaticallyWhen: (event) =>
      lastAssistantMessageIsCompleteWithToolCalls(event) ||
      lastAssistantMessageIsCompleteWithApprovalResponses(event),
  });
  return chat;
}
