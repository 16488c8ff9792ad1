// Completes a body of `prepareSendMessagesRequest` with the fields that a durable route needs. A route that may be
// plain gets the body unchanged.

import type { PrepareSendMessagesRequest, UIMessage } from 'ai';
import { connectUntil, type Route } from '../sends/plain-route.ts';

/** How long an ambiguous body waits for the session to connect. */
const connectWithinMs = 5_000;

/** The `prepareSendMessagesRequest` of one request, which completes the body of the app. */
export interface PreparedBody<M extends UIMessage> {
  readonly prepare: PrepareSendMessagesRequest<M>;
  /** The complete body if less was sent, for a route that refuses it and thereby shows that it is durable. */
  readonly whole: object | undefined;
}

/** `prepareSendMessagesRequest` for one request. */
export function preparedBody<M extends UIMessage>(
  prepare: PrepareSendMessagesRequest<M>,
  route: Route,
): PreparedBody<M> {
  let whole: object | undefined;
  return {
    get whole() {
      return whole;
    },
    async prepare(options) {
      const prepared = await prepare(options);
      // It returned no body: then the SDK's body is used.
      if (!prepared) return prepared;
      if (!isClear(options, prepared.body))
        await connectUntil(route, () => isKnown(route), { ms: connectWithinMs });
      const { state } = route.store.getSnapshot();
      const completed = { ...prepared, body: complete(options, prepared.body, state?.order) };
      if (state) return completed;
      whole = completed.body;
      return prepared;
    },
  };
}

type Options<M extends UIMessage> = Parameters<PrepareSendMessagesRequest<M>>[0];

/** `order` is the session's, if it is known. */
function complete<M extends UIMessage>(
  options: Options<M>,
  body: object,
  order: readonly string[] = [],
): object {
  const { id, trigger, messageId, messages } = options;
  const { message, messages: given } = body as {
    readonly message?: { readonly id?: unknown } | null;
    readonly messages?: unknown;
  }; // an app may post anything
  const last = messages.at(-1);
  // `{ id, message }` is complete. It can be large, so the message is not sent twice.
  const isThere = last !== undefined && message?.id === last.id;
  const whole = { id, trigger, messageId, ...(!isThere && { messages: messages.slice(-1) }), ...body };
  const isChange = trigger === 'regenerate-message' || messageId !== undefined;
  const isAlone = given === undefined || (Array.isArray(given) && given.length === 1);
  if (!isChange || !isAlone || last?.role !== 'user' || order.includes(last.id)) return whole;
  // For a message that never reached the server, the message before it shows that it was not deleted.
  const own: unknown = given?.[0] ?? (isThere ? message : last);
  return { ...whole, messages: [...messages.slice(-2, -1), own] };
}

/** Whether `body` is unambiguous for a durable route: a regeneration or an edit can look like a new send. */
function isClear<M extends UIMessage>({ trigger, messageId, messages }: Options<M>, body: object): boolean {
  const posted = body as { readonly trigger?: unknown; readonly messageId?: unknown }; // an app may post anything
  if (trigger === 'regenerate-message') return posted.trigger === trigger;
  const isEdit = messageId !== undefined && messages.at(-1)?.role === 'user';
  return !isEdit || posted.messageId === messageId;
}

/** Whether waiting for the session would give no more information. */
function isKnown({ store }: Route): boolean {
  const { state, connection } = store.getSnapshot();
  return state !== undefined || connection === 'closed';
}
