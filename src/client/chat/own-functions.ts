// What the SDK made of a bound chat's functions. They act in this tab only: the bound ones, which components call, act
// on the session.

import type { AbstractChat, UIMessage } from 'ai';

type Functions<M extends UIMessage> = Pick<
  AbstractChat<M>,
  'stop' | 'addToolOutput' | 'addToolApprovalResponse'
>;

const owns = new WeakMap<object, unknown>();

/** The functions as the SDK made them, whether or not the chat is bound. */
export function ownFunctions<M extends UIMessage>(chat: AbstractChat<M>): Functions<M> {
  return (owns.get(chat) as Functions<M> | undefined) ?? chat; // kept below, for this chat
}

/** From now on `chat` has the functions of `bound`. */
export function bindFunctions<M extends UIMessage>(chat: AbstractChat<M>, bound: Functions<M>): void {
  const { stop, addToolOutput, addToolApprovalResponse } = chat;
  owns.set(chat, { stop, addToolOutput, addToolApprovalResponse } satisfies Functions<M>);
  Object.assign(chat, bound, {
    addToolResult: bound.addToolOutput,
    // To let go of a chat is no stop (G2). The older SDK has no such function.
    ...('dispose' in chat && { dispose: stop }),
  });
}
