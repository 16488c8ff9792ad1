// The SDK's own functions of a bound chat. They act in this tab only. The bound functions, which components call, act
// on the session.

import type { AbstractChat, UIMessage } from 'ai';

type Functions<M extends UIMessage> = Pick<
  AbstractChat<M>,
  'stop' | 'regenerate' | 'addToolOutput' | 'addToolApprovalResponse'
>;

const owns = new WeakMap<object, unknown>();

/** The SDK's own functions, of a bound or an unbound chat. */
export function ownFunctions<M extends UIMessage>(chat: AbstractChat<M>): Functions<M> {
  return (owns.get(chat) as Functions<M> | undefined) ?? chat; // stored below, for this chat
}

/** Replaces functions of `chat` by those of `bound`. */
export function bindFunctions<M extends UIMessage>(chat: AbstractChat<M>, bound: Functions<M>): void {
  const { stop, regenerate, addToolOutput, addToolApprovalResponse } = chat;
  owns.set(chat, { stop, regenerate, addToolOutput, addToolApprovalResponse } satisfies Functions<M>);
  Object.assign(chat, bound, {
    addToolResult: bound.addToolOutput,
    // Disposing a chat is not a stop (G2). The older SDK has no such function.
    ...('dispose' in chat && { dispose: stop }),
  });
}
