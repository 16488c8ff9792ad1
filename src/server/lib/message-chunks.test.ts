import type { UIMessage } from 'ai';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunkStreams, foldChunks } from '../../test/fixtures/chunks.fixture.ts';
import { chunksOfMessage } from './message-chunks.ts';

const wire = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T; // JSON in, JSON out

const rebuilt = async (message: UIMessage) => wire((await foldChunks(chunksOfMessage(message)))!);

/** Message parts in every state that the SDK's types name and this library writes. */
const parts: Record<string, UIMessage['parts']> = {
  text: [{ type: 'text', text: 'a', state: 'done' }],
  'text with metadata': [{ type: 'text', text: 'a', state: 'done', providerMetadata: { p: { k: 1 } } }],
  'empty text': [{ type: 'text', text: '', state: 'done' }],
  steps: [
    { type: 'step-start' },
    { type: 'text', text: 'a', state: 'done' },
    { type: 'step-start' },
    { type: 'text', text: 'b', state: 'done' },
  ],
  sources: [
    { type: 'source-url', sourceId: '1', url: 'https://example.test', title: 't' },
    { type: 'source-document', sourceId: '2', mediaType: 'text/plain', title: 't', filename: 'f' },
  ],
  file: [{ type: 'file', mediaType: 'text/plain', url: 'https://example.test/f' }],
  data: [
    { type: 'data-x', id: '1', data: { n: 1 } },
    { type: 'data-x', data: null },
  ],
  'input-available': [{ type: 'tool-a', toolCallId: 'c', state: 'input-available', input: { q: 1 } }],
  'output-available': [
    { type: 'tool-a', toolCallId: 'c', state: 'output-available', input: {}, output: [1] },
  ],
  'preliminary output': [
    { type: 'tool-a', toolCallId: 'c', state: 'output-available', input: {}, output: 1, preliminary: true },
  ],
  'output-error': [{ type: 'tool-a', toolCallId: 'c', state: 'output-error', input: {}, errorText: 'no' }],
  'approval-requested': [
    { type: 'tool-a', toolCallId: 'c', state: 'approval-requested', input: {}, approval: { id: 'p' } },
  ],
  'approval-responded': [
    {
      type: 'tool-a',
      toolCallId: 'c',
      state: 'approval-responded',
      input: {},
      approval: { id: 'p', approved: true, reason: 'fine' },
    },
  ],
  'approved output': [
    {
      type: 'tool-a',
      toolCallId: 'c',
      state: 'output-available',
      input: {},
      output: 'done',
      approval: { id: 'p', approved: true },
    },
  ],
  'output-denied': [
    {
      type: 'tool-a',
      toolCallId: 'c',
      state: 'output-denied',
      input: {},
      approval: { id: 'p', approved: false, reason: 'no' },
    },
  ],
  'dynamic tool': [
    {
      type: 'dynamic-tool',
      toolName: 'a-b',
      toolCallId: 'c',
      state: 'output-available',
      input: 'text',
      output: 1,
      title: 't',
      providerExecuted: true,
    },
  ],
  reasoning: [{ type: 'reasoning', id: 'r1', text: 'a', state: 'done' }],
  'streaming text': [{ type: 'text', text: 'a', state: 'streaming' }],
  'streaming tool input': [
    {
      type: 'tool-a',
      toolCallId: 'c',
      state: 'input-streaming',
      input: { q: 'ha' },
      rawInput: '{"q":"ha',
    } as never,
  ],
  'call metadata': [
    {
      type: 'tool-a',
      toolCallId: 'c',
      state: 'input-available',
      input: {},
      callProviderMetadata: { p: { signature: 's' } },
    },
  ],
  'result metadata': [
    {
      type: 'tool-a',
      toolCallId: 'c',
      state: 'output-available',
      input: {},
      output: 1,
      resultProviderMetadata: { p: { k: 1 } },
    },
  ],
  'tool metadata': [
    { type: 'tool-a', toolCallId: 'c', state: 'input-available', input: {}, toolMetadata: { client: 'mcp' } },
  ],
  'approval details': [
    {
      type: 'tool-a',
      toolCallId: 'c',
      state: 'approval-requested',
      input: {},
      approval: { id: 'p', requestReason: 'why', isAutomatic: true, signature: 's' },
    },
  ],
  'reasoning file': [{ type: 'reasoning-file', mediaType: 'image/png', url: 'https://example.test/f' }],
  custom: [{ type: 'custom', kind: 'provider.thing' }],
};

describe('chunksOfMessage', () => {
  const messageOf = (list: UIMessage['parts']): UIMessage => ({
    id: 'm',
    role: 'assistant',
    metadata: { at: 1 },
    parts: list,
  });

  it.each(Object.keys(parts))('G1: rebuilds %s', async (name) => {
    const message = messageOf(parts[name]!);
    expect(await rebuilt(message)).toEqual(wire(message));
  });

  it('G1: rebuilds the message of any stream', async () => {
    await fc.assert(
      fc.asyncProperty(chunkStreams(), async (chunks) => {
        const message = await foldChunks(chunks);
        if (message) expect(begun(await rebuilt(message))).toEqual(begun(wire(message)));
      }),
      { numRuns: 300 },
    );
  });

  it('begins with start and has no finish, so that a run can continue it', () => {
    const chunks = chunksOfMessage(messageOf(Object.values(parts).flat()));
    expect(chunks[0]).toEqual({ type: 'start', messageId: 'm', messageMetadata: { at: 1 } });
    expect(chunks.map(({ type }) => type)).not.toContain('finish');
  });
});

/** Without an empty last step: the SDK's reader emits a step only with its first part. */
function begun(message: UIMessage): UIMessage {
  const last = message.parts.findLastIndex(({ type }) => type !== 'step-start');
  return { ...message, parts: message.parts.slice(0, last + 1) };
}
