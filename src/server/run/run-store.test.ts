import type { UIMessageChunk } from 'ai';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../lib/runtime.ts';
import { memoryChannel } from '../../channel/memory.ts';
import { createChaos } from '../../testing/chaos.ts';
import { retry } from '../lib/retry.ts';
import { restoring } from './run-store.ts';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Some are so large that they need several batches. */
const chunkOf = (index: number, large: boolean): UIMessageChunk => ({
  type: 'text-delta',
  id: '0',
  delta: `${index} ${large ? 'x'.repeat(300_000) : ''}`,
});

const writes = fc.array(
  fc.record({
    chunks: fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }),
    vanishes: fc.boolean(),
    faults: fc.array(fc.constantFrom('refuse' as const, 'lose-reply' as const), { maxLength: 2 }),
  }),
  { minLength: 1, maxLength: 5 },
);

describe('a run that is restored', () => {
  it(`G1: is there once and whole after each write, whatever vanished and failed (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(writes, async (plan) => {
        const store = memoryChannel();
        const { channel, storeFaults } = createChaos(store);
        const chunks: UIMessageChunk[] = [];
        const write = restoring({
          write: (from, batch) => channel.write('s', 'run', from, batch),
          chunks,
          isActive: async () => true,
        });
        for (const { chunks: sizes, vanishes, faults } of plan) {
          const from = chunks.length;
          const batch = sizes.map((large, index) => chunkOf(from + index, large));
          chunks.push(...batch);
          if (vanishes) await store.delete('s');
          for (const kind of faults) storeFaults({ kind }, { times: 1 });
          expect(await retry(systemRuntime, () => write(from, batch))).toBe('stored');
          expect((await store.readRun('s', 'run', 0)).chunks).toEqual(chunks);
        }
      }),
      { seed, numRuns: 20 },
    );
  });

  it('G6: is not restored once the log has its end', async () => {
    const channel = memoryChannel();
    const chunks = [chunkOf(0, false), chunkOf(1, false)];
    const write = restoring({
      write: (from, batch) => channel.write('s', 'run', from, batch),
      chunks,
      isActive: async () => false,
    });
    await write(0, chunks.slice(0, 1));
    await channel.delete('s');
    expect(await write(1, chunks.slice(1))).toBe('closed');
    expect(await channel.readRun('s', 'run', 0)).toEqual({ chunks: [] });
  });
});
