import {
  createUIMessageStreamResponse,
  simulateReadableStream,
  streamText,
  toUIMessageStream,
  type UIMessageChunk,
} from 'ai';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DurableChatError } from '../../protocol/errors.ts';
import { chunkStreams } from '../../test/fixtures/chunks.fixture.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { copyOf, sourceOf, withMessageId } from './handler-result.ts';
import { answerOf } from '../../test/fixtures/answers.fixture.ts';

const chunks: UIMessageChunk[] = answerOf('a\n\u2028\ud83d');
const streamOf = <T>(items: readonly T[]): ReadableStream<T> =>
  simulateReadableStream({ chunks: [...items], initialDelayInMs: null, chunkDelayInMs: null });

async function read(result: unknown): Promise<UIMessageChunk[]> {
  const source = sourceOf(result);
  if (source.type !== 'chunks') throw new Error('It was taken for a refusal.');
  const all: UIMessageChunk[] = [];
  for await (const chunk of source.chunks) all.push(chunk);
  return all;
}

const events = (text: string, init: ResponseInit = {}): Response =>
  new Response(text, { headers: { 'content-type': 'text/event-stream; charset=utf-8' }, ...init });

describe('sourceOf', () => {
  it('G1: reads the chunks of a Response, a stream and a streamText result', async () => {
    expect(await read(createUIMessageStreamResponse({ stream: streamOf(chunks) }))).toEqual(chunks);
    expect(await read(streamOf(chunks))).toEqual(chunks);
    const model = scriptedModel({ script: () => ['a', 'b'], chunksPerSecond: Infinity });
    const read1 = await read(streamText({ model, prompt: 'x' }));
    const read2 = await read(toUIMessageStream({ stream: streamText({ model, prompt: 'x' }).stream }));
    const deltas = (all: UIMessageChunk[]) =>
      all.flatMap((chunk) => (chunk.type === 'text-delta' ? chunk.delta : []));
    expect(deltas(read1)).toEqual(['a', 'b']);
    expect(deltas(read2)).toEqual(['a', 'b']);
  });

  it('G1: any stream passes through a Response unchanged', async () => {
    await fc.assert(
      fc.asyncProperty(chunkStreams(), async (all) => {
        const response = createUIMessageStreamResponse({ stream: streamOf(all) });
        expect(await read(response)).toEqual(JSON.parse(JSON.stringify(all)));
      }),
      { numRuns: 50 },
    );
  });

  it('a Response with a status of 400 or more is the app’s refusal', () => {
    for (const status of [400, 401, 402, 429, 500, 503]) {
      const response = new Response('no', { status });
      expect(sourceOf(response)).toEqual({ type: 'refusal', response });
    }
  });

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'a very private sentence'],
    ['an object', { text: 'a very private sentence' }],
    ['an array', []],
    ['a function', () => 'x'],
    ['a 200 JSON Response', Response.json({ text: 'a very private sentence' })],
    ['a Response without a body', new Response(null, { headers: { 'content-type': 'text/event-stream' } })],
    ['a 204 Response', new Response(null, { status: 204 })],
    ['a redirect', Response.redirect('http://x.test/private', 302)],
    ['a text Response', new Response('a very private sentence')],
  ])('refuses %s as handler_result, and does not quote it', (_, result) => {
    let error: unknown;
    try {
      sourceOf(result);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(DurableChatError);
    expect(error).toMatchObject({ code: 'handler_result', status: 500 });
    expect((error as Error).message).not.toContain('private');
  });

  it('a Response without [DONE] is complete after a finish or an abort, and broken anywhere else', async () => {
    await fc.assert(
      fc.asyncProperty(chunkStreams(), fc.nat(), async (all, at) => {
        const kept = all.slice(0, 1 + (at % all.length));
        const source = sourceOf(events(kept.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('')));
        if (source.type !== 'chunks') throw new Error('It was taken for a refusal.');
        const reader = source.chunks.getReader();
        for (const chunk of kept)
          expect((await reader.read()).value).toEqual(JSON.parse(JSON.stringify(chunk)));
        const last = reader.read();
        if (kept.length === all.length) expect(await last).toEqual({ done: true, value: undefined });
        else await expect(last).rejects.toThrow('ended before [DONE]');
      }),
      { numRuns: 100 },
    );
  });

  it('a Response that breaks before [DONE], or is not JSON, is an error after its chunks', async () => {
    for (const end of ['', 'data: {"type":"text-de', 'data: no json\n\n']) {
      const source = sourceOf(events(`data: ${JSON.stringify(chunks[0])}\n\n${end}`));
      if (source.type !== 'chunks') throw new Error('It was taken for a refusal.');
      const reader = source.chunks.getReader();
      expect((await reader.read()).value).toEqual(chunks[0]);
      await expect(reader.read()).rejects.toThrow();
    }
  });

  // A ReadableStream of text or bytes must not be taken for one of chunks.
  it.each([
    ['text', ['plain', ' text']],
    ['bytes', [new TextEncoder().encode('plain')]],
    ['objects without a type', [{ delta: 'x' }]],
  ])('a stream of %s is not a stream of chunks', async (_, items) => {
    await expect(read(streamOf<unknown>(items))).rejects.toThrow();
  });
});

