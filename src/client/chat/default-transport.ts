// Takes the options out of the SDK's default transport: most examples of `useChat` have one, and if it were used it
// would answer without a session.

import {
  DefaultChatTransport,
  type ChatTransport,
  type HttpChatTransportInitOptions,
  type UIMessage,
} from 'ai';

type TransportOptions<M extends UIMessage> = HttpChatTransportInitOptions<M>;

/** A subclass may read the protected fields. */
class Fields<M extends UIMessage> extends DefaultChatTransport<M> {
  /**
   * Each request option has a field with its name. If an update of the SDK adds or renames one, this does not compile.
   * `resumeStreamIsReplay` is public, and read where it is needed.
   */
  static of<M extends UIMessage>(transport: Fields<M>): Record<keyof TransportOptions<M>, unknown> {
    const { api, credentials, headers, body, fetch } = transport;
    const { prepareSendMessagesRequest, prepareReconnectToStreamRequest } = transport;
    const request = { api, credentials, headers, body, fetch };
    return { ...request, prepareSendMessagesRequest, prepareReconnectToStreamRequest };
  }
}

/**
 * `init` without its transport, and with the transport's options, if it is exactly the SDK's `DefaultChatTransport`.
 * An option of `init` overrides the transport's. Any other transport stays.
 */
export function withTransportOptions<M extends UIMessage, T extends TransportOptions<M>>(
  init: T & { readonly transport?: ChatTransport<M> },
): T & { readonly transport?: ChatTransport<M> } {
  const { transport, ...own } = init;
  if (transport?.constructor !== DefaultChatTransport) return init;
  const options = Object.entries(Fields.of(transport as Fields<M>)); // read, and checked here:
  const isKnown = options.every(([field]) => Object.hasOwn(transport, field));
  // A replaced method makes it the app's own transport.
  const isChanged = Object.keys(transport).some((key) => key in DefaultChatTransport.prototype);
  if (!isKnown || isChanged) return init;
  const taken = options.filter(
    ([field, value]) => value !== undefined && own[field as keyof TransportOptions<M>] === undefined,
  );
  // `T` without the transport: the fields have its options.
  return { ...own, ...Object.fromEntries(taken) } as T;
}
