// One durable chat: the settings, the store and the hubs, shared by its routes and its sessions.

import type { Channel } from '../channel/channel.ts';
import { reap } from './end.ts';
import { createHubs, type Hubs } from './hubs.ts';
import { settingsOf, type DurableChatOptions, type Handler } from './options.ts';
import { createRoutes, type Routes } from './route.ts';
import { createSession, type SessionHandle } from './session.ts';

export interface DurableChat {
  /** Wraps a chat route's handler. */
  route<Params = unknown>(handler: Handler<Params>): Routes<Params>;
  /** A session, for the server's own code. */
  session(id: string): SessionHandle;
}

/** What an adapter for a framework needs besides. */
export interface Core extends DurableChat {
  routes<Params, R extends Request>(
    handler: Handler<Params, R>,
    toRequest: (request: Request) => R,
    waitUntil: (promise: Promise<unknown>) => void,
  ): Routes<Params>;
}

export function createCore(options: DurableChatOptions, channel: () => Promise<Channel>): Core {
  const settings = settingsOf(options);
  let shared: Promise<Hubs> | undefined;

  function hubs(): Promise<Hubs> {
    shared ??= channel().then((store) => createHubs(store, (session, run) => suspect(store, session, run)));
    return shared;
  }

  /** A run that went silent is ended if its producer is gone (G6). */
  function suspect(store: Channel, session: string, run: string): void {
    void hubs().then(async (all) => {
      const lease = all.acquire(session);
      await reap(store, lease.hub, run)
        .catch(() => {}) // the next silence tries again
        .finally(lease.release);
    });
  }

  const core: Core = {
    routes: (handler, toRequest, waitUntil) =>
      createRoutes({ handler, channel, hubs, settings, authorize: options.authorize, toRequest, waitUntil }),
    route: (handler) => core.routes(handler, (request) => request, options.waitUntil ?? (() => {})),
    session: (id) => createSession(id, channel, hubs),
  };
  return core;
}
