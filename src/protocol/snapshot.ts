// A session as a snapshot on the wire, and back.

import type { SnapshotFrame, SnapshotRun } from './frames.ts';
import type { ActiveRun, SessionState } from './session-state.ts';

/** What a state does not know of an active run. */
export type Written = Pick<SnapshotRun, 'count' | 'chunks' | 'durability'>;

/** With all fields, so that a forgotten one does not compile. */
type WholeSnapshot = Required<Omit<SnapshotFrame, 'begun'>> & { readonly begun: boolean };

/**
 * The snapshot that stands for `state`. A field of the snapshot or of the state that is forgotten here does not compile.
 *
 * @param written - the chunks of an active run
 * @param endedKept - how many of the ended runs it names, from the last one back
 */
export function toSnapshot(
  state: SessionState,
  written: (run: ActiveRun) => Written,
  endedKept: number = Infinity,
): SnapshotFrame {
  const { order, byId, active, outcomes, seeded, begun, ended, barred: _barred, ...rest } = state;
  rest satisfies Record<string, never>;
  const messages = order.flatMap((id) => byId.get(id) ?? []);
  const {
    begun: isBegun,
    seeded: named,
    ...frame
  }: WholeSnapshot = {
    type: 'snapshot',
    messages,
    runs: active.map((run) => {
      const { send: _send, reports: _reports, subscriptionId: _subscriptionId, ...seen } = run;
      return { ...seen, ...placeOf(order, run.messageId), ...written(run) };
    }),
    ended: [...ended].slice(-endedKept).map(([runId, end]) => ({ runId, ...end })),
    outcomes,
    begun,
    seeded: messages.flatMap(({ id }) => (seeded.has(id) ? id : [])),
  };
  return { ...frame, ...(isBegun && { begun: true }), ...(named.length > 0 && { seeded: named }) };
}

function placeOf(order: readonly string[], messageId: string): Pick<SnapshotRun, 'afterMessageId'> {
  const index = order.indexOf(messageId);
  return index === -1 ? {} : { afterMessageId: order[index - 1] ?? null };
}

/** The state that a snapshot stands for. */
export function fromSnapshot(snapshot: SnapshotFrame): SessionState {
  const { messages, runs, ended, outcomes, seeded, begun } = snapshot;
  const order = messages.map(({ id }) => id);
  for (const { messageId, afterMessageId } of runs) {
    if (afterMessageId === undefined || order.includes(messageId)) continue;
    order.splice(afterMessageId === null ? 0 : order.indexOf(afterMessageId) + 1, 0, messageId);
  }
  return {
    order,
    byId: new Map(messages.map((message) => [message.id, message])),
    active: runs.map(({ afterMessageId: _after, count: _count, chunks: _chunks, ...run }) => run),
    ended: new Map(ended.map(({ runId, ...end }) => [runId, end])),
    barred: new Set(),
    outcomes,
    seeded: new Set(seeded),
    begun: begun === true || messages.length > 0 || runs.length > 0 || ended.length > 0,
  };
}
