// What is read from the client's state.

import { runsOf, type SessionRun } from '../../protocol/session-state.ts';
import { isOpen, type Client } from './sends.ts';

/** Whether nothing keeps a send from being posted: a stop that waits goes first, and sends arrive in their order. */
export function isItsTurn({ sends, stops }: Client, key: string): boolean {
  const before = sends.slice(
    0,
    sends.findIndex((send) => send.key === key),
  );
  return (
    stops.every(({ state }) => state !== 'waiting') && before.every((send) => !isOpen(send) || send.isLogged)
  );
}

/** Whether a request to send has no answer yet. */
export function isSending({ sends }: Client): boolean {
  return sends.some(({ state }) => state === 'posting');
}

/** Whether a send of this client started the run. */
export function isOwn({ sends }: Client, runId: string): boolean {
  return sends.some((send) => 'runId' in send && send.runId === runId);
}

/** Whether the run can be that of a send which has no answer yet: the send itself will read it. */
function isAwaited({ sends }: Client, run: SessionRun): boolean {
  return sends.some((send) => {
    if (!isOpen(send)) return false;
    if (send.kind === 'continue') return run.messageId === send.message.id;
    if (run.userMessageId !== undefined) return run.userMessageId === send.message.id;
    return send.kind === 'regenerate' && run.trigger === 'regenerate-message';
  });
}

/** The run to read next: one that is running, that the chat does not read, and that no send waits for. */
export function nextRun(client: Client, runs: readonly SessionRun[]): SessionRun | undefined {
  return runs.find(
    (run) => run.status === 'running' && !client.reads.has(run.runId) && !isAwaited(client, run),
  );
}

/** Runs that have not ended, a stop that is on its way included. */
export function runsWithStops({ session, stops }: Client): SessionRun[] {
  const stopped = new Set(stops.map(({ id }) => id));
  const isStopped = ({ runId, userMessageId = '' }: SessionRun) =>
    stopped.has(runId) || stopped.has(userMessageId);
  return session ? runsOf(session).map((run) => (isStopped(run) ? { ...run, status: 'stopping' } : run)) : [];
}

/** A send that the session does not have, as an app sees it. */
export interface UnsentMessage {
  readonly messageId: string;
  /** `sending` has no answer yet, `waiting` waits for its turn or for the network, and `refused` is not sent again. */
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
