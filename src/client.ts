// durable-chat/client: the client without a framework.

export type { Connection } from './client/connection.ts';
export type { RequestOptions, StopReceipt } from './client/requests.ts';
export {
  DurableSession,
  type DurableSessionOptions,
  type EndedRun,
  type RunStatus,
  type SessionRun,
  type SessionSnapshot,
  type SessionState,
} from './client/session.ts';
export { syncChat } from './client/sync.ts';
export { DurableChatTransport, type DurableChatTransportOptions } from './client/transport.ts';
export { DurableChatError, type DurableChatErrorCode } from './protocol/errors.ts';
