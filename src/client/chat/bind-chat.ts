// A Chat on a session: its transport, and those of its functions that have to act in one tab only or reach the
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
import { DurableChatError } from '../../protocol/errors.ts';
import type { StopReceipt } from '../../protocol/requests.ts';
import { hasTold, isAnswered, isDurableRoute, isPlainRoute, untilAnswered } from '../plain-route.ts';
import {
  DurableSession,
  sendWithinMs,
  type DurableSessionOptions,
  type SessionSnapshot,
} from '../session.ts';
import { bindFunctions, ownFunctions } from './own-functions.ts';
import { syncChat } from './sync-chat.ts';
import { bindTools } from './tools.ts';
import { withTransportOptions } from './default-transport.ts';
import { resolve } from '../network/requests.ts';
import { DurableChatTransport } from './transport.ts';

/** The options of `useChat`, and those of its default transport. */
export type DurableChatInit<M extends UIMessage> = ChatInit<M> &
  HttpChatTransportInitOptions<M> &
  Pick<DurableSessionOptions, 'outbox'>;

/** What `bindChat` takes: the options of `useDurableChat`, and when a session tries again. */
export type BindChatOptions<M extends UIMessage> = DurableChatInit<M> &
  Pick<DurableSessionOptions, 'retryDelay' | 'takeOverAfterMs'>;

/** A Chat and the session that it shows. */
export interface BoundChat<M extends UIMessage, C extends AbstractChat<M>> {
  /**
   * The Chat that `createChat` made. Its `stop` stops the session's runs on the server, its `addToolOutput` and
   * `addToolApprovalResponse` answer in the session. What those reject with goes to `onError`.
   */
  readonly chat: C;
  readonly session: DurableSession;
  /** Whether there is no session, so that the chat is the SDK's and nothing more; true once that is known. */
  isPlain(): boolean;
  /**
   * Keeps the chat equal to the session until the result is called, which stops no run. May be called many times: the
   * chat is connected until the last result has been called.
   */
  connect(): () => void;
  /**
   * `chat.stop()` with a receipt, which is empty where there is nothing to stop. Rejects with `DurableChatError`:
   * `network`, `store_failed`, what `authorize` answered, or why it is not known whether the route has sessions. That
   * goes to `onError` as well.
   */
  stop(): Promise<StopReceipt>;
}

