// The app's handler, and what it is given.

import type { UIMessage } from 'ai';
import type { SessionHandle } from './handle/session-handle.ts';
import type { Authorization, AuthOf } from './options.ts';
import type { HandlerRun } from './run/steering.ts';

/** The second argument of a handler. */
export interface HandlerContext<
  Params = Promise<unknown>,
  M extends UIMessage = UIMessage,
  A extends Authorization = Authorization,
> {
  readonly session: SessionHandle<M>;
  readonly run: HandlerRun;
  /**
   * The route's parameters, as the framework passes them: in Next, a promise. A framework that passes none makes this
   * undefined, whatever the type says; name the type then, as in `route<undefined>(…)`.
   */
  readonly params: Params;
  /** What `authorize` returned for this request: the object with the `userId`; undefined for a plain `true`. */
  readonly auth: AuthOf<A>;
}

/**
 * An existing chat route: gets the request with the session's own `messages` in its body and a `signal` that
 * aborts on Stop, and returns a `Response` with a UI message stream, a stream of UI message chunks, or a
 * `streamText` result.
 */
export type Handler<
  Params = Promise<unknown>,
  R extends Request = Request,
  M extends UIMessage = UIMessage,
  A extends Authorization = Authorization,
> = (request: R, context: HandlerContext<Params, M, A>) => unknown;
