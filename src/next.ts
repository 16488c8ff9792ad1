// durable-chat/next: an App Router route. The one file that knows `next`.

import { after, NextRequest } from 'next/server.js';
import type { DurableChatOptions, Handler } from './server/options.ts';
import type { Routes } from './server/http/routes.ts';
import { createFromEnvironment } from './setup.ts';

/**
 * Wraps the handler of `app/api/chat/route.ts`; export what it returns. The handler gets a `NextRequest`, and
 * the route's own `params` in its context; Next's `after` keeps the function alive until a run has ended.
 * Throws `DurableChatError` `config` when production lacks a store or an `authorize`.
 */
export function durableRoute<Params = Promise<unknown>>(
  handler: Handler<Params, NextRequest>,
  options: DurableChatOptions = {},
): Routes<Params> {
  return createFromEnvironment(options).routes(
    handler,
    (request) => new NextRequest(request),
    options.waitUntil ?? ((promise) => after(() => promise)),
  );
}

export { isDurableRequest } from './protocol/requests.ts';
export type {
  DurableChatOptions,
  Handler,
  HandlerContext,
  Limits,
  RunEnd,
  StoredMessage,
} from './server/options.ts';
export type { RouteContext, Routes } from './server/http/routes.ts';
