// Calls the app's handler for a POST, with a request that has the log's messages and a signal that aborts on Stop.

import type { UIMessage } from 'ai';
import type { Handler, HandlerContext } from '../handler.ts';
import type { Send } from '../send/send.ts';
import type { SendBody } from '../send/send-body.ts';

/** What a handler needs from its POST and its framework. */
export interface HandlerInvocation<Params, R extends Request> extends Omit<HandlerContext<Params>, 'run'> {
  readonly handler: Handler<Params, R>;
  /** Makes a request of the framework's type. */
  readonly toRequest: (request: Request) => R;
}

/** The app's handler as a run invokes it: with the request of its POST. */
export function handlerInvocation<Params, R extends Request>(
  { handler, toRequest, ...context }: HandlerInvocation<Params, R>,
  request: Request,
  body: SendBody,
): Send['invoke'] {
  return async (run, history, signal) =>
    handler(withSignal(toRequest(handlerRequest(request, body, history)), signal), { ...context, run });
}

/** The request for the app's handler, with the log's messages. */
function handlerRequest(
  request: Request,
  { changes: _changes, ...body }: SendBody,
  messages: readonly UIMessage[],
): Request {
  const headers = new Headers(request.headers);
  for (const name of ['content-length', 'content-encoding', 'transfer-encoding']) headers.delete(name);
  return new Request(request.url, {
    method: 'POST',
    headers,
    body: JSON.stringify({ ...body, messages, message: messageFor(body, messages) }),
  });
}

/**
 * The `message` for the handler: the log's last message if the client posted its last message under that name. Another
 * object was not validated, and is not passed on.
 */
function messageFor({ message, messages }: SendBody, log: readonly UIMessage[]): unknown {
  if (typeof message !== 'object' || message === null) return message;
  return 'id' in message && message.id === messages.at(-1)?.id ? log.at(-1) : undefined;
}

/**
 * Gives the request the stop signal itself. `new Request(…, { signal })` makes a dependent signal,
 * which in Node no longer aborts once the Request is garbage-collected. A handler that keeps only
 * `request.signal` would lose the stop.
 */
function withSignal<R extends Request>(request: R, signal: AbortSignal): R {
  return Object.defineProperty(request, 'signal', { value: signal });
}
