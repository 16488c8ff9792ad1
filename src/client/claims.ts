// A tool of the page runs once: in the tab that asked or, when that is gone, in one that takes the call over.
// Loaded by chats that have an `onToolCall`.

import { waitingCalls, type WaitingCall } from '../protocol/waiting-calls.ts';
import type { DurableSession } from './session.ts';

/** A claim lasts as long again as its call has waited: a person who takes an hour costs a few requests. */
const longestClaimMs = 300_000;

/**
 * Claims the session's waiting calls until the result is called. `isOwn`: whether this tab executes the calls of a
 * message already. `execute` is given a call that this tab has taken over, as `onToolCall` gets it.
 */
export function claimCalls(
  session: DurableSession,
  isOwn: (messageId: string) => boolean,
  execute: (toolCall: Omit<WaitingCall, 'messageId'>) => void,
): () => void {
  const { takeOverAfterMs } = session;
  const watched = new Map<string, ReturnType<typeof setTimeout>>();

  async function ask(claim: object): Promise<boolean> {
    const { id, holder, requests } = session;
    const answer = await requests.post({ id, trigger: 'tool-claim', holder, ...claim });
    return (answer as { claimed: boolean }).claimed; // our own server's
  }

  function check(): void {
    const { state } = session.getSnapshot();
    const waiting = state ? waitingCalls(state) : [];
    for (const [toolCallId, timer] of watched) {
      if (waiting.some((call) => call.toolCallId === toolCallId)) continue;
      clearTimeout(timer);
      watched.delete(toolCallId);
    }
    for (const call of waiting) if (!watched.has(call.toolCallId)) watch(call);
  }

  function watch(call: WaitingCall): void {
    const { messageId, ...toolCall } = call;
    const { toolCallId } = call;
    const since = Date.now();
    let own = isOwn(messageId);
    const after = (ms: number) =>
      void watched.set(
        toolCallId,
        setTimeout(() => void claim(), ms),
      );

    async function claim(): Promise<void> {
      const ms = Math.min(longestClaimMs, Math.max(takeOverAfterMs * 2, Date.now() - since));
      const claimed = await ask({ messageId, toolCallId, ms }).catch(() => false);
      if (!watched.has(toolCallId)) return;
      if (claimed && !own) {
        own = true;
        session.held.add(toolCallId);
        execute(toolCall);
      }
      after(claimed ? ms / 2 : ms * (0.5 + Math.random() / 2));
    }

    // What its own tab answers at once needs no claim.
    after(takeOverAfterMs * (own ? 0.2 : 1 + Math.random() / 2));
  }

  const off = session.subscribe(check);
  check();
  return () => {
    off();
    for (const timer of watched.values()) clearTimeout(timer);
    watched.clear();
  };
}
