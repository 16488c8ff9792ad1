// A tab: a Chat without a framework on a session of its own.

import { AbstractChat, type ChatInit, type ChatState, type ChatStatus, type UIMessage } from 'ai';
import { DurableSession } from '../client/session.ts';
import { syncChat } from '../client/sync.ts';
import { DurableChatTransport } from '../client/transport.ts';
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

export interface Tab {
  readonly chat: PlainChat;
  readonly session: DurableSession;
  readonly client: Client;
  /** As useDurableChat's. */
  stop(): ReturnType<DurableSession['stop']>;
  close(): void;
}

export function openTab(
  client: Client,
  id: string,
  init: Omit<ChatInit<UIMessage>, 'id' | 'transport'> = {},
): Tab {
  const session = new DurableSession({ id, fetch: client.fetch, retryDelay: () => 5 });
  const chat = new PlainChat({ ...init, id, transport: new DurableChatTransport({ session }) });
  const close = syncChat(chat, session);
  return {
    chat,
    session,
    client,
    close,
    async stop() {
      const [receipt] = await Promise.all([session.stop(), chat.stop()]);
      return receipt;
    },
  };
}

export function textOf(message: UIMessage | undefined): string {
  return message?.parts.flatMap((part) => (part.type === 'text' ? part.text : [])).join('') ?? '';
}
