// useDurableChat's types are useChat's: checked by the compiler. And it renders on a server, where nothing runs.

import type { UseChatHelpers, UseChatOptions } from '@ai-sdk/react';
import { DefaultChatTransport, type ChatInit, type UIMessage } from 'ai';
import { renderToString } from 'react-dom/server';
import { expect, it, vi } from 'vitest';
import type { Connection, DurableSession, SessionRun, StopReceipt } from '../client.ts';
import { useDurableChat, type UseDurableChatHelpers, type UseDurableChatOptions } from './use-durable-chat.ts';

type Message = UIMessage<
  { model: string },
  { weather: { city: string; degrees: number } },
  { ask: { input: { question: string }; output: string } }
>;

/** What plain `useChat` takes without a Chat of its own, and its default transport's options. */
type PlainOptions<M extends UIMessage> = ChatInit<M> &
  Pick<UseChatOptions<M>, 'throttle' | 'experimental_throttle' | 'resume'> &
  NonNullable<ConstructorParameters<typeof DefaultChatTransport<M>>[0]>;

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Field<T, K extends PropertyKey> = K extends keyof T ? T[K] : 'missing';
/** The keys of `T` whose type is another one in `U`. */
type Differences<T, U> = { [K in keyof T]-?: Same<T[K], Field<U, K>> extends true ? never : K }[keyof T];

function holds<_T extends true>(): void {}