/**
 * Makes a Chat of any AI SDK framework package durable: it shows its session, in every tab, and its `stop` reaches the
 * server. A Chat of your own class or a shared one is made durable this way; for React alone there is `useDurableChat`.
 *
 * @param options The options of `useChat` and of its default transport, or a function that is asked for them at each
 *   request and callback. `id` names the session and is read once; without it, an id is made.
 * @param createChat Makes the Chat from what it is given, for instance `(init) => new Chat(init)`. Called once.
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
): BoundChat<M, C> {
  const given = typeof options === 'function' ? options : () => options;
  const latest = () => withTransportOptions(given());
  const init = latest();
  const { transport: custom, retryDelay, takeOverAfterMs } = init;
  /** Without one, the chat makes it: some of its versions not before it is read. */
  const id = init.id ?? (() => chat.id);
  const session =
    custom instanceof DurableChatTransport
      ? custom.session
      : new DurableSession({
          id,
          outbox: init.outbox,
          ...(retryDelay && { retryDelay }),
          ...(takeOverAfterMs !== undefined && { takeOverAfterMs }),
          api: () => latest().api,
          fetch: (...request) => (latest().fetch ?? fetch)(...request),
          headers: () => resolve(latest().headers) ?? {},
          // Undefined where the app gives none: the platform's own default then holds.
          credentials: () => resolve(latest().credentials) as RequestCredentials,
        });
  /** A transport of the app's own knows no session: the chat is then the SDK's, and nothing more. */
  const isOwnTransport = custom !== undefined && !(custom instanceof DurableChatTransport);
  const isPlain = () => isOwnTransport || isPlainRoute(session);
  const { following } = session;
  const transport: ChatTransport<M> = isOwnTransport
    ? latestOf(() => given().transport ?? custom)
    : (custom ??
      new DurableChatTransport<M>({
        session,
        get resumeStreamIsReplay() {
          return given().transport?.resumeStreamIsReplay ?? true;
        },
        body: () => resolve(latest().body) ?? {},
        // Undefined where the app prepares nothing: the SDK then makes the request itself.
        prepareSendMessagesRequest: (request) =>
          latest().prepareSendMessagesRequest?.(request) as ReturnType<PrepareSendMessagesRequest<M>>,
        prepareReconnectToStreamRequest: (request) =>
          latest().prepareReconnectToStreamRequest?.(request) as ReturnType<PrepareReconnectToStreamRequest>,
      }));

  /** Whether this chat's own send started the run that wrote the message. */
  function isOwn(messageId: string | undefined): boolean {
    const { state } = session.getSnapshot();
    if (!state) return true;
    const runs = [
      ...state.active.map((run) => [run.runId, run.messageId] as const),
      ...[...state.ended].map(([runId, ended]) => [runId, ended.messageId] as const),
    ];
    const last = runs.findLast(([, written]) => written === messageId);
    return last === undefined || following.isOwn(last[0]);
  }

  /** Calls that this chat was asked to execute, each with its message. */
  const executed = new Set<string>();

  /** Whether a chat that connects again reads a call that was executed here, or has an answer already. */
  function isExecuted(messageId: string | undefined, toolCallId: string): boolean {
    const outcomes = session.getSnapshot().state?.outcomes ?? [];
    return (
      executed.has(`${messageId} ${toolCallId}`) ||
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
      if (!isOwn(message?.id) || isExecuted(message?.id, toolCallId)) return undefined;
      executed.add(`${message?.id} ${toolCallId}`);
      session.held.add(toolCallId);
      return latest().onToolCall?.(call);
    },
    sendAutomaticallyWhen: (event) =>
      tools.isAnswering || isOwn(event.messages.at(-1)?.id)
        ? (latest().sendAutomaticallyWhen?.(event) ?? false)
        : false,
  });

  const tools = bindTools(chat, session, (error) => latest().onError?.(error));

  /**
   * A route that may have no sessions is not asked: what it does with a DELETE is its own. A send that has no answer
   * yet is waited for, as it may become a run.
   */
  async function stopSession(): Promise<StopReceipt> {
    const isReading = chat.status === 'streaming' || chat.status === 'submitted';
    // An answer that is no run's is stopped by leaving it.
    const isLocal = () => isReading && !session.sending && !hasTold(session);
    const isClear = () => isPlain() || isLocal() || isDurableRoute(session);
    const isDone = () => isClear() || (!session.sending && isAnswered(session));
    if (!isDone()) await untilAnswered(session, isDone, session.sending ? { ms: sendWithinMs } : {});
    if (!isPlain() && !isLocal() && isDurableRoute(session)) return session.stop();
    // What an earlier page has left is given up wherever it may have gone.
    const gaveUp = session.outbox?.giveUp();
    if (gaveUp || isPlain() || isLocal()) return { stopped: [], alreadyEnded: [], pending: [] };
    if (session.sending) return session.stopSending();
    const { error } = session.getSnapshot();
    throw (
      error ??
      new DurableChatError(
        'network',
        'The server could not be reached. Check the connection, then try again.',
      )
    );
  }

  function stop(): Promise<StopReceipt> {
    const stopped = Promise.all([stopSession(), ownFunctions(chat).stop()]).then(([receipt]) => receipt);
    // Who awaits nothing, as with `useChat`, is told as of any other error.
    stopped.catch((error: Error) => latest().onError?.(error));
    return stopped;
  }

  if (!isOwnTransport) {
    bindFunctions(chat, {
      stop: () => stop().then(nothing, nothing),
      // The chat's own signatures: what they say of M's tools is for the caller's eyes.
      addToolOutput: tools.addToolOutput as C['addToolOutput'],
      addToolApprovalResponse: tools.addToolApprovalResponse,
    });
  }

  function open(): () => void {
    if (isOwnTransport) {
      if (isDevelopment()) void import('./transport-warning.ts').then((warn) => warn.warnOfTransport(custom));
      return () => void chat.stop();
    }
    const close = syncChat(chat, session);
    const { onToolCall, sendAutomaticallyWhen } = latest();
    const looking =
      (onToolCall || sendAutomaticallyWhen) &&
      import('./tool-failover.ts').then(
        ({ takeOver }) => takeOver({ session, chat, latest, isOwn }),
        () => undefined, // then only the tab that asked acts
      );
    return () => {
      close();
      if (looking) void looking.then((off) => off?.());
    };
  }

  return { chat, session, isPlain, connect: shared(open), stop };
}

const nothing = () => {};

/** Opens with the first user, and closes with the last. */
function shared(open: () => () => void): () => () => void {
  const users = new Set<object>();
  let close: (() => void) | undefined;
  return () => {
    const user = {};
    users.add(user);
    close ??= open();
    return () => {
      users.delete(user);
      // A component that mounts twice (React's StrictMode) comes back at once: what it has sent is not let go of.
      queueMicrotask(() => {
        if (users.size > 0) return;
        close?.();
        close = undefined;
      });
    };
  };
}

function isDevelopment(): boolean {
  // Bundlers put a value in its place; where nobody does, there may be no `process`.
  try {
    return process.env.NODE_ENV !== 'production';
  } catch {
    return false;
  }
}

/** The chat's status with the session's: a run that the chat does not read is still a run. */
export function statusOfChat(status: ChatStatus, { state }: SessionSnapshot): ChatStatus {
  const run = state?.active[0];
  return status === 'ready' && run && !run.stop ? 'streaming' : status;
}

/** The app's own transport, as it is at the time of each call. */
function latestOf<M extends UIMessage>(transport: () => ChatTransport<M>): ChatTransport<M> {
  return {
    get resumeStreamIsReplay() {
      return transport().resumeStreamIsReplay ?? false;
    },
    sendMessages: (options) => transport().sendMessages(options),
    reconnectToStream: (options) => transport().reconnectToStream(options),
  };
}
