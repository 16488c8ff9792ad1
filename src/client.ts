// durable-chat/client: the client without a framework.

export type { Connection } from './client/network/connection.ts';
export type { OutboxStorage } from './client/sends/storage.ts';
export type { RequestOptions, ToolOutcomeOptions } from './client/network/requests.ts';
export type { StopReceipt } from './protocol/requests.ts';
export {
  DurableSession,
  type DurableSessionOptions,
  type EndedRun,
  type RunStatus,
  type SessionRun,
  type SessionSnapshot,
  type SessionState,
  type UnsentMessage,
} from './client/session.ts';
export {
  bindChat,
  type BindChatOptions,
  type BoundChat,
  type DurableChatInit,
} from './client/chat/bind-chat.ts';
export { syncChat } from './client/chat/sync-chat.ts';
export { DurableChatTransport, type DurableChatTransportOptions } from './client/chat/transport.ts';
export type { ToolOutcome } from './protocol/frames.ts';
export { DurableChatError, type DurableChatErrorCode } from './protocol/errors.ts';
