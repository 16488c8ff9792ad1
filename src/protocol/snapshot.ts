// A snapshot on the wire, as the state that it stands for.

import type { SnapshotFrame } from './frames.ts';
import type { SessionState } from './session-state.ts';

export function fromSnapshot({
  messages,
  runs,
  ended,
  outcomes,
  seeded,
  begun,
}: SnapshotFrame): SessionState {
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
