// The code of a page, evaluated by each of them.

export { DurableChatTransport } from '../../client/chat/transport.ts';
export { coreOf, DurableSession } from '../../client/session.ts';
