'use client';

// useChat over a durable session. The logic is in the client.

import { Chat, useChat, type UseChatHelpers } from '@ai-sdk/react';
import type { ChatInit, UIMessage } from 'ai';
import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import { bindChat, statusOfChat, type DurableChatInit } from '../client/chat/bind-chat.ts';
import type { Connection } from '../client/network/connection.ts';
import type {
  DurableSession,
  EndedRun,
  SessionRun,
  SessionSnapshot,
  StopReceipt,
  UnsentMessage,
} from '../client/session.ts';

/** The options of `useChat`, and those of its default transport (`api`, `headers`, `body`, …). */
export type UseDurableChatOptions<M extends UIMessage> = DurableChatInit<M> & {
  /** The least time between two renders of the messages, in milliseconds. @defaultValue every change renders */
  readonly throttle?: number;
  /** @deprecated Use `throttle` instead. */
  readonly experimental_throttle?: number;
  /**
   * Whether to resume an answer on mount, on a route that is not durable. A durable chat always resumes.
   * @defaultValue false
   */
  readonly resume?: boolean;
};

/** The result of `useChat`, and the session. */
export type UseDurableChatHelpers<M extends UIMessage> = Omit<UseChatHelpers<M>, 'stop'> & {
  /**
   * Stops the session's runs on the server, from any tab or device.
   *
   * @returns The server's receipt, once the server has the stop; empty if there is nothing to stop.
   * @throws DurableChatError as `BoundChat.stop`. `onError` gets the error too.
   */
  readonly stop: (() => Promise<StopReceipt>) & UseChatHelpers<M>['stop'];
  /** The state of the subscription to the session. */
  readonly connection: Connection;
  /** Runs that have not ended, in the order in which they run. */
  readonly runs: readonly SessionRun[];
  /** Messages of this client that the session does not have: on their way, waiting, or refused. */
  readonly unsent: readonly UnsentMessage[];
  /** How runs ended, by their ids, in the order of their ends. Only ends that this client has seen or the session names. */
  readonly ended: ReadonlyMap<string, EndedRun>;
  /** The session itself, for what the hook does not have. */
  readonly session: DurableSession;
};

const noneEnded: ReadonlyMap<string, EndedRun> = new Map();

function endedOf({ state }: SessionSnapshot): ReadonlyMap<string, EndedRun> {
  return state?.ended ?? noneEnded;
}

/**
 * A drop-in for `useChat`: the same options and fields, on a session that survives reloads and lost connections, and is
 * the same in every tab. On a route that is not durable it is `useChat`.
 *
 * @param options The options of `useChat`, and those of its default transport. `id` is the session's id; without one, the
 *   session lasts as long as the component. Changed options apply from the next request on.
 * @returns The fields of `useChat`, and the session's.
 *
 * @example
 * ```tsx
 * const { messages, sendMessage, stop, connection } = useDurableChat({ id, api: '/api/chat' });
 * ```
 */
export function useDurableChat<M extends UIMessage = UIMessage>(
  options: UseDurableChatOptions<M> = {},
): UseDurableChatHelpers<M> {
  const { id } = options;
  const currentRef = useRef(options);
  currentRef.current = options;
  // A previous chat can still send, with the options of its last render.
  const { bound, latestRef } = useMemo(() => {
    const own = { current: currentRef.current };
    const given = () => ({ ...own.current, ...(id !== undefined && { id }) });
    return { latestRef: own, bound: bindChat<M, Chat<M>>(given, (init: ChatInit<M>) => new Chat<M>(init)) };
  }, [id]);
  latestRef.current = options;
  const { chat, session, stop } = bound;
  useEffect(() => bound.connect(), [bound]);

  const snapshot = useSyncExternalStore(session.subscribe, session.getSnapshot, session.getSnapshot);
  const isPlain = useSyncExternalStore(session.subscribe, bound.isPlain, bound.isPlain);
  const isContinuing = useSyncExternalStore(session.subscribe, bound.isContinuing, bound.isContinuing);
  // `@ai-sdk/react` 3 has only the second name, 4 has both.
  const wait = options.throttle ?? options.experimental_throttle;
  const helpers = useChat<M>({
    chat,
    // A session resumes by itself.
    resume: options.resume === true && isPlain,
    ...(wait !== undefined && { throttle: wait, experimental_throttle: wait }),
  });
  // Not copied, because `ai` 7 makes a random id when `id` is read, which a prerendered page must not contain.
  return Object.assign(helpers, {
    // Callers of the SDK's `stop` ignore the result, and ours get the receipt.
    stop: stop as UseDurableChatHelpers<M>['stop'],
    status: statusOfChat(helpers.status, helpers.messages, snapshot, isContinuing),
    connection: snapshot.connection,
    runs: snapshot.runs,
    unsent: snapshot.unsent,
    ended: endedOf(snapshot),
    session,
  });
}
