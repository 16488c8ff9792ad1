// A body of the app's own making, with what a durable route has to know where that was left out. A route that may be
// a plain one gets the body as it is.

import type { PrepareSendMessagesRequest, UIMessage } from 'ai';
import { untilAnswered, type Route } from '../network/plain-route.ts';

/** How long a body that a durable route would take for another one waits for the session to connect. */
const connectWithinMs = 5_000;

export interface PreparedBody<M extends UIMessage> {
  readonly prepare: PrepareSendMessagesRequest<M>;
  /** The whole body, where less was sent: for a route that turns out to be durable by refusing that. */
  readonly whole: object | undefined;
}

/** `prepare` for one request. */
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
      // None today: then the SDK's own body it is.
      if (!prepared) return prepared;
      if (!isClear(options, prepared.body))
        await untilAnswered(route, () => isKnown(route), { ms: connectWithinMs });
      const { state } = route.store.getSnapshot();
      const completed = { ...prepared, body: complete(options, prepared.body, state?.order) };
      if (state) return completed;
      whole = completed.body;
      return prepared;
    },
  };
}

type Options<M extends UIMessage> = Parameters<PrepareSendMessagesRequest<M>>[0];

/** `order` is the session's, where it is known. */
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
  // `{ id, message }` says it all. What it holds may be large: it is not sent twice.
  const isThere = last !== undefined && message?.id === last.id;
  const whole = { id, trigger, messageId, ...(!isThere && { messages: messages.slice(-1) }), ...body };
  const isChange = trigger === 'regenerate-message' || messageId !== undefined;
  const isAlone = given === undefined || (Array.isArray(given) && given.length === 1);
  if (!isChange || !isAlone || last?.role !== 'user' || order.includes(last.id)) return whole;
  // A message that never got through is sent again: what it follows shows that it is not one that was deleted.
  const own: unknown = given?.[0] ?? (isThere ? message : last);
  return { ...whole, messages: [...messages.slice(-2, -1), own] };
}

/** Whether a durable route takes `body` for what it is, or refuses it: a regeneration or an edit may look like a send. */
function isClear<M extends UIMessage>({ trigger, messageId, messages }: Options<M>, body: object): boolean {
  const posted = body as { readonly trigger?: unknown; readonly messageId?: unknown }; // an app may post anything
  if (trigger === 'regenerate-message') return posted.trigger === trigger;
  const isEdit = messageId !== undefined && messages.at(-1)?.role === 'user';
  return !isEdit || posted.messageId === messageId;
}

/** Whether a session that is still connecting would tell no more. */
function isKnown({ store }: Route): boolean {
  const { state, connection } = store.getSnapshot();
  return state !== undefined || connection === 'closed';
}
