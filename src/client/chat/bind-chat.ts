// Binds a Chat to a session: its transport, and its functions that must act in one tab only or reach the
// server.

import type {
  AbstractChat,
  ChatInit,
  ChatStatus,
  ChatTransport,
  HttpChatTransportInitOptions,
  PrepareReconnectToStreamRequest,
  PrepareSendMessagesRequest,
  UIMessage,
} from 'ai';
import { systemRuntime, type Runtime } from '../../lib/runtime.ts';
import type { StopReceipt } from '../../protocol/requests.ts';
import { claimKey } from '../../protocol/tool-calls.ts';
import { unreachable } from '../network/network-failure.ts';
import { hasSession, isSettled, isDurableRoute, isPlainRoute, connectUntil } from '../sends/plain-route.ts';
import { isAwaiting, isOwn as isOwnRun, refusedMessageId } from '../sends/queries.ts';
import { nothingStopped, sendWithinMs } from '../sends/stop.ts';
import { coreOf, DurableSession, type DurableSessionOptions, type SessionSnapshot } from '../session.ts';
import { bindFunctions, ownFunctions } from './own-functions.ts';
import { syncChat } from './sync-chat.ts';
import { takeOver } from './tool-failover.ts';
import { bindTools } from './tools.ts';
import { warnOfTransport } from './transport-warning.ts';
import { withTransportOptions } from './default-transport.ts';
import { resolve } from '../network/requests.ts';
import { DurableChatTransport } from './transport.ts';

/** The options of `useChat`, and those of its default transport. */
export type DurableChatInit<M extends UIMessage> = ChatInit<M> &
  HttpChatTransportInitOptions<M> &
  Pick<DurableSessionOptions, 'outbox'>;

/** The options of `bindChat`: those of `useDurableChat`, and the delays of a session. */
export type BindChatOptions<M extends UIMessage> = DurableChatInit<M> &
  Pick<DurableSessionOptions, 'retryDelay' | 'takeOverAfterMs'>;

/** A Chat and its session. */
export interface BoundChat<M extends UIMessage, C extends AbstractChat<M>> {
  /**
   * The Chat that `createChat` made. Its `stop` stops the session's runs on the server, its `addToolOutput` and
   * `addToolApprovalResponse` act in the session. Their errors go to `onError`.
   */
  readonly chat: C;
  /** The session, for what the Chat does not have. */
  readonly session: DurableSession;
  /**
   * Whether the outcome of a tool call is on its way to the server, and an automatic send can follow, or a send waits for
   * its run. Meanwhile the chat's own `status` can be `ready`.
   */
  isContinuing(): boolean;
  /** Whether the route has no sessions, so the chat works like the SDK's. True once that is known. */
  isPlain(): boolean;
  /**
   * Keeps the chat equal to the session.
   *
   * @returns disconnects the chat, and stops no run. After several calls, the chat is disconnected when all results have
   * been called
   */
  connect(): () => void;
  /**
   * `chat.stop()` with a receipt, which is empty if there is nothing to stop.
   *
   * @throws DurableChatError with the code `network`, `store_failed`, or that of `authorize`'s refusal; or the error for
   * which the client does not know whether the route has sessions. It also goes to `onError`
   */
  stop(): Promise<StopReceipt>;
}

/**
 * Makes a Chat of any AI SDK framework package durable: it shows its session, in every tab, and its `stop` reaches the
 * server. Use it for a Chat of your own class, or for a shared one. In React, `useDurableChat` does this.
 *
 * @param options The options of `useChat` and of its default transport, or a function that returns them, called at each
 *   request and callback. `id` is the session's id, and is read once. Without it, the chat makes one.
 * @param createChat Makes the Chat, for instance `(init) => new Chat(init)`. Called once.
 * @param runtime Time and randomness, for tests that simulate them.
 * @returns The chat, not connected yet.
 *
 * @example
 * ```ts
 * const { chat, connect } = bindChat({ id, api: '/api/chat' }, (init) => new Chat(init));
 * const disconnect = connect();
 * ```
 */
