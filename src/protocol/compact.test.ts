import type { UIMessageChunk } from 'ai';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunkStreams, foldChunks } from '../test/fixtures/chunks.fixture.ts';
import { compact, remainder } from './compact.ts';

const text = (id: string, delta: string): UIMessageChunk => ({ type: 'text-delta', id, delta });
const wire = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T; // JSON in, JSON out

describe('compact', () => {
  it('G9: builds the same message from any stream', async () => {
    await fc.assert(
      fc.asyncProperty(chunkStreams(), async (chunks) => {
        expect(await foldChunks(compact(chunks))).toEqual(await foldChunks(chunks));
      }),
      { numRuns: 300 },
    );
  });

  it('is idempotent, never longer, and does not change its input', () => {
    fc.assert(
      fc.property(chunkStreams(), (chunks) => {
        const before = structuredClone(chunks);
        const once = compact(chunks);
        expect(compact(once)).toEqual(once);
        expect(once.length).toBeLessThanOrEqual(chunks.length);
        expect(chunks).toEqual(before);
      }),
    );
  });

  it('G9: merges the deltas of parallel parts to one each', () => {
    const turns = Array.from({ length: 500 }, (_, index) => [text('a', `${index} `), text('b', '.')]).flat();
    const chunks: UIMessageChunk[] = [
      { type: 'text-start', id: 'a' },
      { type: 'text-start', id: 'b' },
      ...turns,
    ];
    expect(compact(chunks).length).toBe(4);
  });

  it('G9: merges deltas that all have metadata, as some providers send them; the last metadata counts', async () => {
    const delta = (item: string): UIMessageChunk => ({
      type: 'reasoning-delta',
      id: 'r',
      delta: 'word ',
      providerMetadata: { provider: { item } },
    });
    const chunks: UIMessageChunk[] = [
      { type: 'reasoning-start', id: 'r', providerMetadata: { provider: { item: 'first' } } },
      ...Array.from({ length: 8_000 }, () => delta('next')),
      delta('last'),
    ];
    expect(compact(chunks)).toEqual([chunks[0], { ...chunks.at(-1), delta: 'word '.repeat(8_001) }]);
    expect((await foldChunks(compact(chunks)))?.parts).toMatchObject([
      { text: 'word '.repeat(8_001), providerMetadata: { provider: { item: 'last' } } },
    ]);
  });

  it('keeps no transient data, and only the last version of updated data', () => {
    const data = (value: number, transient = false): UIMessageChunk => ({
      type: 'data-n',
      id: '1',
      data: value,
      ...(transient && { transient }),
    });
    expect(compact([data(1), data(2, true), data(3)])).toEqual([data(3)]);
  });

  // The key joins type and id by a space, which both can contain.
  it('distinguishes data parts whose joined type and id are equal', async () => {
    const chunks: UIMessageChunk[] = [
      { type: 'data-a b', id: 'c', data: 1 },
      { type: 'data-a', id: 'b c', data: 2 },
    ];
    expect(compact(chunks)).toEqual(chunks);
  });
});

describe('remainder', () => {
  const split = chunkStreams().chain((chunks) => fc.tuple(fc.constant(chunks), fc.nat(chunks.length)));

  it('G1: after any beginning it builds the same message', async () => {
    await fc.assert(
      fc.asyncProperty(split, async ([all, at]) => {
        const seen = all.slice(0, at);
        expect(await foldChunks([...seen, ...remainder(seen, all)])).toEqual(await foldChunks(all));
      }),
      { numRuns: 300 },
    );
  });

  it('G1: the same if one or both sides come from a snapshot', async () => {
    await fc.assert(
      fc.asyncProperty(split, async ([all, at]) => {
        const seen = all.slice(0, at);
        const whole = await foldChunks(all);
        const snapshot = wire(compact(all));
        expect(await foldChunks([...seen, ...remainder(seen, snapshot)])).toEqual(whole);
        const early = wire(compact(seen));
        expect(await foldChunks([...early, ...remainder(early, snapshot)])).toEqual(whole);
      }),
      { numRuns: 300 },
    );
  });

  it('G1: the same from one snapshot over live chunks to a later snapshot', async () => {
    const twice = chunkStreams().chain((chunks) =>
      fc.tuple(fc.constant(chunks), fc.nat(chunks.length), fc.nat(chunks.length)),
    );
    await fc.assert(
      fc.asyncProperty(twice, async ([all, one, other]) => {
        const [first, second] = [Math.min(one, other), Math.max(one, other)];
        const seen = [...compact(all.slice(0, first)), ...all.slice(first, second)];
        expect(await foldChunks([...seen, ...remainder(seen, compact(all))])).toEqual(await foldChunks(all));
      }),
      { numRuns: 200 },
    );
  });

  it('has the metadata of a delta without text', () => {
    const providerMetadata = { provider: { signature: 'x' } };
    const signed: UIMessageChunk = { type: 'text-delta', id: 'a', delta: '', providerMetadata };
    expect(remainder([text('a', 'one')], [text('a', 'one'), signed])).toEqual([signed]);
  });

  it('is empty if all chunks were seen', () => {
    fc.assert(
      fc.property(chunkStreams(), (all) => {
        expect(remainder(all, compact(all))).toEqual([]);
      }),
    );
  });

  it('never repeats a part of a seen delta: the text grows by exactly the rest', () => {
    const all = [text('a', 'on'), text('a', 'e 💾'), text('a', ' two')];
    expect(remainder([text('a', 'one \ud83d')], all)).toEqual([text('a', '\udcbe two')]);
  });
});
