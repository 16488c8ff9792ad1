// The types of useDurableChat are those of useChat, which the compiler checks. The hook renders on a server.

import { useChat, type UseChatHelpers, type UseChatOptions } from '@ai-sdk/react';
import type { ChatInit, HttpChatTransportInitOptions, UIMessage } from 'ai';
import { renderToString } from 'react-dom/server';
import { expect, it, vi } from 'vitest';
import type {
  Connection,
  DurableSession,
  EndedRun,
  SessionRun,
  StopReceipt,
  UnsentMessage,
} from '../client.ts';
import {
  useDurableChat,
  type UseDurableChatHelpers,
  type UseDurableChatOptions,
} from './use-durable-chat.ts';

type Custom = UIMessage<
  { model: string },
  { weather: { city: string; degrees: number } },
  { ask: { input: { question: string }; output: string } }
>;

/** The options of `useChat` when it makes its own Chat, and those of its default transport. */
type PlainOptions<M extends UIMessage> = ChatInit<M> &
  Omit<Extract<UseChatOptions<M>, ChatInit<M>>, 'chat'> &
  HttpChatTransportInitOptions<M>;

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** The keys of `T` that `U` lacks, or has with another type. */
type Differences<T, U> = {
  [K in keyof T]-?: K extends keyof U ? (Same<T[K], U[K]> extends true ? never : K) : K;
}[keyof T];

/** Compiles only when both differences are none, for the default message type and for a custom one. */
function same<_Default extends never, _Custom extends never>(): void {}

it('takes every option of useChat and of its default transport, and outbox', () => {
  type Missing<M extends UIMessage> = Differences<PlainOptions<M>, UseDurableChatOptions<M>>;
  same<Missing<UIMessage>, Missing<Custom>>();
  same<
    Exclude<Differences<UseDurableChatOptions<UIMessage>, PlainOptions<UIMessage>>, 'outbox'>,
    Exclude<Differences<UseDurableChatOptions<Custom>, PlainOptions<Custom>>, 'outbox'>
  >();
});

it('returns every field of useChat, and connection, runs, unsent, ended, session and a stop with a receipt', () => {
  interface Own {
    readonly stop: (() => Promise<StopReceipt>) & (() => Promise<void>);
    readonly connection: Connection;
    readonly runs: readonly SessionRun[];
    readonly unsent: readonly UnsentMessage[];
    readonly ended: ReadonlyMap<string, EndedRun>;
    readonly session: DurableSession;
  }
  type Expected<M extends UIMessage> = Omit<UseChatHelpers<M>, 'stop'> & Own;
  type Missing<M extends UIMessage> = Differences<Expected<M>, UseDurableChatHelpers<M>>;
  type Extra<M extends UIMessage> = Differences<UseDurableChatHelpers<M>, Expected<M>>;
  same<Missing<UIMessage>, Missing<Custom>>();
  same<Extra<UIMessage>, Extra<Custom>>();
  // It can be passed as the result of useChat.
  const give = (helpers: UseDurableChatHelpers<Custom>): UseChatHelpers<Custom> => helpers;
  expect(give).toBeTypeOf('function');
});

it('knows the metadata, data parts and tools of a custom message', () => {
  function View() {
    const { messages, addToolOutput, sendMessage } = useDurableChat<Custom>({
      id: 'typed',
      messages: [{ id: 'a', role: 'assistant', metadata: { model: 'm' }, parts: [] }],
      onData: (part) => part.data.degrees.toFixed(),
      onFinish: ({ message }) => message.metadata?.model.length,
      onToolCall: ({ toolCall }) => {
        if (toolCall.dynamic) return;
        void addToolOutput({ tool: 'ask', toolCallId: toolCall.toolCallId, output: toolCall.input.question });
        // @ts-expect-error not a tool of the message type
        void addToolOutput({ tool: 'tell', toolCallId: toolCall.toolCallId, output: '' });
      },
      prepareSendMessagesRequest: ({ messages }) => ({ body: { model: messages[0]?.metadata?.model } }),
    });
    // @ts-expect-error not the metadata of the message type
    const send = () => sendMessage({ text: 'hello', metadata: { model: 5 } });
    return <button onClick={() => void send()}>{messages[0]?.metadata?.model}</button>;
  }
  expect(renderToString(<View />)).toContain('>m<');
});

it('renders on a server, without a request and without a timer', async () => {
  expect(typeof window).toBe('undefined');
  const request = vi.spyOn(globalThis, 'fetch');
  const timers = vi.spyOn(globalThis, 'setTimeout');
  function View({ id }: { id?: string }) {
    const chat = useDurableChat({ ...(id !== undefined && { id }), messages: [message] });
    return (
      <p title={chat.connection}>
        {chat.messages.length} {chat.status} {chat.runs.length}
      </p>
    );
  }
  const message: UIMessage = { id: 'u', role: 'user', parts: [{ type: 'text', text: 'hello' }] };
  for (const view of [<View key="named" id="s" />, <View key="unnamed" />]) {
    expect(renderToString(view)).toMatch(/title="connecting">1.*ready.*0</);
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(request).not.toHaveBeenCalled();
  expect(timers).not.toHaveBeenCalled();
  vi.restoreAllMocks();
});

it('reads no random value during a render, so that a prerendered page is the same each time', () => {
  const reads = vi.spyOn(Math, 'random');
  const others = [vi.spyOn(crypto, 'randomUUID'), vi.spyOn(crypto, 'getRandomValues')];
  const readBy = (use: () => unknown) => {
    reads.mockClear();
    renderToString(<Using use={use} />);
    return reads.mock.calls.length;
  };
  expect(readBy(() => useDurableChat({ id: 's' }))).toBe(0);
  expect(readBy(() => ({ ...useDurableChat({ id: 's' }) }))).toBe(0);
  // `ai` 6 makes an id at once, 7 when the id is read.
  expect(readBy(() => useDurableChat())).toBe(readBy(() => useChat()));
  // Checks that the test would detect a random value.
  expect(readBy(() => useDurableChat().id)).toBeGreaterThan(0);
  for (const other of others) expect(other).not.toHaveBeenCalled();
  vi.restoreAllMocks();
});

it('without an id, the chat and its session get the same id', () => {
  function View() {
    const chat = useDurableChat({ generateId: () => crypto.randomUUID() });
    return [chat.session.id, chat.id, chat.session.id].join(' ');
  }
  const ids = renderToString(<View />).split(' ');
  expect(ids[0]).toMatch(/^[-\w]{36}$/);
  expect(ids).toEqual([ids[0], ids[0], ids[0]]);
});

function Using({ use }: { use: () => unknown }) {
  use();
  return null;
}
