import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { awkwardStrings } from '../test/fixtures/chunks.fixture.ts';
import {
  chunkCounts,
  chunkIds,
  createSseParser,
  encodeEvent,
  keepAlive,
  readEvents,
  type SseEvent,
} from './sse.ts';

function parse(...pieces: string[]): SseEvent[] {
  const events: SseEvent[] = [];
  const feed = createSseParser((event) => events.push(event));
  for (const piece of pieces) feed(piece);
  return events;
}

async function read(bytes: Uint8Array, cuts: readonly number[]): Promise<SseEvent[]> {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const [index, end] of at.slice(1).entries()) controller.enqueue(bytes.slice(at[index], end));
      controller.close();
    },
  });
  const events: SseEvent[] = [];
  for await (const event of readEvents(stream)) events.push(event);
  return events;
}

const payloads = awkwardStrings().map((text) => JSON.stringify({ text }));
const ids = fc.option(fc.stringMatching(/^[\w~:.-]{1,20}$/), { nil: undefined });
const events = fc.array(
  fc.tuple(payloads, ids).map(([data, id]): SseEvent => ({ data, ...(id !== undefined && { id }) })),
  { maxLength: 6 },
);

describe('sse', () => {
  it('G1: decodes any events, cut at any byte, with comments between and both line ends', async () => {
    await fc.assert(
      fc.asyncProperty(
        events,
        fc.constantFrom('\n', '\r\n'),
        fc.array(fc.boolean(), { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 8 }),
        async (sent, lineEnd, comments, cuts) => {
          const text = sent
            .map(({ data, id }, index) => (comments[index] ? keepAlive : '') + encodeEvent(data, id))
            .join('')
            .replaceAll('\n', lineEnd);
          expect(await read(new TextEncoder().encode(text), cuts)).toEqual(sent);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('G1: decodes an event that is cut at any one place', () => {
    const text = encodeEvent('{"text":"a💾b"}', '1~x~2-0').replaceAll('\n', '\r\n') + encodeEvent('[DONE]');
    for (let cut = 0; cut <= text.length; cut++) {
      expect(parse(text.slice(0, cut), text.slice(cut))).toEqual([
        { data: '{"text":"a💾b"}', id: '1~x~2-0' },
        { data: '[DONE]' },
      ]);
    }
  });

  it('joins data lines, drops one space, and ignores comments, other fields and unknown ones', () => {
    expect(parse('event: x\nretry: 5\n: note\ndata:  two spaces\ndata\ndata:none\nfoo: bar\n\n')).toEqual([
      { data: ' two spaces\n\nnone' },
    ]);
  });

  it('ignores an event without data, and an unfinished one', () => {
    expect(parse('id: 1\n\n', ': only a comment\n\n', 'data: cut')).toEqual([]);
  });

  it('does not keep the id of one event for the next', () => {
    expect(parse('id: 1\ndata: a\n\ndata: b\n\n')).toEqual([{ data: 'a', id: '1' }, { data: 'b' }]);
  });

  it('a line separator inside JSON is text, not a line end', () => {
    const data = JSON.stringify('\u2028\u2029\u0085');
    expect(parse(encodeEvent(data))).toEqual([{ data }]);
  });

  // The standard's third line end. Our encoder does not write it, but proxies and other servers can.
  it('accepts a lone carriage return as a line end', () => {
    expect(parse('data: a\r\rdata: b\r\r')).toEqual([{ data: 'a' }, { data: 'b' }]);
  });

  it('searches only the new bytes of a long line', () => {
    // Counted and not timed: a parser that splits its whole buffer again would read the line once per piece.
    const searches = [vi.spyOn(String.prototype, 'split'), vi.spyOn(String.prototype, 'indexOf')];
    const piece = 'x'.repeat(100);
    let heard = 0;
    let searched = 0;
    try {
      const feed = createSseParser(({ data }) => (heard = data.length));
      feed('data: ');
      for (let count = 0; count < 2_000; count++) feed(piece);
      feed('\n\n');
      for (const { mock } of searches) for (const text of mock.contexts) searched += String(text).length;
    } finally {
      for (const search of searches) search.mockRestore();
    }
    expect(heard).toBe(200_000);
    expect(searched).toBeGreaterThanOrEqual(200_000);
    expect(searched).toBeLessThan(4 * 200_000);
  });

  it('cancels its source when its reader leaves', async () => {
    let cancelled: unknown;
    const source = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode(encodeEvent('1'))),
      cancel: (reason) => {
        cancelled = reason;
      },
    });
    const reader = readEvents(source).getReader();
    expect((await reader.read()).value).toEqual({ data: '1' });
    await reader.cancel('left');
    await expect.poll(() => cancelled).toBe('left');
  });
});

describe('the ids of the answer to a POST', () => {
  it('G1: count each chunk of the run, and nothing else, from whatever chunk on', () => {
    const pushes = fc.array(fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }), { maxLength: 30 });
    fc.assert(
      fc.property(pushes, (counts) => {
        const [idOf, countOf] = [chunkIds(), chunkCounts()];
        const wire = counts.map((count) => encodeEvent('{}', idOf(count))).join('');
        expect(parse(wire).map(({ id }) => countOf(id))).toEqual(counts);
      }),
    );
  });

  it('stand on the first chunk of a run alone, and on what is no chunk after it', () => {
    const idOf = chunkIds();
    expect([undefined, 1, 2, 3, undefined, 4, undefined].map(idOf)).toEqual([
      undefined,
      '1',
      undefined,
      undefined,
      '',
      undefined,
      '',
    ]);
  });
});