describe('copyOf', () => {
  const delta: UIMessageChunk = { type: 'text-delta', id: '0', delta: 'a' };
  /** A chunk whose fields are on its prototype. */
  const inherited: UIMessageChunk = Object.create(delta) as UIMessageChunk; // it has them all

  it.each<[string, object]>([
    ['without own fields', inherited],
    ['whose toJSON returns null', { ...delta, toJSON: () => null }],
    ['whose toJSON returns a number', { ...delta, toJSON: () => 5 }],
    ['whose toJSON returns an object without a type', { ...delta, toJSON: () => ({ id: '0' }) }],
    ['that is a list', Object.assign([1], delta)],
  ])('throws for a chunk %s, which has no type in JSON', (_, chunk) => {
    expect(() => copyOf(chunk as UIMessageChunk)).toThrow(
      expect.objectContaining({ code: 'handler_result' }) as Error,
    );
  });

  it('copies a chunk as its toJSON describes it', () => {
    const chunk: UIMessageChunk = Object.create({ ...delta, toJSON: () => delta }) as UIMessageChunk; // it has them all
    expect(copyOf(chunk)).toEqual(delta);
  });
});

describe('withMessageId', () => {
  const stamped = (all: readonly UIMessageChunk[]) => {
    const stamp = withMessageId('ours');
    return all.flatMap(stamp);
  };

  it('every start has the run’s id; the rest is unchanged', () => {
    fc.assert(
      fc.property(chunkStreams(), (all) => {
        const result = stamped(all);
        expect(result[0]).toMatchObject({ type: 'start', messageId: 'ours' });
        expect(result.slice(1)).toEqual(all.slice(1));
      }),
    );
  });

  it('a stream without a start gets one; a start without an id too', () => {
    const delta: UIMessageChunk = { type: 'text-start', id: '0' };
    expect(stamped([delta])).toEqual([{ type: 'start', messageId: 'ours' }, delta]);
    expect(stamped([{ type: 'start', messageMetadata: { a: 1 } }])).toEqual([
      { type: 'start', messageId: 'ours', messageMetadata: { a: 1 } },
    ]);
  });

  it('a second start neither renames nor resets the message', () => {
    const again: UIMessageChunk = { type: 'start', messageId: 'theirs' };
    expect(stamped([{ type: 'start' }, { type: 'start' }, again])).toEqual([
      { type: 'start', messageId: 'ours' },
      { type: 'start' },
      { type: 'start', messageId: 'ours' },
    ]);
  });
});
