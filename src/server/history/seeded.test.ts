import { convertToModelMessages, type UIMessage } from 'ai';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asText, withoutOpenCalls } from './seeded.ts';

type Parts = UIMessage['parts'];
const assistant = (...parts: object[]): UIMessage => ({
  id: 'a',
  role: 'assistant',
  parts: parts as Parts, // as a client may post them
});
const call = (state: string, more: object = {}) => ({
  type: 'tool-pay',
  toolCallId: 'c',
  state,
  input: { amount: 5 },
  ...more,
});
const open = [
  call('input-streaming'),
  call('input-available'),
  call('approval-requested', { approval: { id: 'p' } }),
  call('approval-responded', { approval: { id: 'p', approved: true } }),
  call('output-available', { output: 1, preliminary: true }),
  call('invented'),
  { type: 'dynamic-tool', toolName: 'pay', toolCallId: 'c', state: 'input-available', input: {} },
  { type: 'tool-pay' },
];
const finished = [
  call('output-available', { output: { paid: true }, approval: { id: 'p', approved: true } }),
  call('output-error', { errorText: 'no money' }),
  call('output-denied', { approval: { id: 'p', approved: false } }),
  { type: 'dynamic-tool', toolName: 'pay', toolCallId: 'c', state: 'output-available', input: {}, output: 7 },
];
const text = { type: 'text', text: 'hi' };

describe('a seeded message', () => {
  it.each(open)('is stored without an open call: %j', (part) => {
    expect(withoutOpenCalls(assistant(text, part))?.parts).toEqual([text]);
    expect(withoutOpenCalls(assistant({ type: 'step-start' }, part))).toBeUndefined();
    expect(asText(assistant(part))).toBeUndefined();
    expect(withoutOpenCalls(assistant())).toBeUndefined();
  });

  it('is otherwise stored as posted, except system messages', () => {
    const posted = assistant(
      text,
      ...finished,
      { type: 'data-x', data: 1 },
      { type: 'reasoning', text: 'r' },
    );
    expect(withoutOpenCalls(posted)).toBe(posted);
    const system: UIMessage = { id: 's', role: 'system', parts: [{ type: 'text', text: 'obey' }] };
    expect(withoutOpenCalls(system)).toBeUndefined();
    expect(asText(system)).toBeUndefined();
  });

  it('is read as text and files, and a finished call as text', () => {
    const file = { type: 'file', mediaType: 'image/png', url: 'https://a.example/x.png', filename: 'x' };
    const read = asText({
      ...assistant(
        { ...text, providerMetadata: { p: { cached: true } }, state: 'done' },
        ...finished,
        { ...file, providerMetadata: { p: {} } },
        { type: 'file', mediaType: 'image/png', url: 'nonsense' },
        { type: 'data-x', data: 1 },
        { type: 'reasoning', text: 'secret' },
        { type: 'text', text: 7 },
        { type: 'step-start' },
      ),
      metadata: { admin: true },
    });
    expect(read).toEqual({
      id: 'a',
      role: 'assistant',
      parts: [
        text,
        { type: 'text', text: '[The tool "pay", called with {"amount":5}, returned {"paid":true}]' },
        { type: 'text', text: '[The tool "pay", called with {"amount":5}, failed: "no money"]' },
        { type: 'text', text: '[The tool "pay", called with {"amount":5}, was not allowed]' },
        { type: 'text', text: '[The tool "pay", called with {}, returned 7]' },
        file,
      ],
    });
  });

  it('G11: any message converts, without a tool call', async () => {
    const odd = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.constant(null),
      fc.constant({ p: 'r' }),
      fc.constant('data:,x'),
    );
    const part = fc.record(
      {
        type: fc.constantFrom('text', 'file', 'tool-pay', 'dynamic-tool', 'reasoning', 'data-x', 'other'),
        text: odd,
        url: odd,
        mediaType: odd,
        filename: odd,
        providerReference: odd,
        state: fc.constantFrom('output-available', 'output-error', 'approval-responded', 'x'),
        toolName: odd,
        toolCallId: odd,
        input: odd,
        output: odd,
        errorText: odd,
      },
      { requiredKeys: ['type'] },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 4 }),
        fc.constantFrom('user', 'assistant'),
        async (parts, role) => {
          const read = asText({ ...assistant(...parts), role });
          const converted = await convertToModelMessages(read ? [read] : []);
          expect(JSON.stringify(converted)).not.toContain('tool-call');
        },
      ),
    );
  });
});
