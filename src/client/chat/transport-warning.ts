// The warning about a transport that makes a chat plain. Production bundles do not contain it.

import { HttpChatTransport } from 'ai';

const warned = new WeakSet<object>();

/** Warns once for each kind of transport. */
export function warnOfTransport(transport: object): void {
  const kind = transport.constructor ?? Object;
  if (warned.has(kind)) return;
  warned.add(kind);
  console.warn(`durable-chat: ${textFor(transport, kind.name)}`);
}

function textFor(transport: object, name: string): string {
  const what =
    'This chat is not durable, because it has its own `transport`, which has no session. Its answers do not ' +
    'survive a reload, other tabs do not show them, and stop() only closes the connection. ';
  // The SDK's transport can come from a second copy of `ai`, or can have been changed.
  const hasOptions = transport instanceof HttpChatTransport || name === 'DefaultChatTransport';
  if (!hasOptions) {
    return (
      `${what}To make it durable, remove \`transport\` and pass the address of the durable route as \`api\` ` +
      'to useDurableChat or bindChat.'
    );
  }
  return (
    `${what}To make it durable, replace \`transport: new ${name}({ api, headers, … })\` with \`api, headers, …\`: ` +
    'useDurableChat and bindChat take the options of DefaultChatTransport. If the class changes requests, do that ' +
    'in `prepareSendMessagesRequest` or `fetch`.'
  );
}
