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
    const mine = sameOf(local.get(id), mirrored.get(id));
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

/** The newer one, unless it says the same. */
function sameOf<M extends UIMessage>(shown: M | undefined, newer: M | undefined): M | undefined {
  return shown && newer && equal(shown, newer) ? shown : (newer ?? shown);
}

function isWrittenByRun({ active, ended }: SessionState, messageId: string): boolean {
  return [...active, ...ended.values()].some((run) => run.messageId === messageId);
}

/**
 * Equal as JSON, which is how the log holds it, in whatever order the keys are. An equal message keeps its identity, so
 * nothing re-renders.
 */
function equal(shown: UIMessage, logged: UIMessage): boolean {
  if (shown === logged || knownEqual.get(shown) === logged) return true;
  const same = isEqual(shown, logged);
  if (same) knownEqual.set(shown, logged);
  return same;
}

function isEqual(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  // JSON has no `undefined`: such a field is not there.
  return [...keys].every((key) => isEqual((a as Fields)[key], (b as Fields)[key]));
}

type Fields = Readonly<Record<string, unknown>>;

/** Compared once, not with every frame. */
const knownEqual = new WeakMap<UIMessage, UIMessage>();