export function bindChat<M extends UIMessage = UIMessage, C extends AbstractChat<M> = AbstractChat<M>>(
  options: BindChatOptions<M> | (() => BindChatOptions<M>),
  createChat: (init: ChatInit<M>) => C,
  runtime: Runtime = systemRuntime,
): BoundChat<M, C> {
  const given = typeof options === 'function' ? options : () => options;
  const latest = () => withTransportOptions(given());
  const init = latest();
  const { transport: custom, retryDelay, takeOverAfterMs } = init;
  /** Without one, the chat makes it; some versions only when it is read. */
  const id = init.id ?? (() => chat.id);
  const session =
    custom instanceof DurableChatTransport
      ? custom.session
      : new DurableSession(
          {
            id,
            outbox: init.outbox,
            retryDelay,
            takeOverAfterMs,
            api: () => latest().api,
            // Undefined if the app has none: then the platform's is used.
            get fetch() {
              return latest().fetch;
            },
            headers: () => resolve(latest().headers) ?? {},
            // Undefined if the app has none: then the platform's default applies.
            credentials: () => resolve(latest().credentials) as RequestCredentials,
          },
          runtime,
        );
  const core = coreOf(session);
  const { store } = core;
  /** The app's own transport has no session, so the chat is only the SDK's. */
  const isOwnTransport = custom !== undefined && !(custom instanceof DurableChatTransport);
  const isPlain = () => isOwnTransport || isPlainRoute(core);
  const transport: ChatTransport<M> = isOwnTransport
    ? latestOf(() => given().transport ?? custom)
    : (custom ??
      new DurableChatTransport<M>({
        session,
        get resumeStreamIsReplay() {
          return given().transport?.resumeStreamIsReplay ?? true;
        },
        body: () => resolve(latest().body) ?? {},
        // Undefined if the app has none: then the SDK makes the request itself.
        prepareSendMessagesRequest: (request) =>
          latest().prepareSendMessagesRequest?.(request) as ReturnType<PrepareSendMessagesRequest<M>>,
        prepareReconnectToStreamRequest: (request) =>
          latest().prepareReconnectToStreamRequest?.(request) as ReturnType<PrepareReconnectToStreamRequest>,
      }));

  /** Whether this chat's own send started the run that wrote the message. */
  function isOwn(messageId: string | undefined): boolean {
    const { session: state } = store.client;
    if (!state) return true;
    const ended = [...state.ended].findLast(([, run]) => run.messageId === messageId)?.[0];
    const last = ended ?? state.active.findLast((run) => run.messageId === messageId)?.runId;
    return last === undefined || isOwnRun(store.client, last);
  }

  /** Whether a call was executed here already, or has an outcome, when a chat that connects again reads it. */
  function isExecuted(messageId: string, toolCallId: string): boolean {
    const outcomes = store.client.session?.outcomes ?? [];
    return (
      core.executed.has(claimKey(messageId, toolCallId)) ||
      outcomes.some((one) => one.messageId === messageId && one.toolCallId === toolCallId)
    );
  }

  const chat: C = createChat({
    ...init,
    transport,
    onFinish: (event) => latest().onFinish?.(event),
    onError: (error) => latest().onError?.(error),
    onData: (part) => latest().onData?.(part),
    onToolCall: (call) => {
      const { toolCallId } = call.toolCall;
      const message = chat.messages.findLast(({ parts }) =>
        parts.some((part) => 'toolCallId' in part && part.toolCallId === toolCallId),
      );
      const messageId = message?.id ?? '';
      if (!isOwn(message?.id) || isExecuted(messageId, toolCallId)) return undefined;
      core.executed.add(claimKey(messageId, toolCallId));
      return latest().onToolCall?.(call);
    },
    sendAutomaticallyWhen: (event) =>
      tools.isApplying || isOwn(event.messages.at(-1)?.id)
        ? (latest().sendAutomaticallyWhen?.(event) ?? false)
        : false,
  });

  const tools = bindTools(chat, core, (error) => latest().onError?.(error));

  /**
   * Sends no DELETE to a route that may have no sessions, because its DELETE can have another meaning. Waits for a send
   * without a response, because it can become a run.
   */
  async function stopSession(): Promise<StopReceipt> {
    // A send that is made while this waits is not concerned.
    const earlier = core.stops.giveUp();
    const isReading = chat.status === 'streaming' || chat.status === 'submitted';
    // An answer without a run is stopped by closing its connection.
    const isLocal = () => isReading && !core.sending && !hasSession(core);
    const isClear = () => isPlain() || isLocal() || isDurableRoute(core);
    const isDone = () => isClear() || (!core.sending && isSettled(core));
    if (!isDone()) await connectUntil(core, isDone, { ms: sendWithinMs });
    if (!isPlain() && !isLocal() && isDurableRoute(core)) return core.stops.stop(undefined, earlier);
    // Sends of an earlier page are given up on any route.
    if (earlier.gaveUp || isPlain() || isLocal()) return nothingStopped;
    if (core.sending) return core.stops.stopLate(earlier);
    const { error } = store.getSnapshot();
    throw error ?? unreachable();
  }

  function stop(): Promise<StopReceipt> {
    const stopped = Promise.all([core.stops.beforeSends(stopSession), ownFunctions(chat).stop()]).then(
      ([receipt]) => receipt,
    );
    // A caller that awaits nothing, as with `useChat`, gets the error from `onError`.
    stopped.catch((error: Error) => latest().onError?.(error));
    return stopped;
  }

  if (!isOwnTransport) {
    bindFunctions(chat, {
      stop: () => stop().then(nothing, nothing),
      // After a refused send it is sent again. The last message of the list can be another viewer's by now.
      regenerate: (given) => {
        const refused = refusedMessageId(store.client, chat.error);
        const isLast = refused === chat.messages.at(-1)?.id;
        const messageId = given?.messageId ?? (isLast ? undefined : refused);
        return ownFunctions(chat).regenerate({ ...given, ...(messageId !== undefined && { messageId }) });
      },
      // The chat's own signatures. Their tool types are for the caller.
      addToolOutput: tools.addToolOutput as C['addToolOutput'],
      addToolApprovalResponse: tools.addToolApprovalResponse,
    });
  }

  function open(): () => void {
    if (isOwnTransport) {
      // Bundlers replace the second half by a value. Elsewhere `process` may not exist.
      if (typeof process !== 'undefined' && process.env.NODE_ENV !== 'production') warnOfTransport(custom);
      return () => void chat.stop();
    }
    const close = syncChat(chat, session);
    core.stops.restore().catch((error: Error) => latest().onError?.(error));
    const { onToolCall, sendAutomaticallyWhen } = latest();
    const off = onToolCall || sendAutomaticallyWhen ? takeOver({ core, chat, latest, isOwn }) : undefined;
    return () => {
      close();
      off?.();
    };
  }

  const isContinuing = () =>
    !isPlain() &&
    (isAwaiting(store.client) || (tools.isWaiting && latest().sendAutomaticallyWhen !== undefined));

  return { chat, session, isPlain, isContinuing, connect: shared(open), stop };
}

