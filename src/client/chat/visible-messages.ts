// What a Chat should show: the log's messages, the ones it is streaming itself, and what it has just sent.

import type { UIMessage } from 'ai';
import type { SessionState } from '../../protocol/session-state.ts';

export interface MergeInput<M extends UIMessage> {
  readonly state: SessionState;
  /** Whether the server has never had anything of the session. */
  readonly isNew: boolean;
  /** What the chat shows now. */
  readonly shown: readonly M[];
  /** Messages that the chat itself is writing. */
  readonly isWriting: (messageId: string) => boolean;
  /** Messages of runs that the chat cannot follow itself, as far as they are. */
  readonly mirrored: ReadonlyMap<string, M>;
  /** Messages that the chat has sent and the log may not show yet. */
  readonly isPending: (messageId: string) => boolean;
}

/** The messages to show; undefined when that is what is shown already. */
export function mergeMessages<M extends UIMessage>(input: MergeInput<M>): M[] | undefined {
  const { state, shown, isWriting, isPending, mirrored } = input;
  // A session that the server does not know yet begins with what the app has.
  if (input.isNew) return undefined;
  const local = new Map(shown.map((message) => [message.id, message]));
  const placed = new Set(state.order);
  const merged = state.order.flatMap((id): M[] => {
    const mine = mirrored.get(id) ?? local.get(id);
    if (mine && isWriting(id)) return [mine];
    const logged = state.byId.get(id) as M | undefined; // the app's own message type
    if (!logged) return [];
    return [mine && equal(mine, logged) ? mine : logged];
  });
  // An answer that came without the session, because its store was down, stands behind what it answers. What a run
  // of the session has written is in the log, or gone.
  let pending = false;
  const sent = shown.filter(({ id, role }) => {
    if (role === 'user') pending = isPending(id);
    return pending && !placed.has(id) && !isWrittenByRun(state, id);
  });
  const next = [...merged, ...sent];
  const same = next.length === shown.length && next.every((message, index) => message === shown[index]);
  return same ? undefined : next;
}

function isWrittenByRun({ active, ended }: SessionState, messageId: string): boolean {
  return [...active, ...ended.values()].some((run) => run.messageId === messageId);
}

/** Equal as JSON, which is how the log holds it. An equal message keeps its identity, so nothing re-renders. */
function equal(shown: UIMessage, logged: UIMessage): boolean {
  if (shown === logged || knownEqual.get(shown) === logged) return true;
  const same = JSON.stringify(shown) === JSON.stringify(logged);
  if (same) knownEqual.set(shown, logged);
  return same;
}

/** Compared once, not with every frame. */
const knownEqual = new WeakMap<UIMessage, UIMessage>();
