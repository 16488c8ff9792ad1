// durable-chat/client: the client without a framework.

export type { Connection } from './client/connection.ts';
export type { OutboxStorage } from './client/outbox.ts';
export type { RequestOptions, ToolAnswer } from './client/requests.ts';
export type { StopReceipt } from './protocol/stop-receipt.ts';
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
export type { ToolOutcome } from './protocol/tool-outcome.ts';
export { DurableChatError, type DurableChatErrorCode } from './protocol/errors.ts';
