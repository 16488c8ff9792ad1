// What the conversation shows, from the messages and the runs behind them: a pure function of the hook's state.
import type { DemoChat, DemoMessage, SessionRun } from './chat';

/**
 * Where a message stands: at rest, being written, written for the last moment, waiting for its turn, or waiting for
 * the network.
 */
type Standing = 'idle' | 'writing' | 'stopping' | 'queued' | 'unsent';

/** How an answer ended, where that is worth a word. The page knows it of the answers that it saw end. */
export type Ending = 'stopped' | 'replaced' | 'interrupted' | 'missed';

export interface MessageItem {
  type: 'message';
  message: DemoMessage;
  standing: Standing;
  /** The run to withdraw, of a message that waits. */
  runId: string | undefined;
  ending: Ending | undefined;
  /** It is being written, and the store does not take it for the moment. */
  unsaved: boolean;
  /** Nothing follows: what the message asks of the reader can be answered. */
  last: boolean;
}

/** An answer of which there is no word yet. */
interface PendingItem {
  type: 'pending';
  key: string;
  standing: 'writing' | 'stopping';
}

export type Item = MessageItem | PendingItem;

type View = Pick<DemoChat, 'messages' | 'runs' | 'status' | 'connection' | 'session'>;

export function isRunning({ status, runs }: Pick<View, 'status' | 'runs'>): boolean {
  return status === 'submitted' || status === 'streaming' || runs.some((run) => run.status === 'running');
}

export function itemsOf(view: View): Item[] {
  const { runs } = view;
  const messages = view.messages.filter(({ role }) => role !== 'system');
  const active = runs.filter(({ status }) => status !== 'queued');
  const queued = new Map(
    runs.flatMap((run) => (run.status === 'queued' ? [[run.userMessageId, run.runId]] : [])),
  );
  const writing = new Map(active.map((run) => [run.messageId, standingOf(run)]));
  const unsaved = new Set(active.flatMap((run) => (run.durability === 'degraded' ? run.messageId : [])));
  const endings = endingsOf(view);
  const end = messages.at(-1);
  // The page's own request is a moment ahead of what the session tells about it.
  const ahead = active.length === 0 && isRunning(view);
  if (ahead && end?.role === 'assistant') writing.set(end.id, 'writing');

  const items = messages.map((message): Item => {
    const runId = queued.get(message.id);
    const rest = isUnsent(view, message) ? 'unsent' : 'idle';
    const standing = runId === undefined ? (writing.get(message.id) ?? rest) : 'queued';
    const ending = standing === 'idle' ? endings.get(message.id) : undefined;
    const last = message === end;
    return { type: 'message', message, standing, runId, ending, last, unsaved: unsaved.has(message.id) };
  });
  for (const run of active) {
    if (messages.some(({ id }) => id === run.messageId)) continue;
    const asked = items.findIndex((item) => item.type === 'message' && item.message.id === run.userMessageId);
    const waits = items.findIndex((item) => item.standing === 'queued');
    const place = asked >= 0 ? asked + 1 : waits >= 0 ? waits : items.length;
    items.splice(place, 0, { type: 'pending', key: run.messageId, standing: standingOf(run) });
  }
  if (ahead && end?.role !== 'assistant' && items.at(-1)?.standing !== 'unsent') {
    items.push({ type: 'pending', key: 'ahead', standing: 'writing' });
  }
  return items;
}

/** Sent while there is no connection, and not in the session yet. */
function isUnsent({ connection, session }: View, { id, role }: DemoMessage): boolean {
  if (role !== 'user' || connection === 'connected' || session.outbox?.isEmpty !== false) return false;
  return session.getSnapshot().state?.order.includes(id) === false;
}

function standingOf({ status }: SessionRun): 'writing' | 'stopping' {
  return status === 'stopping' ? 'stopping' : 'writing';
}

function endingsOf({ session }: View): Map<string, Ending> {
  const endings = new Map<string, Ending>();
  for (const { messageId, reason, interruptedBy, missed } of session.getSnapshot().state?.ended.values() ??
    []) {
    if (reason === 'stop') endings.set(messageId, interruptedBy === undefined ? 'stopped' : 'replaced');
    else if (reason === 'interrupted') endings.set(messageId, 'interrupted');
    else if (missed !== undefined) endings.set(messageId, 'missed');
    else endings.delete(messageId);
  }
  return endings;
}
