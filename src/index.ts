// durable-chat: the server, for any framework that uses Request and Response.

import type { UIMessage } from 'ai';
import type { DurableChat } from './server/create.ts';
import type { Authorization, DurableChatOptions } from './server/options.ts';
import { createFromEnvironment } from './setup.ts';

/**
 * Makes AI SDK chat routes durable. `M` is the app's message type and `A` the result of its `authorize`; both are inferred.
 *
 * @param options Every option has a default, except `authorize` in production.
 * @returns `route(handler)` wraps a chat route, and `session(id)` is for your own server code.
 * @throws DurableChatError `config` if an option is invalid, or if production has no store or no `authorize`.
 *
 * @example
 * ```ts
 * const durable = createDurableChat({ authorize: ({ request }) => userOf(request) });
 * export const { GET, POST, DELETE } = durable.route(async (request) => {
 *   const { messages } = await request.json();
 *   return streamText({ model, messages: await convertToModelMessages(messages), abortSignal: request.signal });
 * });
 * ```
 */
export function createDurableChat<M extends UIMessage = UIMessage, A extends Authorization = Authorization>(
  options: DurableChatOptions<M, A> = {},
): DurableChat<M, A> {
  const { route, session } = createFromEnvironment(options);
  return { route, session };
}

export { memoryChannel, type MemoryChannelOptions } from './channel/memory.ts';
export type { Channel, LeaseChange, RunTail, Subscription, Wake } from './channel/channel.ts';
export { DurableChatError, type DurableChatErrorCode, type ErrorBody } from './protocol/errors.ts';
export { isDurableRequest } from './protocol/requests.ts';
export type * from './protocol/frames.ts';
export type { EntryCondition, EntryPage, LogEntry, NewEntry } from './protocol/entries.ts';
export type { RunStatus, SessionRun } from './protocol/session-state.ts';
export type { ToolOutcomeOptions } from './server/handle/tool-outcome.ts';
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
