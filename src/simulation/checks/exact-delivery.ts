// G1: what the log keeps of a run, and what its sender has read, is what its handler has emitted. G5: a send has one run, and
// a run calls the handler once.

import type { Check } from './check.ts';
import { logOf } from './logs.ts';
import { textIn } from './text.ts';

export const exactDelivery: Check = async (stage) => {
  const { evidence, sessions, pages } = stage;
  for (const [runId, calls] of evidence.calls)
    evidence.demand(
      calls.length === 1,
      'G5',
      () => `run ${runId} has called the handler ${calls.length} times`,
    );
  for (const [messageId, count] of evidence.answers())
    evidence.demand(
      count <= (evidence.asked.get(messageId) ?? 0),
      'G5',
      () => `message ${messageId} was sent ${evidence.asked.get(messageId)} times and has ${count} runs`,
    );
  for (const sessionId of sessions) {
    const state = (await logOf(stage, sessionId))?.state;
    for (const [runId, end] of state?.ended ?? []) {
      const call = evidence.calls.get(runId)?.[0];
      const message = state?.byId.get(end.messageId);
      const said = textIn(call?.said ?? []);
      const kept = message?.parts.map((part) => (part.type === 'text' ? part.text : '')).join('') ?? '';
      const isWhole = end.reason === 'finish' && message !== undefined;
      evidence.demand(
        isWhole ? said === kept : said.startsWith(kept),
        'G1',
        () => `run ${runId} (${end.reason}) said "${said}", and its message is "${kept}"`,
      );
    }
    for (const page of pages)
      for (const { message, chunks, state: how } of page.sends) {
        const call = evidence.callFor(message.id);
        const said = textIn(call?.said ?? []);
        const read = textIn(chunks);
        const end = call && state?.ended.get(call.runId);
        // A page that was disturbed at the end of a run can miss its last chunks: it shows the log's message then.
        const isWhole = how === 'done' && end?.reason === 'finish' && !evidence.isDisturbed;
        evidence.demand(
          isWhole ? read === said : said.startsWith(read),
          'G1',
          () =>
            `${page.process.name} has read "${read}" of the answer to ${message.id} (${end?.reason}), which said "${said}"`,
        );
      }
  }
};
