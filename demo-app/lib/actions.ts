// The actions of a reader on a message. They are one object for the life of a chat, so that no message renders again
// only because a function is new.
'use client';

import { createContext, use, useRef, useState, type Context } from 'react';
import type { DemoChat, DemoMessage } from './chat';

export interface Actions {
  /** Replaces the message and removes what followed it. */
  edit: (messageId: string, text: string) => void;
  regenerate: (messageId: string) => void;
  /** Sends a refused message once more, at the end of the chat. */
  sendAgain: (message: DemoMessage) => void;
  /** Removes a refused message. */
  remove: (messageId: string) => void;
  /** Takes back a message that waits for its turn. */
  withdraw: (runId: string) => void;
  /** Approves or denies a tool call. Resolves when the server has answered, or the request has failed. */
  answer: (approvalId: string, approved: boolean) => Promise<void>;
}

export const ActionsContext: Context<Actions | undefined> = createContext<Actions | undefined>(undefined);

export function useActions(): Actions {
  const actions = use(ActionsContext);
  if (!actions) throw new Error('useActions needs an ActionsContext above it.');
  return actions;
}

/** `onFailure` is called with errors that the chat itself does not report. */
export function useChatActions(
  chat: DemoChat,
  onFailure: (error: unknown, action: keyof Actions) => void,
): Actions {
  const latest = useRef({ chat, onFailure });
  latest.current = { chat, onFailure };
  const [actions] = useState<Actions>(() => {
    const report = (action: keyof Actions) => (error: unknown) => latest.current.onFailure(error, action);
    const remove = (messageId: string) => {
      latest.current.chat.clearError();
      return latest.current.chat.session.deleteMessage(messageId);
    };
    return {
      edit: (messageId, text) =>
        void latest.current.chat.sendMessage({ text, messageId }).catch(report('edit')),
      regenerate: (messageId) =>
        void latest.current.chat.regenerate({ messageId }).catch(report('regenerate')),
      sendAgain: ({ id, parts }) =>
        void remove(id)
          .then(() => latest.current.chat.sendMessage({ parts }))
          .catch(report('sendAgain')),
      remove: (messageId) => void remove(messageId).catch(report('remove')),
      withdraw: (runId) => void latest.current.chat.session.withdraw({ runId }).catch(report('withdraw')),
      answer: async (id, approved) => latest.current.chat.addToolApprovalResponse({ id, approved }),
    };
  });
  return actions;
}
