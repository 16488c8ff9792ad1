import type { UIMessageChunk } from 'ai';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createWriter, type Writer, type WriteResult } from './write-queue.ts';

const text = (delta: string): UIMessageChunk => ({ type: 'text-delta', id: '0', delta });
const count = (n: number) => Array.from({ length: n }, (_, index) => text(String(index)));

const untold = { onClosed: () => {}, onOverflow: () => {}, maxUnwritten: Infinity };

/** A store that answers when it is told to. */
function heldStore(
  flushIntervalMs = 0,
  maxUnwritten = Infinity,
): {
  writer: Writer;
  writes: { from: number; chunks: readonly UIMessageChunk[] }[];
  answer(result?: WriteResult | Error): Promise<void>;
  closed: number;
  overflows: number;
  most: number;
} {
  const waiting: ((result: WriteResult | Error) => void)[] = [];
  const store = {
    writes: [] as { from: number; chunks: readonly UIMessageChunk[] }[],
    closed: 0,
    overflows: 0,
    most: 0,
    async answer(result: WriteResult | Error = 'stored') {
      await expect.poll(() => waiting.length).toBeGreaterThan(0);
      waiting.shift()!(result);
    },
    writer: createWriter({
      flushIntervalMs,
      maxUnwritten,
      onClosed: () => store.closed++,
      onOverflow: () => void store.overflows++,
      write: (from, chunks) => {
        store.writes.push({ from, chunks: [...chunks] });
        return new Promise((resolve, reject) => {
          waiting.push((result) => (result instanceof Error ? reject(result) : resolve(result)));
          store.most = Math.max(store.most, waiting.length);
        });
      },
    }),
  };
  return store;
}

