// A tab: a Chat without a framework on a session of its own.

import { AbstractChat, type ChatInit, type ChatState, type ChatStatus, type UIMessage } from 'ai';
import { bindChat, type BoundChat, type DurableChatInit } from '../client/durable-chat.ts';
import { DurableSession } from '../client/session.ts';
import type { Client } from './world.fixture.ts';

class PlainState implements ChatState<UIMessage> {
  status: ChatStatus = 'ready';
  error: Error | undefined = undefined;
  messages: UIMessage[];
  constructor(messages: UIMessage[] = []) {
    this.messages = messages;
  }
  pushMessage = (message: UIMessage): void => {
    this.messages = [...this.messages, message];
  };
  popMessage = (): void => {
    this.messages = this.messages.slice(0, -1);
  };
  replaceMessage = (index: number, message: UIMessage): void => {
    this.messages = this.messages.with(index, structuredClone(message));
  };
  snapshot = <T>(value: T): T => structuredClone(value);
}

export class PlainChat extends AbstractChat<UIMessage> {
  constructor({ messages, ...init }: ChatInit<UIMessage>) {
    super({ ...init, state: new PlainState(messages) });
  }
}

/** What useDurableChat has, without React. */
export interface Tab extends BoundChat<UIMessage, PlainChat> {
  readonly client: Client;
  close(): void;
}

export function openTab(
  client: Client,
  id: string,
  init: Omit<DurableChatInit<UIMessage>, 'id' | 'transport' | 'fetch'> = {},
  retryDelay: (attempt: number) => number = () => 5,
): Tab {
  const bound = bindChat<UIMessage, PlainChat>(
    id,
    () => ({ ...init, fetch: client.fetch }),
    (options) => new PlainChat(options),
    (options) => new DurableSession({ ...options, retryDelay, takeOverAfterMs: 300 }),
  );
  return { ...bound, client, close: bound.connect() };
}

export function textOf(message: UIMessage | undefined): string {
  return message?.parts.flatMap((part) => (part.type === 'text' ? part.text : [])).join('') ?? '';
}
