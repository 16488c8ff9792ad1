import {
  convertToModelMessages,
  jsonSchema,
  stepCountIs,
  streamText,
  tool,
  type UIMessage,
  type UIMessageChunk,
} from 'ai';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RunEndReason } from '../../protocol/frames.ts';
import { chunkStreams, foldChunks } from '../../test/fixtures/chunks.fixture.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { closeParts, foldMessage as foldOpen } from './final-message.ts';

async function foldMessage(
  chunks: readonly UIMessageChunk[],
  base: UIMessage | undefined,
  reason: RunEndReason,
): Promise<UIMessage | undefined> {
  const message = await foldOpen(chunks, base);
  return message && closeParts(message, reason);
}

const user = (id: string): UIMessage => ({ id, role: 'user', parts: [{ type: 'text', text: 'next' }] });
const reasons: RunEndReason[] = ['stop', 'error', 'interrupted', 'finish'];
const cutShort = reasons.filter((reason) => reason !== 'finish');

const head: UIMessageChunk[] = [
  { type: 'start', messageId: 'm' },
  { type: 'start-step' },
  { type: 'text-start', id: '0' },
  { type: 'text-delta', id: '0', delta: 'Let me ' },
];
const call = { toolCallId: 'c', toolName: 'search' };
const available: UIMessageChunk[] = [
  { type: 'text-end', id: '0' },
  { type: 'tool-input-available', ...call, input: { q: 1 } },
];

/** Every state in which a run can be cut. */
const middles: Record<string, UIMessageChunk[]> = {
  text: [],
  'text that has just begun': [{ type: 'text-start', id: '1' }],
  reasoning: [
    { type: 'reasoning-start', id: 'r' },
    { type: 'reasoning-delta', id: 'r', delta: 'Hm' },
  ],
  'tool input before its first byte': [{ type: 'tool-input-start', ...call }],
  'tool input': [
    { type: 'tool-input-start', ...call },
    { type: 'tool-input-delta', toolCallId: 'c', inputTextDelta: '{"q": "ha' },
  ],
  'dynamic tool input': [
    { type: 'tool-input-start', ...call, dynamic: true },
    { type: 'tool-input-delta', toolCallId: 'c', inputTextDelta: '{"q' },
  ],
  'a running server tool': available,
  'a running provider tool': [{ type: 'tool-input-available', ...call, input: {}, providerExecuted: true }],
  'a running dynamic tool': [{ type: 'tool-input-available', ...call, input: {}, dynamic: true }],
  'a tool with a preliminary output': [
    ...available,
    { type: 'tool-output-available', toolCallId: 'c', output: 'half', preliminary: true },
  ],
  'an approval that was asked for': [
    ...available,
    { type: 'tool-approval-request', approvalId: 'p', toolCallId: 'c' },
  ],
  'an approved tool': [
    ...available,
    { type: 'tool-approval-request', approvalId: 'p', toolCallId: 'c' },
    { type: 'tool-approval-response', approvalId: 'p', approved: true },
  ],
  'two tools, one of them done': [
    ...available,
    { type: 'tool-input-available', toolCallId: 'd', toolName: 'other', input: {} },
    { type: 'tool-output-available', toolCallId: 'd', output: 1 },
  ],
  'the next step': [
    ...available,
    { type: 'tool-output-available', toolCallId: 'c', output: 1 },
    { type: 'finish-step' },
    { type: 'start-step' },
  ],
};

/** The model's prompt in the next run. Throws the errors of the SDK and of its prompt checks. */
async function nextRun(messages: UIMessage[]): Promise<string> {
  const model = scriptedModel({ script: () => ['fine'], chunksPerSecond: Infinity });
  const search = tool({ inputSchema: jsonSchema({ type: 'object' }), execute: async () => 'result' });
  const failures: unknown[] = [];
  const result = streamText({
    model,
    messages: await convertToModelMessages(messages),
    tools: { search, other: search },
    stopWhen: stepCountIs(2),
    onError: ({ error }) => {
      failures.push(error);
    },
  });
  const text = await result.text.then(
    (value) => value,
    () => '',
  );
  if (failures.length > 0) throw failures[0];
  return text;
}

