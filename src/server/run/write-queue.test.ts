import type { UIMessageChunk } from 'ai';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../lib/runtime.ts';
import { createWriter, type CutCause, type Writer, type WriteResult } from './write-queue.ts';

const text = (delta: string): UIMessageChunk => ({ type: 'text-delta', id: '0', delta });
const count = (n: number) => Array.from({ length: n }, (_, index) => text(String(index)));

const untold = { onClosed: () => {}, onCut: () => {}, maxUnwritten: Infinity };

/** A store that replies when the test releases it. */
function heldStore(
  flushIntervalMs = 0,
  maxUnwritten = Infinity,
): {
  writer: Writer;
  writes: { from: number; chunks: readonly UIMessageChunk[] }[];
  answer(result?: WriteResult | Error): Promise<void>;
  closed: number;
  cuts: CutCause[];
  most: number;
} {
  const waiting: ((result: WriteResult | Error) => void)[] = [];
  const store = {
    writes: [] as { from: number; chunks: readonly UIMessageChunk[] }[],
    closed: 0,
    cuts: [] as CutCause[],
    most: 0,
    async answer(result: WriteResult | Error = 'stored') {
      await expect.poll(() => waiting.length).toBeGreaterThan(0);
      waiting.shift()!(result);
    },
    writer: createWriter({
      runtime: systemRuntime,
      flushIntervalMs,
      maxUnwritten,
      onClosed: () => store.closed++,
      onCut: (cause) => void store.cuts.push(cause),
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
  it('writes the first chunk in the next run of the event loop, after the reply has it', async () => {
    const { writer, writes } = heldStore(60_000);
    writer.push(text('a'));
    expect(writes).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve));
    expect(writes).toEqual([{ from: 0, chunks: [text('a')] }]);
  });

  it('has one open write; the chunks that arrive meanwhile are the next batch', async () => {
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

  it('pauses between two writes, and a drain ends the pause', async () => {
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

  it('limits a batch far below the store’s request limit, and writes a larger chunk alone', async () => {
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

  // In a request, a control character and a lone surrogate take six characters each.
  it('limits a batch by its size in the request', async () => {
    const store = heldStore();
    store.writer.push(text('first'));
    for (let index = 0; index < 8; index++) store.writer.push(text('\u0000'.repeat(60_000)));
    await store.answer();
    await expect.poll(() => store.writes.length).toBe(2);
    expect(JSON.stringify(store.writes[1]!.chunks).length).toBeLessThan(1_000_000);
  });

  it('G6: a closed run ends the writes, and calls its producer once', async () => {
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

  it('G8: the queue is limited while the store fails: later chunks are not accepted, and the accepted ones are stored without a gap', async () => {
    const size = JSON.stringify(text('a')).length;
    const store = heldStore(0, 3 * size);
    // Chunks that waited before the failure do not count.
    for (const delta of 'ab') store.writer.push(text(delta));
    store.writer.setFailing(true);
    store.writer.setFailing(true);
    for (const delta of 'cde') store.writer.push(text(delta));
    expect(store.cuts).toEqual([]);
    for (const delta of 'fgh') store.writer.push(text(delta));
    expect(store.cuts).toEqual(['store']);
    const drained = store.writer.drain();
    await store.answer();
    expect(await drained).toBe('store');
    expect(store.writes).toEqual([{ from: 0, chunks: ['a', 'b', 'c', 'd', 'e'].map(text) }]);
    // After a missing chunk no later one may be stored.
    store.writer.setFailing(false);
    store.writer.push(text('g'));
    expect(await store.writer.drain()).toBe('store');
    expect(store.cuts).toEqual(['store']);
    expect(store.writer.stored).toBe(5);
  });

  it('G8: the limit starts again after a failure, and one chunk that is larger than the limit is accepted', async () => {
    const store = heldStore(0, 100);
    for (const delta of ['a'.repeat(1_000), 'b'.repeat(1_000), 'c']) {
      store.writer.setFailing(true);
      store.writer.push(text(delta));
      store.writer.setFailing(false);
    }
    await store.answer();
    expect(await store.writer.drain()).toBe('stored');
    expect(store.cuts).toEqual([]);
  });

  it('a working store gets all chunks, also when many come at once', async () => {
    const store = heldStore(0, 100);
    for (const delta of count(1_000)) store.writer.push(delta);
    const drained = store.writer.drain();
    await store.answer();
    expect(await drained).toBe('stored');
    expect(store.cuts).toEqual([]);
    expect(store.writer.stored).toBe(1_000);
  });

  it('a source waits for a working store once the queue is full, until a part is stored', async () => {
    const store = heldStore(0, 100);
    await store.writer.room();
    store.writer.push(text('a'.repeat(200)));
    let may = false;
    const room = store.writer.room().then(() => (may = true));
    await expect.poll(() => store.writes.length).toBe(1);
    expect(may).toBe(false);
    await store.answer();
    await room;
    await store.writer.room();
  });

  it.each([
    ['fails', ({ writer }: { writer: Writer }) => writer.setFailing(true)],
    ['was found closed', async (store: ReturnType<typeof heldStore>) => store.answer('closed')],
    ['gets no more', ({ writer }: { writer: Writer }) => writer.push(text('x'.repeat(9_000_000)))],
  ])('G8: the source does not wait for a store that %s', async (_, happens) => {
    const store = heldStore(0, 100);
    store.writer.push(text('a'.repeat(200)));
    const room = store.writer.room();
    await happens(store);
    await room;
    await store.writer.room();
  });

  it('G12: a chunk that is too large for a request is not accepted, and no later one either', async () => {
    const store = heldStore();
    store.writer.push(text('a'));
    // In a request, a quote takes four bytes.
    store.writer.push(text('"'.repeat(2_000_000)));
    store.writer.push(text('b'));
    expect(store.cuts).toEqual(['too_large']);
    const drained = store.writer.drain();
    await store.answer();
    expect(await drained).toBe('too_large');
    expect(store.writes).toEqual([{ from: 0, chunks: [text('a')] }]);
  });

  it('G1: with any failures and any timing, all chunks are stored once and in order', async () => {
    const plan = fc.record({
      pushes: fc.array(fc.nat(3), { minLength: 1, maxLength: 30 }),
      outcomes: fc.array(fc.constantFrom('stored', 'applied but lost', 'failed'), { maxLength: 4 }),
      flushIntervalMs: fc.constantFrom(0, 1),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ pushes, outcomes, flushIntervalMs }) => {
        const stored: UIMessageChunk[] = [];
        const writer = createWriter({
          runtime: systemRuntime,
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

  // A push between the end of the loop and `working = undefined` must not be lost.
  it('a chunk that comes when the last write ends does not wait for another chunk', async () => {
    const late: number[] = [];
    for (let turns = 0; turns < 12; turns++) {
      let answer: (result: WriteResult) => void = () => {};
      let writes = 0;
      const writer = createWriter({
        runtime: systemRuntime,
        flushIntervalMs: 0,
        ...untold,
        write: () => {
          writes++;
          return new Promise((resolve) => (answer = resolve));
        },
      });
      writer.push(text('a'));
      // After the pause, so that only the answer ends the loop.
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
