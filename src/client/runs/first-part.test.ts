import type { UIMessageChunk } from 'ai';
import { expect, it } from 'vitest';
import { fromFirstPart } from './first-part.ts';

const start: UIMessageChunk = { type: 'start', messageId: 'm' };
const step: UIMessageChunk = { type: 'start-step' };
const text: UIMessageChunk = { type: 'text-start', id: '1' };
const finish: UIMessageChunk = { type: 'finish', finishReason: 'stop' };
const notice: UIMessageChunk = { type: 'data-notice', data: 1, transient: true };
const metadata: UIMessageChunk = { type: 'message-metadata', messageMetadata: { mood: 'good' } };

it.each<[string, UIMessageChunk[], UIMessageChunk[][]]>([
  ['text', [start, step, text, finish], [[], [], [start, step, text], [finish]]],
  [
    'nothing at all',
    [start, step, { type: 'finish-step' }, finish],
    [[], [], [{ type: 'finish-step' }], [finish]],
  ],
  [
    'an error',
    [start, { type: 'error', errorText: 'It broke.' }],
    [[], [{ type: 'error', errorText: 'It broke.' }]],
  ],
  ['transient data, then text', [start, notice, text], [[], [notice], [start, text]]],
  ['metadata', [start, metadata], [[], [start, metadata]]],
  ['a second step', [start, text, step, text], [[], [start, text], [step], [text]]],
])('an answer that begins with %s is shown from its first part', (_, chunks, given) => {
  const take = fromFirstPart();
  expect(chunks.map((chunk) => [...take(chunk)])).toEqual(given);
});

it('an answer that begins with metadata is shown at once', () => {
  const named: UIMessageChunk = { ...start, messageMetadata: { mood: 'good' } };
  expect(fromFirstPart()(named)).toEqual([named]);
});