describe('writer', () => {
  it('writes the first chunk in the next turn: in this one it is on its way to the origin', async () => {
    const { writer, writes } = heldStore(60_000);
    writer.push(text('a'));
    expect(writes).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve));
    expect(writes).toEqual([{ from: 0, chunks: [text('a')] }]);
  });

  it('has one write in flight; what arrives meanwhile is the next batch', async () => {
    const store = heldStore();
    const [first, ...rest] = count(100);
    store.writer.push(first!);
    await expect.poll(() => store.writes.length).toBe(1);
    for (const chunk of rest) store.writer.push(chunk);
    expect(store.writer.stored).toBe(0);
    await store.answer();
    await store.answer();
    await expect.poll(() => store.writer.stored).toBe(100);
    expect(store.writes).toEqual([
      { from: 0, chunks: [first] },
      { from: 1, chunks: rest },
    ]);
    expect(store.most).toBe(1);
  });

  it('rests between two writes, and a drain ends the rest', async () => {
    const store = heldStore(60_000);
    store.writer.push(text('a'));
    await store.answer();
    await expect.poll(() => store.writer.stored).toBe(1);
    store.writer.push(text('b'));
    expect(store.writes.length).toBe(1);
    const drained = store.writer.drain();
    await store.answer();
    expect(await drained).toBe('stored');
    expect(store.writes).toEqual([
      { from: 0, chunks: [text('a')] },
      { from: 1, chunks: [text('b')] },
    ]);
  });

  it('drains nothing as stored', async () => {
    expect(await heldStore().writer.drain()).toBe('stored');
  });

  it('cuts a batch long before the store’s request limit, and writes a chunk that is larger alone', async () => {
    const store = heldStore();
    const large = [
      text('x'.repeat(300_000)),
      text('y'.repeat(300_000)),
      text('z'.repeat(900_000)),
      text('end'),
    ];
    store.writer.push(text('first'));
    await expect.poll(() => store.writes.length).toBe(1);
    for (const chunk of large) store.writer.push(chunk);
    const drained = store.writer.drain();
    for (let left = 5; left > 0 && store.writer.stored < 5; left--) await store.answer();
    expect(await drained).toBe('stored');
    expect(store.writes.flatMap(({ chunks }) => chunks)).toEqual([text('first'), ...large]);
    for (const { chunks } of store.writes) {
      expect(chunks.length === 1 || JSON.stringify(chunks).length < 1_000_000).toBe(true);
    }
  });

  // Its length is counted in characters; on the wire a control character is six and a surrogate half too.
  it('cuts a batch by what it is on the wire', async () => {
    const store = heldStore();
    store.writer.push(text('first'));
    for (let index = 0; index < 8; index++) store.writer.push(text('\u0000'.repeat(60_000)));
    await store.answer();
    await expect.poll(() => store.writes.length).toBe(2);
    expect(JSON.stringify(store.writes[1]!.chunks).length).toBeLessThan(1_000_000);
  });

  it('G6: a closed run ends the writing and tells its producer once', async () => {
    const store = heldStore();
    for (const chunk of count(3)) store.writer.push(chunk);
    await store.answer('closed');
    expect(await store.writer.drain()).toBe('closed');
    store.writer.push(text('late'));
    expect(await store.writer.drain()).toBe('closed');
    expect(store.closed).toBe(1);
    expect(store.writes.length).toBe(1);
    expect(store.writer.stored).toBe(0);
  });

  it('G8: retries the same batch at the same place until it is stored', async () => {
    const store = heldStore();
    store.writer.push(text('a'));
    await store.answer(new Error('down'));
    store.writer.push(text('b'));
    await store.answer(new Error('down'));
    await store.answer();
    await store.answer();
    expect(await store.writer.drain()).toBe('stored');
    expect(store.writes).toEqual([
      ...[1, 2, 3].map(() => ({ from: 0, chunks: [text('a')] })),
      { from: 1, chunks: [text('b')] },
    ]);
  });

  it('G8: what waits is bounded: beyond it nothing is taken, and what was taken is stored without a gap', async () => {
    const size = JSON.stringify(text('a')).length;
    const store = heldStore(0, 3 * size);
    for (const delta of 'abc') store.writer.push(text(delta));
    expect(store.overflows).toBe(0);
    for (const delta of 'def') store.writer.push(text(delta));
    expect(store.overflows).toBe(1);
    const drained = store.writer.drain();
    await store.answer();
    expect(await drained).toBe('cut');
    expect(store.writes).toEqual([{ from: 0, chunks: ['a', 'b', 'c'].map(text) }]);
    // Once something is missing, nothing after it may be there.
    store.writer.push(text('g'));
    expect(await store.writer.drain()).toBe('cut');
    expect(store.overflows).toBe(1);
    expect(store.writer.stored).toBe(3);
  });

  it('G8: what is stored makes room, and one chunk that is larger than all is taken', async () => {
    const store = heldStore(0, 100);
    for (const delta of ['a'.repeat(1_000), 'b'.repeat(1_000), 'c']) {
      store.writer.push(text(delta));
      await store.answer();
      await expect.poll(() => store.writer.stored).toBe(store.writes.length);
    }
    expect(await store.writer.drain()).toBe('stored');
    expect(store.overflows).toBe(0);
  });

  it('G1: whatever fails and whenever chunks come, all are stored once and in order', async () => {
    const plan = fc.record({
      pushes: fc.array(fc.nat(3), { minLength: 1, maxLength: 30 }),
      outcomes: fc.array(fc.constantFrom('stored', 'applied but lost', 'failed'), { maxLength: 4 }),
      flushIntervalMs: fc.constantFrom(0, 1),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ pushes, outcomes, flushIntervalMs }) => {
        const stored: UIMessageChunk[] = [];
        const writer = createWriter({
          flushIntervalMs,
          ...untold,
          write: async (from, chunks) => {
            const outcome = outcomes.shift() ?? 'stored';
            await Promise.resolve();
            if (outcome !== 'failed') {
              expect(from).toBeLessThanOrEqual(stored.length);
              stored.splice(from, chunks.length, ...chunks);
            }
            if (outcome !== 'stored') throw new Error('down');
            return 'stored';
          },
        });
        const sent: UIMessageChunk[] = [];
        for (const [index, turns] of pushes.entries()) {
          for (let turn = 0; turn < turns; turn++) await Promise.resolve();
          const chunk = text(String(index));
          sent.push(chunk);
          writer.push(chunk);
        }
        expect(await writer.drain()).toBe('stored');
        expect(stored).toEqual(sent);
        expect(writer.stored).toBe(sent.length);
      }),
      { numRuns: 20 },
    );
  });

  // Between the end of the loop and `working = undefined` a push finds a promise that will not look again.
  it('a chunk that comes just as the last write ends does not wait for the one after it', async () => {
    const late: number[] = [];
    for (let turns = 0; turns < 12; turns++) {
      let answer: (result: WriteResult) => void = () => {};
      let writes = 0;
      const writer = createWriter({
        flushIntervalMs: 0,
        ...untold,
        write: () => {
          writes++;
          return new Promise((resolve) => (answer = resolve));
        },
      });
      writer.push(text('a'));
      // Past the rest, so that the answer alone ends the loop.
      await new Promise((resolve) => setTimeout(resolve, 5));
      answer('stored');
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      writer.push(text('b'));
      await expect
        .poll(() => writes, { timeout: 100, interval: 2 })
        .toBe(2)
        .catch(() => late.push(turns));
    }
    expect(late).toEqual([]);
  });
});
