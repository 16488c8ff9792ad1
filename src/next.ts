// durable-chat/next: an App Router route. The one file that knows `next`.

import type { UIMessage } from 'ai';
import { after, NextRequest } from 'next/server.js';
import type { Handler } from './server/handler.ts';
import type { Authorization, DurableChatOptions } from './server/options.ts';
import type { DurableChat } from './server/create.ts';
import type { Routes } from './server/http/routes.ts';
import { createFromEnvironment } from './setup.ts';

/** What `durableRoute` returns. A route file exports the methods; Next accepts no `session` among its exports. */
export interface DurableRoute<Params = Promise<unknown>, M extends UIMessage = UIMessage>
  extends Routes<Params>, Pick<DurableChat<M>, 'session'> {}

/**
 * Wraps the handler of `app/api/chat/route.ts`; export the methods that it returns. The handler gets a `NextRequest`, and
 * the route's own `params` in its context; Next's `after` keeps the function alive until a run has ended.
 * `M` is the app's own message type and `A` what its `authorize` returns; where the handler takes its context, name them
 * or give the functions in `options` parameters with types, so that they are known when the handler is read.
 * Throws `DurableChatError` `config` when production lacks a store or an `authorize`.
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
