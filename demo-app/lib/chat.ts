// The one place that says which hook the demo runs on, and what the page itself does for the model.
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

/** A fixed place: the demo shows where a tool runs, and needs nobody's real position for that. */
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
