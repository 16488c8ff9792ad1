// Distinguishes the lists that the app sets from those that this library sets.

import type { AbstractChat, UIMessage } from 'ai';

type SetMessages<M extends UIMessage> = (messages: M[]) => void;

const own = new WeakMap<object, unknown>();

/** Sets the chat's list for the library itself. */
export function setOwnMessages<M extends UIMessage>(chat: AbstractChat<M>, messages: M[]): void {
  const set = own.get(chat) as SetMessages<M> | undefined; // stored below, for this chat
  if (set) set(messages);
  else chat.messages = messages;
}

/** Calls `onSet` with the old and the new list whenever the app sets one. The returned function ends this. */
export function watchMessages<M extends UIMessage>(
  chat: AbstractChat<M>,
  onSet: (before: readonly M[], messages: readonly M[]) => void,
): () => void {
  let holder: object | null = chat;
  let accessor: PropertyDescriptor | undefined;
  while (holder && !accessor) {
    accessor = Object.getOwnPropertyDescriptor(holder, 'messages');
    holder = Object.getPrototypeOf(holder) as object | null;
  }
  const { get, set } = accessor ?? {};
  if (!get || !set) return () => {};
  const read = () => get.call(chat) as M[]; // the SDK's own accessor
  const write: SetMessages<M> = (messages) => set.call(chat, messages);
  own.set(chat, write);
  Object.defineProperty(chat, 'messages', {
    configurable: true,
    enumerable: false,
    get: read,
    set: (messages: M[]) => {
      onSet(read(), messages);
      write(messages);
    },
  });
  return () => {
    own.delete(chat);
    Reflect.deleteProperty(chat, 'messages');
  };
}
