// Takes over the work of a tab that is gone: its client tools, and the automatic send after
// their outputs.

import type { AbstractChat, ChatInit, UIMessage } from 'ai';
import type { Cancel } from '../../lib/runtime.ts';
import type { ToolClaimBody } from '../../protocol/requests.ts';
import type { SessionState } from '../../protocol/session-state.ts';
import { claimKey, waitingCalls, type WaitingCall } from '../../protocol/tool-calls.ts';
import type { Core } from '../core.ts';
import { isBusy } from './sync-chat.ts';

/** A claim lasts as long as its call has waited, so that an hour of waiting costs only a few requests. */
const longestClaimMs = 300_000;

/** The chat that takes over the work of other tabs. */
export interface TakeOverOptions<M extends UIMessage> {
  readonly core: Core;
  readonly chat: AbstractChat<M>;
  /** The current callbacks. */
  readonly latest: () => Pick<ChatInit<M>, 'onToolCall' | 'sendAutomaticallyWhen' | 'onError'>;
  /** Whether this tab started the run, so the chat itself handles the message. */
  readonly isOwn: (messageId: string) => boolean;
}

/** Watches the session until the result is called. */
export function takeOver<M extends UIMessage>(options: TakeOverOptions<M>): () => void {
  const { core, chat, latest, isOwn } = options;
  const { runtime, takeOverAfterMs, store } = core;
  /** Cancels what waits, by name. */
  const timers = new Map<string, Cancel>();

  function check(): void {
    const { session: state } = store.client;
    const calls = state && latest().onToolCall ? waitingCalls(state) : [];
    const completed = state && latest().sendAutomaticallyWhen ? completedMessage(state) : undefined;
    const open = new Set([...calls.map(({ toolCallId }) => toolCallId), ...(completed ? [completed] : [])]);
    for (const [name, cancel] of timers) {
      if (open.has(name)) continue;
      cancel();
      timers.delete(name);
    }
    for (const call of calls) if (!timers.has(call.toolCallId)) watch(call);
    if (completed && !timers.has(completed)) after(completed, othersAfterMs(), () => proceed(completed));
  }

  function after(name: string, ms: number, act: () => Promise<void>): void {
    const report = (error: Error) => latest().onError?.(error);
    timers.set(
      name,
      runtime.schedule(() => void act().catch(report), ms),
    );
  }

  /** Random, so that not all other tabs act at the same moment. */
  function othersAfterMs(): number {
    return takeOverAfterMs * (1 + runtime.random() / 2);
  }

  /** Renews the claim: the call's own tab from the start, another tab once that claim has ended. */
  function watch({ messageId, ...toolCall }: WaitingCall): void {
    const { toolCallId } = toolCall;
    const since = runtime.monotonic();
    let own = isOwn(messageId);

    async function claim(): Promise<void> {
      const ms = Math.min(longestClaimMs, Math.max(takeOverAfterMs * 2, runtime.monotonic() - since));
      const claimed = await ask({ messageId, toolCallId, ms }).catch(() => false);
      if (!timers.has(toolCallId)) return;
      after(toolCallId, claimed ? ms / 2 : ms * (0.5 + runtime.random() / 2), claim);
      if (!claimed || own) return;
      own = true;
      core.executed.add(claimKey(messageId, toolCallId));
      // A waiting call has the app's types.
      await latest().onToolCall?.({ toolCall: toolCall as never });
    }

    // A call that its own tab completes at once needs no claim.
    after(toolCallId, own ? takeOverAfterMs / 5 : othersAfterMs(), claim);
  }

  async function ask(claim: Pick<ToolClaimBody, 'messageId' | 'toolCallId' | 'ms'>): Promise<boolean> {
    const { id, holder, requests } = core;
    const response = await requests.post({ id, trigger: 'tool-claim', holder, ...claim });
    return (response as { claimed: boolean }).claimed; // a response of our server
  }

  /**
   * The automatic send, if the app wants one, once the chat can make it. An error of an earlier send does not prevent it, as
   * in the SDK. Two tabs may make it: the server takes both for one.
   */
  async function proceed(name: string): Promise<void> {
    if (isBusy(chat)) return after(name, othersAfterMs(), () => proceed(name));
    if (await latest().sendAutomaticallyWhen?.({ messages: chat.messages })) await chat.sendMessage();
  }

  const off = store.subscribe(check);
  check();
  return () => {
    off();
    for (const cancel of timers.values()) cancel();
    timers.clear();
  };
}

/** The key of the last message if it ended well, all its tool calls have outcomes, and no run continues it. */
function completedMessage(state: SessionState): string | undefined {
  const last = state.byId.get(state.order.at(-1) ?? '');
  if (!last || state.active.length > 0) return undefined;
  const tools = last.parts.flatMap((part) => ('toolCallId' in part ? [part] : []));
  const end = [...state.ended.values()].findLast(({ messageId }) => messageId === last.id);
  const open = tools.some((tool) => tool.state === 'input-available' || tool.state === 'approval-requested');
  if (tools.length === 0 || open || end?.reason !== 'finish') return undefined;
  return `${last.id} ${last.parts.length}`;
}
