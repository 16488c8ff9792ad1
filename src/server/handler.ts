// The app's handler and its arguments.

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
  /** The handle of the session. */
  readonly session: SessionHandle<M>;
  /** The run that the handler works for. */
  readonly run: HandlerRun;
  /**
   * The route's parameters, as the framework passes them; in Next, a promise. If the framework passes none, it is
   * undefined: name the type then, as in `route<undefined>(…)`.
   */
  readonly params: Params;
  /** The object that `authorize` returned for this request; undefined if it returned `true`. */
  readonly auth: AuthOf<A>;
}

/**
 * An existing chat route. The body of its request has the session's `messages`, and the request's `signal` aborts on Stop.
 * It returns a `Response` with a UI message stream, a stream of UI message chunks, or a `streamText` result.
 */
export type Handler<
  Params = Promise<unknown>,
  R extends Request = Request,
  M extends UIMessage = UIMessage,
  A extends Authorization = Authorization,
> = (request: R, context: HandlerContext<Params, M, A>) => unknown;
