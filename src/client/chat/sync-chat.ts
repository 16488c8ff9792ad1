// Keeps any AI SDK Chat equal to its session (G4): messages of other viewers appear, a run that started
// elsewhere is followed, a finished run heals the list.

import { readUIMessageStream, type AbstractChat, type UIMessage } from 'ai';
import { ownFunctions } from './own-functions.ts';
import { visibleMessages } from './visible-messages.ts';
import type { ToolOutcomeFrame } from '../../protocol/frames.ts';
import { withOutcome } from '../../protocol/tool-calls.ts';
import { applyOutcome } from './tools.ts';
import { isOwn, isSending, nextRun } from '../sends/queries.ts';
import { restore } from '../sends/restore.ts';
import { coreOf, type DurableSession, type SessionRun } from '../session.ts';

/** How soon a chat that is still busy with a run that has ended is looked at again. */
const busyMs = 20;

/**
 * Keeps `chat` equal to `session`: connects it, shows what other viewers do, and reads runs that they started. For a Chat
 * without `bindChat`. The chat's own `stop` closes a connection then and stops no run: `bindChat` makes a chat whose `stop`
 * does.
 *
 * @param chat - any Chat of the AI SDK whose transport is a `DurableChatTransport` on the same session
 * @param session - a session serves one chat
 * @returns disconnects the chat, and stops no run
 */
export function syncChat<M extends UIMessage>(chat: AbstractChat<M>, session: DurableSession): () => void {
  const core = coreOf(session);
  const { store } = core;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let closed = false;
  const mirrored = new Map<string, M>();

  function sync(): void {
    const { client } = store;
    const { session: state } = client;
    if (closed || !state) return;
    const messages = visibleMessages(client, chat.messages, mirrored);
    if (messages) chat.messages = messages;
    answerWriting(state.outcomes);
    const run = nextRun(client, store.getSnapshot().runs);
    if (!run) return;
    // A resume begins with nothing, writes at the end, one at a time, and wipes an error that was just reported.
    const base = state.byId.get(run.messageId) as M | undefined; // the app's own message type
    const isLast = state.order.at(-1) === run.messageId;
    const isResuming = [...client.reads].some(([runId, how]) => how === 'reading' && !isOwn(client, runId));
    if (base || !isLast || isSending(client) || isResuming || chat.status === 'error') void mirror(run, base);
    else void chat.resumeStream();
  }

  /** The chat itself has to put an answer to a call into a message that it is writing. */
  function answerWriting(outcomes: readonly ToolOutcomeFrame[]): void {
    for (const { messageId, toolCallId, outcome } of outcomes) {
      const message = chat.messages.find(({ id }) => id === messageId);
      if (message && withOutcome(message, toolCallId, outcome) !== message) {
        void applyOutcome(chat, message, toolCallId, outcome);
      }
    }
  }

  /** Shows a run that the chat itself cannot follow; `base` is the message that the run continues. */
  async function mirror(run: SessionRun, base: M | undefined): Promise<void> {
    // What the SDK refuses of it once, it refuses again: the log shows the message when the run has ended.
    const stream = core.replay(run.runId, true);
    const message = base && structuredClone(base);
    let showing: ReturnType<typeof setTimeout> | undefined;
    // What is known already is read in one turn, and shown in one piece: it may be on the screen.
    const show = () => {
      showing ??= setTimeout(() => {
        showing = undefined;
        sync();
      });
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
    clearTimeout(showing);
    mirrored.delete(run.messageId);
    sync();
  }

  /** The chat writes what it has read a moment after it has read it. */
  function syncWhenWritten(): void {
    clearTimeout(timer);
    timer = setTimeout(() => {
      sync();
      const idle = store.client.session?.active.length === 0 && !core.sending;
      if (idle && isBusy(chat)) syncWhenWritten();
    }, busyMs);
  }

  const close = core.open();
  const off = store.subscribe(sync);
  core.onReadEnd = syncWhenWritten;
  // Not within the effect that may be calling this: what is read there is not to be tracked by it.
  queueMicrotask(sync);
  void restore(core, chat);
  return () => {
    closed = true;
    clearTimeout(timer);
    off();
    core.onReadEnd = () => {};
    close();
    core.leave();
    // Locally only: the chat reads no longer, the run goes on (G2).
    if (isBusy(chat)) void ownFunctions(chat).stop();
  };
}

function isBusy<M extends UIMessage>(chat: AbstractChat<M>): boolean {
  return chat.status === 'streaming' || chat.status === 'submitted';
}
