// durable-chat: the server, for any framework that speaks Request and Response.

import type { UIMessage } from 'ai';
import type { DurableChat } from './server/create.ts';
import type { Authorization, DurableChatOptions } from './server/options.ts';
import { createFromEnvironment } from './setup.ts';

/**
 * Durable sessions for AI SDK chat routes. Throws `DurableChatError` `config` when production lacks a store
 * or an `authorize`. `M` is the app's own message type and `A` what its `authorize` returns; both are inferred.
 */
export function createDurableChat<M extends UIMessage = UIMessage, A extends Authorization = Authorization>(
  options: DurableChatOptions<M, A> = {},
): DurableChat<M, A> {
  const { route, session } = createFromEnvironment(options);
  return { route, session };
}

export { memoryChannel, type MemoryChannelOptions } from './channel/memory.ts';
export type { Channel, Closure, LeaseChange, RunTail, Subscription, Wake } from './channel/channel.ts';
export { DurableChatError, type DurableChatErrorCode, type ErrorBody } from './protocol/errors.ts';
export { isDurableRequest } from './protocol/requests.ts';
export type * from './protocol/frames.ts';
export type { EntryCondition, EntryPage, LogEntry, NewEntry } from './protocol/entries.ts';
export type { RunStatus, SessionRun } from './protocol/session-state.ts';
export type { ToolAnswer } from './server/handle/answer-tool.ts';
export type { DurableChat } from './server/create.ts';
export type { DurableChatEvent, RunEvent } from './server/lib/events.ts';
export type {
  Action,
  AuthOf,
  Authorization,
  Authorize,
  AuthorizeInput,
  DurableChatOptions,
  Limits,
  OnStoreDown,
  RunEnd,
  Seed,
  StoredMessage,
  WhenBusy,
} from './server/options.ts';
export type { Handler, HandlerContext } from './server/handler.ts';
export type { RouteContext, Routes } from './server/http/routes.ts';
export type { StopReceipt } from './protocol/requests.ts';
export type { SessionHandle } from './server/handle/session-handle.ts';
export type { HandlerRun, Steered, Steering } from './server/run/steering.ts';
export type { ViewerFrame } from './server/follow/viewer.ts';
