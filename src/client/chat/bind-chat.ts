// What a hook puts together: a session, its transport, a Chat on it, and the parts of the Chat's life that
// have to act in one tab only or reach the server.

import type {
  AbstractChat,
  ChatInit,
  ChatStatus,
  ChatTransport,
  HttpChatTransportInitOptions,
  PrepareSendMessagesRequest,
  UIMessage,
} from 'ai';
import type { StopReceipt } from '../../protocol/stop-receipt.ts';
import { DurableSession, type DurableSessionOptions, type SessionSnapshot } from '../session.ts';
import { syncChat } from './sync-chat.ts';
import { bindTools } from './tools.ts';
import { DurableChatTransport } from './transport.ts';

/** The options of `useChat`, and those of its default transport. */
export type DurableChatInit<M extends UIMessage> = ChatInit<M> &
  HttpChatTransportInitOptions<M> &
  Pick<DurableSessionOptions, 'outbox'>;

export interface BoundChat<M extends UIMessage, C extends AbstractChat<M>> {
  readonly chat: C;
  readonly session: DurableSession;
  /** Keeps the chat equal to the session until the result is called. */
  connect(): () => void;
  /** Stops the session's runs wherever they work, and this chat's own reading at once (G3). */
  stop(): Promise<StopReceipt>;
  readonly addToolOutput: C['addToolOutput'];
  readonly addToolApprovalResponse: C['addToolApprovalResponse'];
}

/** `latest` gives the options as they are now; callbacks and request options may change at any time. */
export function bindChat<M extends UIMessage, C extends AbstractChat<M>>(
  id: string,
  latest: () => DurableChatInit<M>,
  createChat: (init: ChatInit<M>) => C,
  createSession: (options: DurableSessionOptions) => DurableSession = (options) =>
    new DurableSession(options),
): BoundChat<M, C> {
  const init = latest();
  const custom = init.transport;
  const session =
    custom instanceof DurableChatTransport
      ? custom.session
      : createSession({
          id,
          outbox: init.outbox,
          api: () => latest().api,
          fetch: (...request) => (latest().fetch ?? fetch)(...request),
          headers: () => resolve(latest().headers) ?? {},
          // Undefined where the app gives none: the platform's own default then holds.
          credentials: () => resolve(latest().credentials) as RequestCredentials,
        });
  /** A transport of the app's own knows no session: the chat is then the SDK's, and nothing more. */
  const isPlain = custom !== undefined && !(custom instanceof DurableChatTransport);
  const { following } = session;
  const transport: ChatTransport<M> = isPlain
    ? latestOf(() => latest().transport ?? custom)
    : (custom ??
      new DurableChatTransport<M>({
        session,
        body: () => resolve(latest().body) ?? {},
        // Undefined where the app prepares nothing: the SDK then makes the request itself.
        prepareSendMessagesRequest: (request) =>
          latest().prepareSendMessagesRequest?.(request) as ReturnType<PrepareSendMessagesRequest<M>>,
      }));

  /** Whether this chat's own send started the run that wrote the message. */
  function isOwn(messageId: string | undefined): boolean {
    const { state } = session.getSnapshot();
    if (!state) return true;
    const runs = [
      ...state.active.map((run) => [run.run, run.messageId] as const),
      ...[...state.ended].map(([run, ended]) => [run, ended.messageId] as const),
    ];
    const last = runs.findLast(([, written]) => written === messageId);
    return last === undefined || following.isOwn(last[0]);
  }

  const chat: C = createChat({
    ...init,
    id,
    transport,
    onFinish: (event) => latest().onFinish?.(event),
    onError: (error) => latest().onError?.(error),
    onData: (part) => latest().onData?.(part),
    onToolCall: (call) => {
      const { toolCallId } = call.toolCall;
      const message = chat.messages.findLast(({ parts }) =>
        parts.some((part) => 'toolCallId' in part && part.toolCallId === toolCallId),
      );
      if (!isOwn(message?.id)) return undefined;
      session.held.add(toolCallId);
      return latest().onToolCall?.(call);
    },
    sendAutomaticallyWhen: (event) =>
      tools.isAnswering || isOwn(event.messages.at(-1)?.id)
        ? (latest().sendAutomaticallyWhen?.(event) ?? false)
        : false,
  });

  const tools = bindTools(chat, session, (error) => latest().onError?.(error));

  return {
    chat,
    session,
    // The chat's own signatures: what they say of M's tools is for the caller's eyes.
    addToolOutput: tools.addToolOutput as C['addToolOutput'],
    addToolApprovalResponse: tools.addToolApprovalResponse,
    connect() {
      if (isPlain) return () => void chat.stop();
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
    },
    stop() {
      const { connection, state } = session.getSnapshot();
      const isLocal = isPlain || (connection === 'closed' && !state);
      const stopped = Promise.all([
        isLocal ? { stopped: [], alreadyEnded: [], pending: [] } : session.stop(),
        chat.stop(),
      ]).then(([receipt]) => receipt);
      // Who awaits nothing, as with `useChat`, is told as of any other error.
      stopped.catch((error: Error) => latest().onError?.(error));
      return stopped;
    },
  };
}

/** The chat's status with the session's: a run that the chat does not read is still a run. */
export function statusOfChat(status: ChatStatus, { state }: SessionSnapshot): ChatStatus {
  const run = state?.active[0];
  return status === 'ready' && run && !run.stop ? 'streaming' : status;
}

function resolve<T>(value: T | PromiseLike<T> | (() => T | PromiseLike<T>) | undefined): T | undefined {
  // The SDK resolves promises itself; here only the function has to be called at the time of the request.
  return (typeof value === 'function' ? (value as () => T)() : value) as T | undefined;
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
