import { convertToModelMessages, type UIMessage } from 'ai';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogFrame } from '../../protocol/frames.ts';
import { applyFrame } from '../../protocol/fold.ts';
import { emptySession, type SessionState } from '../../protocol/session-state.ts';
import { passedApprovals, readableHistory } from './readable-history.ts';

type Part = UIMessage['parts'][number];

const session = (messages: readonly UIMessage[]): SessionState =>
  messages.map((message): LogFrame => ({ type: 'message', message })).reduce(applyFrame, emptySession);
const call = (toolCallId: string, more: object): Part =>
  ({ type: 'tool-t', toolCallId, input: {}, ...more }) as unknown as Part; // the SDK's states, one of which `more` names

const states = fc.constantFrom<object>(
  { state: 'input-streaming' },
  { state: 'input-available' },
  { state: 'approval-requested', approval: { id: 'p' } },
  { state: 'approval-responded', approval: { id: 'p', approved: true } },
  { state: 'approval-responded', approval: { id: 'p', approved: false } },
  { state: 'output-available', output: 1 },
  { state: 'output-available', output: 1, preliminary: true },
  { state: 'output-error', errorText: 'e' },
  { state: 'output-denied', approval: { id: 'p', approved: false } },
);
const histories = fc
  .array(fc.array(states, { maxLength: 3 }), { minLength: 1, maxLength: 4 })
  .map((answers) =>
    answers.flatMap((calls, turn): UIMessage[] => [
      { id: `u${turn}`, role: 'user', parts: [{ type: 'text', text: 'go' }] },
      {
        id: `a${turn}`,
        role: 'assistant',
        parts: calls.map((state, index) => call(`${turn}-${index}`, state)),
      },
    ]),
  );

describe('the messages that a handler reads', () => {
  it('G11: every call in them has a result, from any state', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (messages) => {
        const state = session([
          ...messages,
          { id: 'u', role: 'user', parts: [{ type: 'text', text: 'next' }] },
        ]);
        const read = readableHistory(applyFrame(state, start('r', 'new')), 'new');
        expect(read.map(({ id }) => id)).toEqual([...messages.map(({ id }) => id), 'u']);
        const called = new Set<string>();
        for (const { role, content } of await convertToModelMessages(read)) {
          for (const part of typeof content === 'string' ? [] : content) {
            if (part.type === 'tool-call') called.add(part.toolCallId);
            if (part.type === 'tool-result') called.delete(part.toolCallId);
          }
          if (role === 'user') expect([...called]).toEqual([]);
        }
      }),
    );
  });

  it('the message that the run continues equals the log’s, and the log is not changed', () => {
    const asking: UIMessage = {
      id: 'a',
      role: 'assistant',
      parts: [call('c', { state: 'approval-responded', approval: { id: 'p', approved: true } })],
    };
    const passed: UIMessage = { ...asking, id: 'b', parts: [call('d', { state: 'input-available' })] };
    const state = session([passed, asking]);
    const read = readableHistory(applyFrame(state, start('r', 'a')), 'a');
    expect(read[0]?.parts).toMatchObject([{ state: 'output-error' }]);
    expect(read[1]).toBe(asking);
    expect(state.byId.get('b')).toBe(passed);
  });

  it('denies the open approvals before the run’s message, and nothing else', () => {
    const requested = call('c', { state: 'approval-requested', approval: { id: 'p' } });
    const open = call('d', { state: 'input-available' });
    const state = session([
      { id: 'a', role: 'assistant', parts: [requested, open] },
      { id: 'b', role: 'assistant', parts: [{ ...requested, toolCallId: 'e' } as Part] },
    ]);
    expect(passedApprovals(applyFrame(state, start('r', 'b')), 'b', 'x')).toMatchObject([
      { messageId: 'a', toolCallId: 'c', outcome: { approved: false } },
    ]);
  });
});

function start(runId: string, messageId: string): LogFrame {
  return { type: 'run-start', runId, messageId, trigger: 'submit-message', at: 1 };
}
