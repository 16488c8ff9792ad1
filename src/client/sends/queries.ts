// Queries of the client's state.

import { runsOf, type SessionRun, type SessionState } from '../../protocol/session-state.ts';
import { isOpen, type Client, type Send } from './client-state.ts';

/** Whether a send may be posted: earlier stops go first, and sends are made in their order. */
export function isItsTurn({ sends, stops, stopping }: Client, key: string): boolean {
  const before = sends.slice(
    0,
    sends.findIndex((send) => send.key === key),
  );
  return (
    stopping === 0 &&
    stops.every(({ state }) => state !== 'waiting') &&
    before.every((send) => !isOpen(send) || send.isLogged)
  );
}

/** Whether a send has no response yet. */
export function isSending({ sends }: Client): boolean {
  return sends.some(({ state }) => state === 'posting');
}

/** Whether a send of a durable chat that was not stopped has no response yet, or no frame has named its run. */
export function isAwaiting({ session, sends, stops, reads }: Client): boolean {
  const awaits = (send: Send) =>
    isOpen(send) || (send.state === 'accepted' && reads.get(send.runId) === 'reading');
  const isStopped = (send: Send) =>
    stops.some(({ id }) => id === send.message.id || ('runId' in send && id === send.runId));
  return session !== undefined && sends.some((send) => awaits(send) && !isStopped(send));
}

/** Whether a send of this client started the run. */
export function isOwn({ sends }: Client, runId: string): boolean {
  return sends.some((send) => 'runId' in send && send.runId === runId);
}

/** Whether the run can belong to a send without a response, which then reads the run itself. */
function isAwaited({ sends }: Client, run: SessionRun): boolean {
  return sends.some((send) => {
    if (!isOpen(send)) return false;
    if (send.kind === 'continue') return run.messageId === send.message.id;
    if (run.userMessageId !== undefined) return run.userMessageId === send.message.id;
    return send.kind === 'regenerate' && run.trigger === 'regenerate-message';
  });
}

/** Whether the log has removed the answer of an active run, or an open send of this client removes it. */
export function isRemoved({ session, sends }: Client, messageId: string): boolean {
  const order = session?.order ?? [];
  const place = order.indexOf(messageId);
  const isBefore = (id: string) => order.slice(0, place).includes(id);
  const removes = (send: Send) => isOpen(send) && (send.kind === 'edit' || send.kind === 'regenerate');
  return place === -1 || sends.some((send) => removes(send) && isBefore(send.message.id));
}

/** The run to read next: it is running, the chat does not read it, and no send waits for it. */
export function nextRun(client: Client, runs: readonly SessionRun[]): SessionRun | undefined {
  return runs.find(
    (run) => run.status === 'running' && !client.reads.has(run.runId) && !isAwaited(client, run),
  );
}

/** Runs that have not ended, with this client's stops that the log does not have yet. */
export function runsWithStops({ session, stops }: Client): SessionRun[] {
  if (!session) return [];
  const isStopped = (run: SessionRun) => stops.some(({ id }) => isStopOf(session, run, id));
  return runsOf(session).map((run) => (isStopped(run) ? { ...run, status: 'stopping' } : run));
}

/**
 * Whether a stop of `id` concerns the run: it is the run's id, or that of the last message of its send. A regeneration
 * has no user message of its own, and answers the message before its answer.
 */
export function isStopOf(
  { order }: SessionState,
  {
    runId,
    messageId,
    userMessageId,
    trigger,
  }: Pick<SessionRun, 'runId' | 'messageId' | 'userMessageId' | 'trigger'>,
  id: string,
): boolean {
  const isRegenerated = trigger === 'regenerate-message' && order[order.indexOf(messageId) - 1] === id;
  return runId === id || userMessageId === id || isRegenerated;
}

/** A message of this client that the session does not have. */
export interface UnsentMessage {
  /** The id in `messages`. */
  readonly messageId: string;
  /** `sending`: without a response yet. `waiting`: for its turn or for the network. `refused`: not sent again. */
  readonly status: 'sending' | 'waiting' | 'refused';
  /** Why it was refused. */
  readonly error?: Error;
}

/** New and changed messages that the session does not have. */
export function unsentOf({ sends }: Client): UnsentMessage[] {
  return sends.flatMap((send): UnsentMessage | readonly UnsentMessage[] => {
    const messageId = send.message.id;
    if (send.isLogged || send.kind === 'continue') return [];
    if (send.state === 'refused') return { messageId, status: 'refused', error: send.error };
    if (send.state === 'posting') return { messageId, status: 'sending' };
    return send.state === 'queued' || send.state === 'offline' ? { messageId, status: 'waiting' } : [];
  });
}

/** The message whose send was refused with `error`. */
export function refusedMessageId({ sends }: Client, error: Error | undefined): string | undefined {
  return sends.findLast((send) => send.state === 'refused' && send.error === error)?.message.id;
}
