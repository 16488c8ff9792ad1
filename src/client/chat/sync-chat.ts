// Keeps any AI SDK Chat equal to its session (G4): messages of other viewers appear, a run that started
// elsewhere is followed, a finished run heals the list.

import { readUIMessageStream, type AbstractChat, type UIMessage } from 'ai';
import { ownFunctions } from './own-functions.ts';
import { mergeMessages } from './visible-messages.ts';
import type { ToolOutcomeFrame } from '../../protocol/frames.ts';
import { withOutcome } from '../../protocol/tool-calls.ts';
import { applyOutcome } from './tools.ts';
import type { DurableSession, SessionRun } from '../session.ts';

/** How soon a chat that is still busy with a run that has ended is looked at again. */
const busyMs = 20;

/**
 * Keeps `chat` equal to `session` until the result is called. The chat's transport has to be a
 * `DurableChatTransport` on the same session, and a session serves one chat. Ending it stops no run. The chat's own
 * `stop` closes a connection and stops no run either: `bindChat` makes a chat whose `stop` does.
 */
export function syncChat<M extends UIMessage>(chat: AbstractChat<M>, session: DurableSession): () => void {
  const { following } = session;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let closed = false;
  /** A session that is empty again was deleted, or has expired: then so is the chat. */
  let isNew = true;
  const mirrored = new Map<string, M>();

  function sync(): void {
    const { state, runs } = session.getSnapshot();
    // A change that has no run yet is ahead of the log: wait until they can be compared.
    if (closed || !state || session.changing || following.isAhead(state)) return;
    // What a run is still writing is not in the log: the chat's own version stands until it is.
    const writing = new Set(state.active.map(({ messageId }) => messageId));
    for (const [runId, { messageId }] of state.ended) if (following.isReading(runId)) writing.add(messageId);
    if (state.begun || following.hasOwn) isNew = false;
    const messages = mergeMessages({
      state,
      isNew,
      shown: chat.messages,
      mirrored,
      isWriting: (id) => writing.has(id),
      isPending: (id) => following.isPending(id),
    });
    if (messages) chat.messages = messages;
    answerWriting(state.outcomes);
    const run = following.next(
      runs.filter(({ userMessageId }) => userMessageId === undefined || !session.isSending(userMessageId)),
    );
    if (!run) return;
    // A resume begins with nothing, writes at the end, one at a time, and wipes an error that was just reported.
    const base = state.byId.get(run.messageId) as M | undefined; // the app's own message type
    const isLast = state.order.at(-1) === run.messageId;
    if (base || !isLast || session.sending || following.isResuming || chat.status === 'error')
      void mirror(run, base);
    else void chat.resumeStream();
  }

  /** A message that the chat is writing has to be told by the chat itself that somebody answered a call of it. */
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
    const stream = session.replay(run.runId);
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
    // The SDK refused a chunk, and would refuse it again: the log shows the message when the run has ended.
    if (!closed) following.keep(run.runId);
    mirrored.delete(run.messageId);
    sync();
  }

  /** The chat writes what it has read a moment after it has read it. */
  function syncWhenWritten(): void {
    clearTimeout(timer);
    timer = setTimeout(() => {
      sync();
      const idle = session.getSnapshot().state?.active.length === 0 && !session.sending;
      if (idle && isBusy(chat)) syncWhenWritten();
    }, busyMs);
  }

  const close = session.open();
  const offSession = session.subscribe(sync);
  const offDelivered = following.onDelivered(syncWhenWritten);
  // Not within the effect that may be calling this: what is read there is not to be tracked by it.
  queueMicrotask(sync);
  session.restoreInto(chat);
  return () => {
    closed = true;
    clearTimeout(timer);
    offDelivered();
    offSession();
    close();
    session.leave();
    // Locally only: the chat reads no longer, the run goes on (G2).
    if (isBusy(chat)) void ownFunctions(chat).stop();
  };
}

function isBusy<M extends UIMessage>(chat: AbstractChat<M>): boolean {
  return chat.status === 'streaming' || chat.status === 'submitted';
}
