// G1: what the log keeps of a run, and what its sender has read, is what its handler has emitted. G5: a send has one run, and
// a run calls the handler once.

import type { LogEntry } from '../../protocol/entries.ts';
import type { Call } from './evidence.ts';
import type { Check } from './check.ts';
import { logOf } from './logs.ts';
import { textIn } from './text.ts';

/** Compares what handlers have emitted with the log and with what the origins have read. */
export const exactDelivery: Check = async (stage) => {
  const { evidence, sessions, pages } = stage;
  for (const [runId, calls] of evidence.calls)
    evidence.demand(
      calls.length === 1,
      'G5',
      () => `run ${runId} has called the handler ${calls.length} times`,
    );
  for (const [send, count] of evidence.runsOfSends())
    evidence.demand(count === 1, 'G5', () => `send ${send} has ${count} runs`);
  for (const sessionId of sessions) {
    const log = await logOf(stage, sessionId);
    if (!log) continue; // `settles` says so
    const { state, entries } = log;
    const writers = writersIn(entries);
    for (const [runId, end] of state.ended) {
      if (writers.get(end.messageId) !== runId) continue;
      const said = evidence.calls.get(runId)?.[0]?.said ?? [];
      const message = state.byId.get(end.messageId);
      const kept = message?.parts.map((part) => (part.type === 'text' ? part.text : '')).join('') ?? '';
      const counted = textIn(said.slice(0, end.chunks));
      evidence.demand(
        counted === kept,
        'G1',
        () => `run ${runId} (${end.reason}) said "${counted}", and its message is "${kept}"`,
      );
      evidence.demand(
        end.reason !== 'finish' || (message !== undefined && end.chunks === said.length),
        'G1',
        () => `run ${runId} finished with ${said.length} chunks, and the log has ${end.chunks}`,
      );
    }
    const asked = new Set(entries.flatMap(({ frames }) => frames.flatMap(askedBy)));
    for (const page of pages) {
      if (page.sessionId !== sessionId) continue;
      for (const { name, trigger, message, chunks, state: how } of page.sends) {
        const calls = evidence.callsFor(name);
        const read = textIn(chunks);
        const fits = ({ runId, said }: Call) => {
          // A page that was disturbed at the end of a run can miss its last chunks: it shows the log's message then.
          const isFinished = state.ended.get(runId)?.reason === 'finish';
          const isWhole = how === 'done' && isFinished && !evidence.isDisturbed;
          return isWhole ? read === textIn(said) : textIn(said).startsWith(read);
        };
        evidence.demand(
          calls.length === 0 ? read === '' : calls.some(fits),
          'G1',
          () =>
            `${page.process.name} has read "${read}" of the answer to ${name}, which said "${calls.map(({ said }) => textIn(said)).join('" or "')}"`,
        );
        // A regeneration that was stopped before its turn leaves no trace.
        const isTraced = trigger === 'submit-message' && !evidence.lost.has(sessionId);
        evidence.demand(
          how !== 'done' || !isTraced || calls.length > 0 || asked.has(message.id),
          'G5',
          () => `send ${name} of message ${message.id} is done, and there is no run`,
        );
      }
    }
  }
};

type Frame = LogEntry['frames'][number];

/** The user message that a run came with. */
function askedBy(frame: Frame): readonly string[] {
  return frame.type === 'run-start' && frame.userMessageId !== undefined ? [frame.userMessageId] : [];
}

/** The run that has written each answer, of those answers that nothing has removed since. It does not use the product's fold. */
function writersIn(entries: readonly LogEntry[]): Map<string, string> {
  let order: string[] = [];
  const writers = new Map<string, string>();
  const place = (id: string) => {
    if (!order.includes(id)) order.push(id);
  };
  const remove = (ids: readonly string[]) => {
    order = order.filter((id) => !ids.includes(id));
    for (const id of ids) writers.delete(id);
  };
  for (const frame of entries.flatMap(({ frames }) => frames)) {
    if (frame.type === 'message') place(frame.message.id);
    else if (frame.type === 'run-start') {
      place(frame.messageId);
      writers.set(frame.messageId, frame.runId);
    } else if (frame.type === 'truncate') {
      if (order.includes(frame.messageId)) remove(order.slice(order.indexOf(frame.messageId)));
    } else if (frame.type === 'message-delete') remove('all' in frame ? order : [frame.messageId]);
  }
  return writers;
}
