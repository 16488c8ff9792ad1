// One durable chat: the settings, the store and the sessions, shared by its routes and its sessions.

import type { UIMessage } from 'ai';
import type { Channel } from '../channel/channel.ts';
import { systemRuntime, type Runtime } from '../lib/runtime.ts';
import { createSessions } from './follow/sessions.ts';
import { createKeeper, type Opened } from './keep/app-history.ts';
import type { Handler } from './handler.ts';
import type { Authorization, DurableChatOptions } from './options.ts';
import { settingsOf } from './settings.ts';
import { createRoutes, type Routes } from './http/routes.ts';
import { createSessionHandle, type SessionHandle } from './handle/session-handle.ts';
import { parseSessionId } from './http/parse-request.ts';

/** Durable sessions of an app. `M` is its message type, and `A` the result of its `authorize`. */
export interface DurableChat<M extends UIMessage = UIMessage, A extends Authorization = Authorization> {
  /**
   * Makes a chat route durable.
   *
   * @param handler The existing chat route.
   * @returns The methods to export from the route's file.
   */
  route<Params = Promise<unknown>>(handler: Handler<Params, Request, M, A>): Routes<Params>;
  /**
   * Returns the handle of a session, for the server's own code. It reads nothing yet.
   *
   * @throws DurableChatError `bad_request` for an invalid id.
   */
  session(id: string): SessionHandle<M>;
}

/** A durable chat with what an adapter for a framework needs. */
export interface Core<M extends UIMessage, A extends Authorization> extends DurableChat<M, A> {
  routes<Params, R extends Request>(
    handler: Handler<Params, R, M, A>,
    toRequest: (request: Request) => R,
    waitUntil: (promise: Promise<unknown>) => void,
  ): Routes<Params>;
}

/** `channel` is called once, for the first request. */
export function createCore<M extends UIMessage, A extends Authorization>(
  options: DurableChatOptions<M, A>,
  channel: () => Promise<Channel>,
  runtime: Runtime = systemRuntime,
): Core<M, A> {
  // The app's types of messages and users only pass through here.
  const settings = settingsOf(options as unknown as DurableChatOptions, runtime);
  let opened: Promise<Opened> | undefined;

  function open(): Promise<Opened> {
    opened ??= channel().then((store) => {
      const sessions = createSessions({
        channel: store,
        runtime,
        leaseMs: settings.sends.runs.leaseMs,
        viewersPerSession: settings.routes.limits.viewersPerSession,
        onReaped: (sessionId) => void keeper.report(sessionId),
      });
      const keeper = createKeeper(settings.keep, sessions);
      return { sessions, keeper };
    });
    return opened;
  }

  const core: Core<M, A> = {
    routes: <Params, R extends Request>(
      typed: Handler<Params, R, M, A>,
      toRequest: (request: Request) => R,
      waitUntil: (promise: Promise<unknown>) => void,
    ) => {
      const handler = typed as unknown as Handler<Params, R>; // as above
      const { authorize } = options;
      const { routes, sends } = settings;
      return createRoutes({
        handler,
        toRequest,
        authorize,
        open,
        runtime,
        waitUntil,
        settings: routes,
        sends,
      });
    },
    route: (handler) => core.routes(handler, (request) => request, options.waitUntil ?? (() => {})),
    session: (id) => createSessionHandle<M>(parseSessionId(id), open, options.waitUntil ?? (() => {})),
  };
  return core;
}
