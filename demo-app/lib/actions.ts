// What a reader can do with a message. One object for the life of a chat, so that a message does not render
// again because the function behind one of its buttons is new.
'use client';

import { createContext, use, useRef, useState, type Context } from 'react';
import type { DemoChat } from './chat';

export interface Actions {
  /** Asks anew: what followed the message is gone. */
  edit: (messageId: string, text: string) => void;
  regenerate: (messageId: string) => void;
  /** Takes back what waits for its turn. */
  withdraw: (runId: string) => void;
  /** Says yes or no to a tool call; resolves when that has reached the server, or has not. */
  answer: (approvalId: string, approved: boolean) => Promise<void>;
}

export const ActionsContext: Context<Actions | undefined> = createContext<Actions | undefined>(undefined);

export function useActions(): Actions {
  const actions = use(ActionsContext);
  if (!actions) throw new Error('There are no actions outside of a chat.');
  return actions;
}

/** `onFailure` is told of what did not get through, but for what the chat reports itself. */
export function useChatActions(
  chat: DemoChat,
  onFailure: (error: unknown, action: keyof Actions) => void,
): Actions {
  const latest = useRef({ chat, onFailure });
  latest.current = { chat, onFailure };
  const [actions] = useState<Actions>(() => {
    const report = (action: keyof Actions) => (error: unknown) => latest.current.onFailure(error, action);
    return {
      edit: (messageId, text) =>
        void latest.current.chat.sendMessage({ text, messageId }).catch(report('edit')),
      regenerate: (messageId) =>
        void latest.current.chat.regenerate({ messageId }).catch(report('regenerate')),
      withdraw: (runId) => void latest.current.chat.session.withdraw({ runId }).catch(report('withdraw')),
      answer: async (id, approved) => latest.current.chat.addToolApprovalResponse({ id, approved }),
    };
  });
  return actions;
}
