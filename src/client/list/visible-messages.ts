// The messages that a Chat shows: the log's messages, the changes of its own sends that are not in the log yet, and the
// answers that the chat is writing.

import type { UIMessage } from 'ai';
import { isOpen, type Changes, type Client, type Send } from '../sends/client-state.ts';
import { equal, isSame } from '../../lib/equal.ts';

/**
 * The messages to show, in their order.
 *
 * @param client - the client's state
 * @param shown - the chat's current messages. Unchanged messages keep their identity
 * @param mirrored - messages of runs that the chat cannot read itself, as far as they are
 * @returns undefined when that is what is shown already
 */
export function visibleMessages<M extends UIMessage>(
  client: Client,
  shown: readonly M[],
  mirrored: ReadonlyMap<string, M> = new Map(),
): M[] | undefined {
  const { session } = client;
  if (!session) return undefined;
  const local = new Map(shown.map((message) => [message.id, message]));
  const isWritten = writtenIn(client);
  const logged = session.order.flatMap((id): M[] => {
    const mine = newerOf(local.get(id), mirrored.get(id));
    if (mine && isWritten(id)) return [mine];
    const message = session.byId.get(id) as M | undefined; // the app's own message type
    if (!message) return [];
    return [mine && equal(mine, message) ? mine : message];
  });
  // A session that the server does not know yet begins with what the app has.
  const base = client.hasBegun ? logged : [...shown];
  const sent = client.sends.reduce((list, send) => withSend(list, send, shown, local, client), base);
  const next = withChanges(sent, client.intent);
  return isSame(next, shown) ? undefined : next;
}

/** What a run is still writing is not in the log: the chat's own version stands until it is. */
function writtenIn({ session, sends, reads }: Client): (messageId: string) => boolean {
  const written = new Set(session?.active.map(({ messageId }) => messageId));
  for (const [runId, how] of reads) {
    const ended = how === 'reading' && session?.ended.get(runId);
    if (ended) written.add(ended.messageId);
  }
  for (const send of sends) {
    if (send.kind === 'continue' && (isOpen(send) || send.state === 'accepted')) written.add(send.message.id);
    if (send.state === 'accepted' && send.answerId !== undefined) written.add(send.answerId);
  }
  return (messageId) => written.has(messageId);
}

function withChanges<M extends UIMessage>(list: M[], changes: Changes | undefined): M[] {
  if (!changes) return list;
  const edited = new Map(changes.edited.map((message) => [message.id, message as M])); // set by the app
  return list.flatMap((message) =>
    changes.removed.includes(message.id) ? [] : (edited.get(message.id) ?? message),
  );
}

/** The list with what a send changes, as long as the log does not show that. */
function withSend<M extends UIMessage>(
  logged: M[],
  send: Send,
  shown: readonly M[],
  local: ReadonlyMap<string, M>,
  client: Client,
): M[] {
  const { kind, message, state } = send;
  if (state === 'logged' || state === 'lost') return logged;
  const list = state === 'refused' ? logged : withChanges(logged, send.changes);
  if (kind === 'continue') return list;
  const own = local.get(message.id) ?? (message as M); // as this chat has sent it
  const index = list.findIndex(({ id }) => id === message.id);
  if (state === 'refused') {
    if (index !== -1) return kind === 'edit' ? insert(list, index, [own], 1) : list;
    const before = list.findIndex(({ id }) => id === send.afterMessageId);
    const at = before === -1 && send.afterMessageId !== undefined ? list.length : before + 1;
    return insert(list, at, [own]);
  }
  // The log has had it: if it is gone, it is gone.
  if (send.isLogged && index === -1) return list;
  const isChange = kind !== 'new' && index !== -1;
  const changed = isChange ? [...list.slice(0, index), own] : index === -1 ? [...list, own] : list;
  const at = changed.findIndex(({ id }) => id === message.id) + 1;
  return insert(changed, at, answersOf(send, shown, local, changed, client));
}

function insert<M>(list: readonly M[], at: number, added: readonly M[], removed = 0): M[] {
  return [...list.slice(0, at), ...added, ...list.slice(at + removed)];
}

/** What answers a send and is not in the log. */
function answersOf<M extends UIMessage>(
  send: Send,
  shown: readonly M[],
  local: ReadonlyMap<string, M>,
  list: readonly M[],
  client: Client,
): M[] {
  const isListed = (messageId: string) => list.some(({ id }) => id === messageId);
  if (send.state === 'accepted') {
    const answer = local.get(send.answerId ?? '');
    return answer && !isListed(answer.id) ? [answer] : [];
  }
  // One that came without the session stands after what it answers. What a run has written is in the log, or gone.
  if (send.state !== 'passed') return [];
  const at = shown.findIndex(({ id }) => id === send.message.id);
  const end = shown.findIndex(({ role }, index) => index > at && role === 'user');
  const following = at === -1 ? [] : shown.slice(at + 1, end === -1 ? undefined : end);
  return following.filter(({ id }) => !isListed(id) && !isWrittenByRun(client, id));
}

/** The newer one, unless it says the same. */
function newerOf<M extends UIMessage>(shown: M | undefined, newer: M | undefined): M | undefined {
  return shown && newer && equal(shown, newer) ? shown : (newer ?? shown);
}

function isWrittenByRun({ session }: Client, messageId: string): boolean {
  const runs = session ? [...session.active, ...session.ended.values()] : [];
  return runs.some((run) => run.messageId === messageId);
}
