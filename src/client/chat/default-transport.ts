// The options of the SDK's own transport, taken over from it: nearly every example of `useChat` has one, and left in
// place it would answer without a session.

import {
  DefaultChatTransport,
  type ChatTransport,
  type HttpChatTransportInitOptions,
  type UIMessage,
} from 'ai';

type TransportOptions<M extends UIMessage> = HttpChatTransportInitOptions<M>;

/** The fields are protected: a subclass may read them. */
class Fields<M extends UIMessage> extends DefaultChatTransport<M> {
  /**
   * Each option of a request has a field of its name. One that an update of the SDK adds or renames does not compile here.
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
 * `init` without its transport, and with the options of that, where it is exactly the SDK's `DefaultChatTransport`.
 * An option that `init` has as well counts as it stands there. Any other transport is left in place.
 */
export function withTransportOptions<M extends UIMessage, T extends TransportOptions<M>>(
  init: T & { readonly transport?: ChatTransport<M> },
): T & { readonly transport?: ChatTransport<M> } {
  const { transport, ...own } = init;
  if (transport?.constructor !== DefaultChatTransport) return init;
  const options = Object.entries(Fields.of(transport as Fields<M>)); // read, and checked here:
  const isKnown = options.every(([field]) => Object.hasOwn(transport, field));
  // A method that was put in the place of the SDK's is the app's own transport.
  const isChanged = Object.keys(transport).some((key) => key in DefaultChatTransport.prototype);
  if (!isKnown || isChanged) return init;
  const taken = options.filter(
    ([field, value]) => value !== undefined && own[field as keyof TransportOptions<M>] === undefined,
  );
  // `T` but for the transport: the fields hold what its options were.
  return { ...own, ...Object.fromEntries(taken) } as T;
}
