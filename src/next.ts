// durable-chat/next: an App Router route. Only this file imports `next`.

import type { UIMessage } from 'ai';
import { after, NextRequest } from 'next/server.js';
import type { Handler } from './server/handler.ts';
import type { Authorization, DurableChatOptions } from './server/options.ts';
import type { DurableChat } from './server/create.ts';
import type { Routes } from './server/http/routes.ts';
import { createFromEnvironment } from './setup.ts';

/** The result of `durableRoute`. A route file exports the methods. Next does not accept `session` as an export. */
export interface DurableRoute<Params = Promise<unknown>, M extends UIMessage = UIMessage>
  extends Routes<Params>, Pick<DurableChat<M>, 'session'> {}

/**
 * Makes the handler of `app/api/chat/route.ts` durable. Export the methods that it returns. Next's `after` keeps the
 * function alive until a run has ended.
 *
 * `M` is the app's message type and `A` the result of its `authorize`. If the handler uses its context, name both types, or
 * give the parameters of the functions in `options` types, because TypeScript reads the handler first.
 *
 * @param handler The existing chat route. It gets a `NextRequest`, and the route's `params` in its context.
 * @param options Every option has a default, except `authorize` in production.
 * @returns The route's methods, and `session(id)` for your own server code.
 * @throws DurableChatError `config` if an option is invalid, or if production has no store or no `authorize`.
 *
 * @example
 * ```ts
 * export const { GET, POST, DELETE } = durableRoute(
 *   async (req) => {
 *     const { messages } = await req.json();
 *     return streamText({ model, messages: await convertToModelMessages(messages), abortSignal: req.signal });
 *   },
 *   { authorize: ({ request }) => userOf(request) },
 * );
 * ```
 */
export function durableRoute<
  M extends UIMessage = UIMessage,
  A extends Authorization = Authorization,
  Params = Promise<unknown>,
>(
  handler: Handler<Params, NextRequest, M, A>,
  options: DurableChatOptions<M, A> = {},
): DurableRoute<Params, M> {
  const { waitUntil = (promise) => after(() => promise) } = options;
  const { routes, session } = createFromEnvironment({ ...options, waitUntil });
  return { ...routes(handler, (request) => new NextRequest(request), waitUntil), session };
}

export { isDurableRequest } from './protocol/requests.ts';
export type {
  Authorization,
  AuthorizeInput,
  AuthOf,
  DurableChatOptions,
  Limits,
  RunEnd,
  StoredMessage,
} from './server/options.ts';
export type { Handler, HandlerContext } from './server/handler.ts';
export type { RouteContext, Routes } from './server/http/routes.ts';
export type { SessionHandle } from './server/handle/session-handle.ts';