const nothing = () => {};

/** Opens for the first user, and closes after the last. */
function shared(open: () => () => void): () => () => void {
  const users = new Set<object>();
  let close: (() => void) | undefined;
  return () => {
    const user = {};
    users.add(user);
    close ??= open();
    return () => {
      users.delete(user);
      // A component that mounts twice (React's StrictMode) connects again at once, and must not lose its sends.
      queueMicrotask(() => {
        if (users.size > 0) return;
        close?.();
        close = undefined;
      });
    };
  };
}

/** The chat's status, or `streaming` while a run is active that the chat does not read. */
export function statusOfChat(
  status: ChatStatus,
  messages: readonly UIMessage[],
  { runs }: SessionSnapshot,
  isContinuing: boolean,
): ChatStatus {
  if (status !== 'ready') return status;
  const run = runs.find((one) => one.status !== 'stopping');
  if (!run) return isContinuing ? 'submitted' : status;
  return messages.some(({ id }) => id === run.messageId) ? 'streaming' : 'submitted';
}

/** The app's own transport at the time of each call. */
function latestOf<M extends UIMessage>(transport: () => ChatTransport<M>): ChatTransport<M> {
  return {
    get resumeStreamIsReplay() {
      return transport().resumeStreamIsReplay ?? false;
    },
    sendMessages: (options) => transport().sendMessages(options),
    reconnectToStream: (options) => transport().reconnectToStream(options),
  };
}
