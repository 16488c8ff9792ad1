// Keeps an AI SDK Chat equal to its session (G4): messages of other viewers appear, a run that another client
// started is followed, and after a run the list equals the log.

import type { Cancel } from '../../lib/runtime.ts';
import { readUIMessageStream, type AbstractChat, type UIMessage } from 'ai';
import { ownFunctions } from './own-functions.ts';
import { setOwnMessages } from '../list/set-messages.ts';
import { visibleMessages } from '../list/visible-messages.ts';
import type { ToolOutcomeFrame } from '../../protocol/frames.ts';
import { withOutcome } from '../../protocol/tool-calls.ts';
import { watchAppChanges } from './app-changes.ts';
import { applyOutcome } from './tools.ts';
import { isOwn, isRemoved, isSending, nextRun } from '../sends/queries.ts';
import { restore } from './restore.ts';
import { coreOf, type DurableSession, type SessionRun } from '../session.ts';

/** When a chat that is still busy with an ended run is checked again. */
const busyMs = 20;

/**
 * Keeps `chat` equal to `session`: connects it, shows changes of other viewers, and reads their runs. For a Chat
 * without `bindChat`. The chat's own `stop` then only closes a connection. `bindChat` makes a chat whose `stop`
 * stops runs.
 *
 * @param chat - any Chat of the AI SDK whose transport is a `DurableChatTransport` on the same session
 * @param session - a session serves one chat
 * @returns disconnects the chat, and stops no run
 */
export function syncChat<M extends UIMessage>(chat: AbstractChat<M>, session: DurableSession): () => void {
  const core = coreOf(session);
  const { runtime, store } = core;
  let cancel: Cancel = () => {};
  let closed = false;
  const mirrored = new Map<string, M>();
  const app = watchAppChanges(chat, core);

  function sync(): void {
    const { client } = store;
    const { session: state } = client;
    if (closed || !state) return;
    for (const { runId, messageId } of state.active) core.runs.get(runId).hide(isRemoved(client, messageId));
    const messages = visibleMessages(client, chat.messages, mirrored);
    if (messages) setOwnMessages(chat, messages);
    app.handOut(chat.messages);
    applyOutcomes(state.outcomes);
    const { runs, connection } = store.getSnapshot();
    // A refused viewer gets nothing of a run. It reads the run again when it is accepted again.
    const run = connection === 'closed' ? undefined : nextRun(client, runs);
    if (!run) return;
    // The SDK's resume begins with an empty message at the end, one at a time, and clears a reported error.
    const base = state.byId.get(run.messageId) as M | undefined; // the app's own message type
    const isLast = state.order.at(-1) === run.messageId;
    const isResuming = [...client.reads].some(([runId, how]) => how === 'reading' && !isOwn(client, runId));
    const isFailed = chat.status === 'error' && chat.error !== core.refusal;
    if (base || !isLast || isSending(client) || isResuming || isFailed) void mirror(run, base);
    else void chat.resumeStream();
  }

  /** Puts tool outcomes into a message that the chat is writing, which only the chat can change. */
  function applyOutcomes(outcomes: readonly ToolOutcomeFrame[]): void {
    for (const { messageId, toolCallId, outcome } of outcomes) {
      const message = chat.messages.find(({ id }) => id === messageId);
      if (message && withOutcome(message, toolCallId, outcome) !== message) {
        void applyOutcome(chat, message, toolCallId, outcome);
      }
    }
  }

  /** Shows a run that the chat cannot resume. `base` is the message that the run continues. */
  async function mirror(run: SessionRun, base: M | undefined): Promise<void> {
    // The SDK would refuse the same chunk again, so the run is not read again: the log has its message after its end.
    const stream = core.replay(run.runId, true);
    const message = base && structuredClone(base);
    let showing: Cancel | undefined;
    // Known chunks are read in one turn and shown at once, because they can be on the screen already.
    const show = () => {
      showing ??= runtime.schedule(() => {
        showing = undefined;
        sync();
      }, 0);
    };
    for await (const written of readUIMessageStream<M>({
      stream,
      ...(message && { message }),
      onError: () => {},
    })) {
      if (closed) break;
      mirrored.set(run.messageId, written);
      show();
    }
    showing?.();
    mirrored.delete(run.messageId);
    sync();
  }

  /** The chat updates its messages a moment after it has read a chunk. */
  function syncWhenWritten(): void {
    cancel();
    cancel = runtime.schedule(() => {
      sync();
      const idle = store.client.session?.active.length === 0 && !core.sending;
      if (idle && isBusy(chat)) syncWhenWritten();
    }, busyMs);
  }

  const close = core.open();
  const off = store.subscribe(sync);
  core.onReadEnd = syncWhenWritten;
  // Not inside the effect that may call this, because the effect would track these reads.
  queueMicrotask(sync);
  core.deliveries.goAfter(restore(core, chat));
  return () => {
    closed = true;
    cancel();
    off();
    core.onReadEnd = () => {};
    app.close();
    close();
    core.leave();
    // Only in this tab: the chat stops reading, and the run continues (G2).
    if (isBusy(chat)) void ownFunctions(chat).stop();
  };
}

/** Whether the chat itself reads an answer, or waits for one. */
export function isBusy<M extends UIMessage>(chat: AbstractChat<M>): boolean {
  return chat.status === 'streaming' || chat.status === 'submitted';
}
