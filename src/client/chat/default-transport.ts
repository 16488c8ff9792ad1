// Takes the options out of the SDK's default transport: most examples of `useChat` have one, and an answer that
// it brings has no session.

import {
  DefaultChatTransport,
  type ChatTransport,
  type HttpChatTransportInitOptions,
  type UIMessage,
} from 'ai';

type TransportOptions<M extends UIMessage> = HttpChatTransportInitOptions<M>;

/**
 * Each request option: the transport has a field with its name. If an update of the SDK adds or renames one, this does not
 * compile. `resumeStreamIsReplay` is public, and read where it is needed.
 */
const names: Readonly<Record<keyof TransportOptions<UIMessage>, true>> = {
  api: true,
  credentials: true,
  headers: true,
  body: true,
  fetch: true,
  prepareSendMessagesRequest: true,
  prepareReconnectToStreamRequest: true,
};

/**
 * `init` without its transport, and with the transport's options, if it is exactly the SDK's `DefaultChatTransport`.
 * An option of `init` overrides the transport's. Any other transport stays.
 */
export function withTransportOptions<M extends UIMessage, T extends TransportOptions<M>>(
  init: T & { readonly transport?: ChatTransport<M> },
): T & { readonly transport?: ChatTransport<M> } {
  const { transport, ...own } = init;
  if (transport?.constructor !== DefaultChatTransport) return init;
  const isKnown = Object.keys(names).every((name) => Object.hasOwn(transport, name));
  // A replaced method makes it the app's own transport.
  const isChanged = Object.keys(transport).some((key) => key in DefaultChatTransport.prototype);
  if (!isKnown || isChanged) return init;
  const isTaken = ([name, value]: [string, unknown]) =>
    name in names && value !== undefined && own[name as keyof TransportOptions<M>] === undefined;
  // `T` without the transport: the transport's fields are its options.
  return { ...own, ...Object.fromEntries(Object.entries(transport).filter(isTaken)) } as T;
}