describe('G11: the next run works', () => {
  describe.each(cutShort)('after %s', (reason) => {
    const names = Object.keys(middles).filter((name) => name !== 'an approved tool');
    it.each(names)('during %s', async (name) => {
      const message = await foldMessage([...head, ...middles[name]!], undefined, reason);
      expect(message).toBeDefined();
      const history = [user('u1'), message!];
      await expect(convertToModelMessages(history)).resolves.toBeDefined();
      expect(await nextRun([...history, user('u2')])).toBe('fine');
      // The log stores JSON.
      expect(await nextRun(JSON.parse(JSON.stringify([...history, user('u2')])))).toBe('fine');
    });

    // An approved call without a result would fail the SDK's prompt check.
    it('during an approved tool', async () => {
      const message = await foldMessage([...head, ...middles['an approved tool']!], undefined, reason);
      expect(await nextRun([user('u1'), message!, user('u2')])).toBe('fine');
    });

    it('no part is still streaming, and all parts are kept', async () => {
      for (const middle of Object.values(middles)) {
        const message = await foldMessage([...head, ...middle], undefined, reason);
        const text = message!.parts.find((part) => part.type === 'text');
        expect(text).toMatchObject({ text: 'Let me ', state: 'done' });
        for (const part of message!.parts) {
          if ('state' in part)
            expect(['streaming', 'input-streaming', 'input-available']).not.toContain(part.state);
        }
      }
    });

    it('an open call gets an error text that says why it has no result', async () => {
      for (const name of ['tool input', 'a running server tool', 'a running provider tool']) {
        const message = await foldMessage([...head, ...middles[name]!], undefined, reason);
        const part = message!.parts.find((candidate) => candidate.type === 'tool-search');
        expect(part).toMatchObject({
          state: 'output-error',
          errorText: expect.stringContaining('before') as string,
        });
      }
    });

    // A preliminary output has the state output-available already.
    it('a preliminary output becomes final', async () => {
      const name = 'a tool with a preliminary output';
      const message = await foldMessage([...head, ...middles[name]!], undefined, reason);
      expect(message!.parts.find((part) => part.type === 'tool-search')).not.toMatchObject({
        preliminary: true,
      });
    });
  });

  it('any stream, cut at any place, for any reason', async () => {
    const cut = chunkStreams().chain((chunks) =>
      fc.tuple(fc.constant(chunks), fc.nat(chunks.length), fc.constantFrom(...reasons)),
    );
    await fc.assert(
      fc.asyncProperty(cut, async ([chunks, at, reason]) => {
        const message = await foldMessage(chunks.slice(0, at), undefined, reason);
        if (!message) return;
        await convertToModelMessages([user('u1'), message]);
        await convertToModelMessages([user('u1'), message, user('u2')]);
      }),
      { numRuns: 100 },
    );
  });

  // The SDK warns about a rawInput in the state output-error.
  it('a closed tool call has no field of its streaming state', async () => {
    const message = await foldMessage([...head, ...middles['tool input']!], undefined, 'stop');
    const part = message!.parts.find((candidate) => candidate.type === 'tool-search') as {
      rawInput?: string;
    };
    expect(part.rawInput).toBeUndefined();
  });
});

describe('foldMessage', () => {
  it('a finished run keeps its client tool call and its approval open', async () => {
    const open = await foldMessage([...head, ...available], undefined, 'finish');
    expect(open!.parts.at(-1)).toMatchObject({ type: 'tool-search', state: 'input-available' });
    const asked = await foldMessage(
      [...head, ...middles['an approval that was asked for']!],
      undefined,
      'finish',
    );
    expect(asked!.parts.at(-1)).toMatchObject({ state: 'approval-requested', approval: { id: 'p' } });
  });

  it('equals the message that the SDK makes of a finished stream', async () => {
    await fc.assert(
      fc.asyncProperty(chunkStreams(), async (chunks) => {
        if (chunks.at(-1)?.type !== 'finish') return;
        expect(await foldMessage(chunks, undefined, 'finish')).toEqual(await foldChunks(chunks));
      }),
      { numRuns: 100 },
    );
  });

  it('an empty stream gives no message', async () => {
    for (const reason of reasons) {
      expect(await foldMessage([], undefined, reason)).toBeUndefined();
      expect(await foldMessage([{ type: 'start', messageId: 'm' }], undefined, reason)).toBeUndefined();
      expect(
        await foldMessage(
          [
            { type: 'start', messageId: 'm' },
            { type: 'error', errorText: 'no' },
          ],
          undefined,
          reason,
        ),
      ).toBeUndefined();
    }
  });

  it('an empty step gives no message', async () => {
    const begun: UIMessageChunk[] = [{ type: 'start', messageId: 'm' }, { type: 'start-step' }];
    expect(await foldMessage(begun, undefined, 'stop')).toBeUndefined();
    expect(await foldMessage([...begun, { type: 'finish-step' }], undefined, 'finish')).toBeUndefined();
  });

  it('continues a message without changing the original', async () => {
    const base: UIMessage = {
      id: 'm',
      role: 'assistant',
      parts: [
        { type: 'step-start' },
        { type: 'tool-search', toolCallId: 'c', state: 'output-available', input: {}, output: 1 },
      ],
    };
    const before = structuredClone(base);
    const message = await foldMessage([...head, { type: 'text-end', id: '0' }], base, 'finish');
    expect(message!.parts.map(({ type }) => type)).toEqual([
      'step-start',
      'tool-search',
      'step-start',
      'text',
    ]);
    expect(base).toEqual(before);
    expect(await foldMessage([], base, 'stop')).toEqual(base);
  });

  it('a malformed chunk ends the message, and the part before it is kept', async () => {
    const bad: UIMessageChunk[] = [
      { type: 'text-delta', id: 'nobody', delta: 'x' },
      { type: 'tool-output-available', toolCallId: 'nobody', output: 1 },
      { type: 'tool-approval-response', approvalId: 'nobody', approved: true },
    ];
    for (const chunk of bad) {
      const message = await foldMessage([...head, chunk, { type: 'text-end', id: '0' }], undefined, 'error');
      expect(message).toMatchObject({
        id: 'm',
        parts: [{ type: 'step-start' }, { type: 'text', text: 'Let me ' }],
      });
    }
  });

  it('an error chunk is not the end: later chunks belong to the message', async () => {
    const chunks: UIMessageChunk[] = [
      ...head,
      { type: 'error', errorText: 'e' },
      { type: 'text-delta', id: '0', delta: 'see' },
    ];
    expect(await foldMessage(chunks, undefined, 'error')).toMatchObject({
      parts: [{ type: 'step-start' }, { type: 'text', text: 'Let me see', state: 'done' }],
    });
  });
});
