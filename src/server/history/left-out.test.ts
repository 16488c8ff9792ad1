import { convertToModelMessages, validateUIMessages, type UIMessage } from 'ai';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestBytes } from '../../protocol/size.ts';
import { withinLimit } from './left-out.ts';

const limit = 5_000;
const text = fc.string({ unit: fc.constantFrom('a', '"', '\n', '€'), maxLength: 1_500 });
const part = fc.oneof(
  text.map((text) => ({ type: 'text' as const, text, state: 'done' as const })),
  text.map((text) => ({
    type: 'file' as const,
    mediaType: 'image/png',
    url: `data:image/png;base64,${text}`,
  })),
  fc.constant({ type: 'step-start' as const }),
  fc.tuple(fc.nat(), text).map(([id, output]) => ({
    type: 'tool-search' as const,
    toolCallId: `c${id}`,
    state: 'output-available' as const,
    input: {},
    output,
  })),
);
const messages: fc.Arbitrary<UIMessage> = fc.record({
  id: fc.constant('a'),
  role: fc.constant('assistant' as const),
  metadata: fc.option(text, { nil: undefined }),
  parts: fc.array(part, { maxLength: 12 }),
}) as fc.Arbitrary<UIMessage>; // an undefined metadata is none

const leftOut = ({ parts }: UIMessage) =>
  parts.flatMap((part) => {
    const mark = part.type === 'text' ? part.providerMetadata?.['durable-chat']?.['leftOut'] : undefined;
    return mark === undefined ? [] : [mark];
  });

describe('a message that is too large to be stored', () => {
  it('G12: fits without its largest parts, and names them in their places', async () => {
    await fc.assert(
      fc.asyncProperty(messages, async (message) => {
        const kept = withinLimit(message, limit);
        expect(requestBytes(kept)).toBeLessThanOrEqual(limit);
        if (requestBytes(message) <= limit) {
          expect(kept).toBe(message);
          return;
        }
        expect(leftOut(kept).length).toBeGreaterThan(0);
        for (const [index, part] of message.parts.entries()) {
          const now = kept.parts[index]!;
          if (now === part) continue;
          expect(leftOut({ ...kept, parts: [now] })).toMatchObject([{ type: part.type }]);
          // Nothing larger was kept.
          const most = Math.max(
            ...kept.parts.filter((one) => message.parts.includes(one)).map(requestBytes),
            0,
          );
          expect(requestBytes(part)).toBeGreaterThanOrEqual(most);
        }
        if (kept.metadata === undefined && message.metadata !== undefined) {
          expect(leftOut(kept)).toContainEqual(expect.objectContaining({ type: 'metadata' }));
        }
      }),
    );
  });

  it('G11: the kept message is valid for the SDK, and converts', async () => {
    await fc.assert(
      fc.asyncProperty(messages, async (message) => {
        const kept = withinLimit(message, limit);
        if (kept.parts.length === 0) return;
        await validateUIMessages({ messages: [kept] });
        await convertToModelMessages([kept]);
      }),
    );
  });

  it('G12: very many small parts: those that do not fit are left out together, at the end', () => {
    const parts = Array.from({ length: 1_000 }, (_, index) => ({
      type: 'text' as const,
      text: `part ${index}`,
    }));
    const kept = withinLimit({ id: 'a', role: 'assistant', parts }, limit);
    expect(requestBytes(kept)).toBeLessThanOrEqual(limit);
    expect(kept.parts.slice(0, -1)).toEqual(parts.slice(0, kept.parts.length - 1));
    expect(kept.parts.length).toBeGreaterThan(50);
    expect(leftOut(kept)).toMatchObject([{ type: 'parts' }]);
  });
});
