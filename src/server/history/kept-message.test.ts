import type { UIMessage, UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import type { RunEndReason } from '../../protocol/frames.ts';
import { keptMessage } from './kept-message.ts';

const reasons: RunEndReason[] = ['finish', 'stop', 'error', 'interrupted'];
const nested = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels)) as unknown;
const text: UIMessageChunk[] = [
  { type: 'text-start', id: '0' },
  { type: 'text-delta', id: '0', delta: 'said' },
  { type: 'text-end', id: '0' },
];
/** Messages that an earlier version can have stored. */
const chunks = (levels: number): UIMessageChunk[] => [
  { type: 'start', messageId: 'm' },
  { type: 'tool-input-available', toolCallId: 'c', toolName: 'ask', input: {} },
  { type: 'tool-output-available', toolCallId: 'c', output: nested(levels) },
  ...text,
];
const base = (levels: number): UIMessage => ({
  id: 'm',
  role: 'assistant',
  metadata: nested(levels),
  parts: [{ type: 'data-x', data: nested(levels) }],
});

describe.each([600, 3_000, 5_000, 100_000])('with %i levels', (levels) => {
  it.each(reasons)(
    'of a run that ends with %s, the readable part is kept, and no call waits',
    async (reason) => {
      const { message } = await keptMessage(chunks(levels), undefined, reason);
      const state = levels === 600 ? 'output-available' : 'output-error';
      expect(message?.parts).toMatchObject([{ toolCallId: 'c', state }, { text: 'said' }]);
    },
  );

  it.each(reasons)('of a message that a run continues until %s, the rest is kept', async (reason) => {
    const { message } = await keptMessage(text, base(levels), reason);
    expect(message?.parts).toMatchObject([{ type: levels === 600 ? 'data-x' : 'text' }, { text: 'said' }]);
    expect(message && 'metadata' in message).toBe(levels === 600);
  });
});

it('a message that cannot be read stays as it is', async () => {
  const odd = { ...base(1), other: nested(100_000) };
  expect(await keptMessage(text, odd, 'finish')).toEqual({});
});
