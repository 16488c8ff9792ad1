// The items that the conversation shows, as a pure function of the hook's messages and runs.
import type { DemoChat, DemoMessage, SessionRun } from './chat';

/** A message is complete, being written, about to be stopped, waiting for its turn or for the network, or refused. */
type Standing = 'idle' | 'writing' | 'stopping' | 'queued' | 'unsent' | 'refused';

/** Why an answer was interrupted. `ended`: its server process ended. */
const INTERRUPTIONS = ['ended', 'deadline', 'store', 'too_large'] as const;
type Interruption = (typeof INTERRUPTIONS)[number];

/** How an answer ended, if the page shows it. Known for the runs in the session's `ended`. */
export type Ending = 'stopped' | 'replaced' | 'missed' | Interruption;

export function isInterruption(ending: Ending): ending is Interruption {
  return INTERRUPTIONS.some((one) => one === ending);
}

export interface MessageItem {
  type: 'message';
  message: DemoMessage;
  standing: Standing;
  /** The run to withdraw, if the message waits for its turn. */
  runId: string | undefined;
  ending: Ending | undefined;
  /** It is being written, and the store fails at the moment. */
  unsaved: boolean;
  /** No message follows, so a question in it can still be answered. */
  last: boolean;
}

/** An answer that has no part yet. */
interface PendingItem {
  type: 'pending';
  key: string;
  standing: 'writing' | 'stopping';
}

export type Item = MessageItem | PendingItem;

type View = Pick<DemoChat, 'messages' | 'runs' | 'status' | 'connection' | 'unsent' | 'ended'>;

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
  // The page's own request is shown before the session reports its run.
  const ahead = active.length === 0 && isRunning(view);
  if (ahead && end?.role === 'assistant') writing.set(end.id, 'writing');

  const items = messages.map((message): Item => {
    const runId = queued.get(message.id);
    const rest = unsentOf(view, message);
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

/** Whether the message was sent without a connection, or was refused. */
function unsentOf({ connection, unsent }: View, { id }: DemoMessage): Standing {
  const send = unsent.find(({ messageId }) => messageId === id);
  if (send?.status === 'refused') return 'refused';
  return send && connection !== 'connected' ? 'unsent' : 'idle';
}

function standingOf({ status }: SessionRun): 'writing' | 'stopping' {
  return status === 'stopping' ? 'stopping' : 'writing';
}

function endingsOf({ ended }: View): Map<string, Ending> {
  const endings = new Map<string, Ending>();
  for (const { messageId, reason, interruptedBy, cause, missed } of ended.values()) {
    if (reason === 'stop') endings.set(messageId, interruptedBy === undefined ? 'stopped' : 'replaced');
    else if (reason === 'interrupted') endings.set(messageId, cause ?? 'ended');
    else if (missed !== undefined) endings.set(messageId, 'missed');
    else endings.delete(messageId);
  }
  return endings;
}
