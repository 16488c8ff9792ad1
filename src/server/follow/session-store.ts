// The store, for one session: the channel's methods without the session's id.

import type { Channel } from '../../channel/channel.ts';

type Bound<Method> = Method extends (sessionId: string, ...rest: infer Rest) => infer Result
  ? (...rest: Rest) => Result
  : never;

/** The methods of `Channel` for one session. They fail like the channel's. */
export type SessionStore = { readonly [Name in keyof Channel]: Bound<Channel[Name]> };

/** The store of one session. */
export function storeOf(channel: Channel, sessionId: string): SessionStore {
  return {
    reserve: (...rest) => channel.reserve(sessionId, ...rest),
    release: (...rest) => channel.release(sessionId, ...rest),
    claim: (...rest) => channel.claim(sessionId, ...rest),
    readLog: (...rest) => channel.readLog(sessionId, ...rest),
    append: (...rest) => channel.append(sessionId, ...rest),
    write: (...rest) => channel.write(sessionId, ...rest),
    close: (...rest) => channel.close(sessionId, ...rest),
    readRun: (...rest) => channel.readRun(sessionId, ...rest),
    delete: (...rest) => channel.delete(sessionId, ...rest),
    heartbeat: (...rest) => channel.heartbeat(sessionId, ...rest),
    leases: (...rest) => channel.leases(sessionId, ...rest),
    subscribe: (...rest) => channel.subscribe(sessionId, ...rest),
  };
}
