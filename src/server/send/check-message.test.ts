import { convertToModelMessages, type UIMessage } from 'ai';
import * as ai6 from 'ai6';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkMessage } from './check-message.ts';

const secret = 'a-very-private-sentence';
const user = (...parts: unknown[]): UIMessage => ({
  id: 'u',
  role: 'user',
  parts: parts as UIMessage['parts'], // as a client may post them
});
const text = { type: 'text', text: secret };
const file = { type: 'file', mediaType: 'image/png' };

describe('a user message', () => {
  it.each([
    [text],
    [text, { ...file, url: 'https://a.example/x.png' }],
    [{ ...file, url: 'data:image/png;base64,AAEC', filename: 'x' }],
    [{ ...file, url: 's3://bucket/key' }],
    [{ ...file, url: 'app:anything' }],
    [{ ...file, url: '', providerReference: { openai: 'file-1' } }],
    [{ type: 'data-page', data: { any: ['thing'] } }],
    [{ ...text, unknown: 'field' }],
  ])('is accepted as it is: %j', async (...parts) => {
    const message = user(...parts);
    const before = structuredClone(message);
    await checkMessage(message);
    expect(message).toEqual(before);
  });

  it.each([
    ['no parts at all'],
    ['a file without anything', text, { type: 'file' }],
    ['a file without a type', text, { type: 'file', url: 'https://a.example/' }],
    ['a file without a url', text, file],
    ['a url that is none', text, { ...file, url: secret }],
    ['a url that is empty', text, { ...file, url: '' }],
    ['a relative url', text, { ...file, url: '/x.png' }],
    ['a url that is no string', text, { ...file, url: 7 }],
    ['a reference that is none', text, { ...file, url: secret, providerReference: null }],
    ['a text that is no text', text, { type: 'text', text: { [secret]: 1 } }],
    ['a part of no type that there is', text, { type: secret }],
  ])('with %s is refused, with the place of the part and nothing of its content', async (_, ...parts) => {
    const refused = checkMessage(user(...parts));
    await expect(refused).rejects.toMatchObject({ code: 'bad_request', status: 400 });
    const { message } = (await refused.catch((error: Error) => error)) as Error;
    expect(message).not.toContain(secret);
    if (parts.length > 0) expect(message).toContain('Part 1');
  });

  it('whose file has a reference and no url is refused with what to do', async () => {
    const part = { ...file, providerReference: { openai: 'file-1' } };
    await expect(checkMessage(user(text, part))).rejects.toThrow(/^Part 1 .* `url` can be the empty string/);
    await checkMessage(user(text, { ...part, url: '' }));
  });

  it('G11: every accepted message converts, on both versions of the SDK', async () => {
    const odd = fc.oneof(fc.string(), fc.webUrl(), fc.integer(), fc.constant(null), fc.constant({ p: 'r' }));
    const part = fc.record(
      {
        type: fc.constantFrom('text', 'file', 'data-x', 'reasoning', 'tool-x', 'other'),
        text: odd,
        url: odd,
        mediaType: odd,
        providerReference: odd,
        data: odd,
      },
      { requiredKeys: ['type'] },
    );
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 2 }), async (parts) => {
        const message = user(...parts);
        const ok = await checkMessage(message).then(
          () => true,
          () => false,
        );
        if (!ok) return;
        taken++;
        await convertToModelMessages([message]);
        await ai6.convertToModelMessages([message as ai6.UIMessage]);
      }),
      { numRuns: 1_000 },
    );
    expect(taken).toBeGreaterThan(10);
  });
});
