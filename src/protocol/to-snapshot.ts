// A state as a snapshot on the wire. It stands apart from `fromSnapshot` because clients load it later.

import type { SnapshotFrame, SnapshotRun } from './frames.ts';
import type { ActiveRun, SessionState } from './session-state.ts';

/** What a state does not know of an active run. */
export type Written = Pick<SnapshotRun, 'count' | 'chunks' | 'durability'>;

/** With all fields, so that none is forgotten. */
type WholeSnapshot = Required<Omit<SnapshotFrame, 'begun'>> & { readonly begun: boolean };

/**
 * The snapshot that stands for `state`; of the runs that have ended it names the last `endedKept`. A field of the snapshot
 * or of the state that is forgotten here does not compile.
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
      const { send: _send, reports: _reports, ...seen } = run;
      return { ...seen, ...placeOf(order, run.messageId), ...written(run) };
    }),
    ended: [...ended].slice(-endedKept).map(([runId, end]) => ({ runId, ...end })),
    outcomes,
    hasOlder: false,
    begun,
    seeded: messages.flatMap(({ id }) => (seeded.has(id) ? id : [])),
  };
  return { ...frame, ...(isBegun && { begun: true }), ...(named.length > 0 && { seeded: named }) };
}

function placeOf(order: readonly string[], messageId: string): Pick<SnapshotRun, 'afterMessageId'> {
  const index = order.indexOf(messageId);
  return index === -1 ? {} : { afterMessageId: order[index - 1] ?? null };
}
