'use client';

// useChat over a durable session. Everything that thinks lives in the client core.

import { Chat, useChat, type UseChatHelpers } from '@ai-sdk/react';
import type { ChatInit, UIMessage } from 'ai';
import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import { bindChat, statusOfChat, type DurableChatInit } from '../client/chat/bind-chat.ts';
import type { Connection } from '../client/network/connection.ts';
import type { DurableSession, SessionRun, StopReceipt } from '../client/session.ts';

/** The options of `useChat`, and those of its default transport (`api`, `headers`, `body`, …). */
export type UseDurableChatOptions<M extends UIMessage> = DurableChatInit<M> & {
  /** How often the messages may render, in milliseconds. Default: with every change. */
  readonly throttle?: number;
  /** @deprecated Use `throttle` instead. */
  readonly experimental_throttle?: number;
  /** A durable chat always resumes. Elsewhere, as with `useChat`, whether to resume an answer when it mounts. Default false. */
  readonly resume?: boolean;
};

/** What `useChat` returns, and the session. */
export type UseDurableChatHelpers<M extends UIMessage> = Omit<UseChatHelpers<M>, 'stop'> & {
  /** Stops the session's runs on the server, from any tab or device. */
  readonly stop: (() => Promise<StopReceipt>) & UseChatHelpers<M>['stop'];
  /** How the subscription to the session is doing. */
  readonly connection: Connection;
  /** Runs that have not ended, in the order in which they run. */
  readonly runs: readonly SessionRun[];
  readonly session: DurableSession;
};

/**
 * A drop-in for `useChat`: the same options and fields, on a session that survives reloads and drops and is
 * the same in every tab. `id` names the session; without one, it lasts as long as the component.
 */
export function useDurableChat<M extends UIMessage = UIMessage>(
  options: UseDurableChatOptions<M> = {},
): UseDurableChatHelpers<M> {
  const { id } = options;
  const currentRef = useRef(options);
  currentRef.current = options;
  // A chat that was left may still send: with the options that it was last rendered with.
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
  // `@ai-sdk/react` 3 knows only the second name, 4 both.
  const wait = options.throttle ?? options.experimental_throttle;
  const helpers = useChat<M>({
    chat,
    // A session resumes by itself.
    resume: options.resume === true && isPlain,
    ...(wait !== undefined && { throttle: wait, experimental_throttle: wait }),
  });
  // Not copied: `ai` 7 makes an id when `id` is read, and a page that is prerendered must not.
  return Object.assign(helpers, {
    // Both in one: callers of `useChat`'s await nothing, ours get the receipt.
    stop: stop as UseDurableChatHelpers<M>['stop'],
    status: statusOfChat(helpers.status, helpers.messages, snapshot),
    connection: snapshot.connection,
    runs: snapshot.runs,
    session,
  });
}
