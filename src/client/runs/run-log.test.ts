import type { UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import { RunLog } from './run-log.ts';

const start: UIMessageChunk = { type: 'start', messageId: 'm' };
const open: UIMessageChunk = { type: 'text-start', id: '0' };
const say = (delta: string): UIMessageChunk => ({ type: 'text-delta', id: '0', delta });
const error: UIMessageChunk = { type: 'error', errorText: 'not of the run' };

async function read(log: RunLog): Promise<UIMessageChunk[]> {
  const chunks: UIMessageChunk[] = [];
  for await (const chunk of log.stream()) chunks.push(chunk);
  return chunks;
}

describe('an error that is not a chunk of the run', () => {
  it('is read at the end, does not count as a chunk, and does not replace one', async () => {
    const log = new RunLog('r');
    const reading = read(log);
    log.accept(0, [start, open]);
    log.acceptError(error);
    expect([log.count, log.chunks]).toEqual([2, [start, open]]);
    // The session brings the rest: as chunks, and as a snapshot.
    expect(log.accept(2, [say('a')])).toBe(true);
    log.acceptSnapshot(4, [start, open, say('ab')]);
    log.end();
    expect(await reading).toEqual([start, open, say('a'), say('b'), error]);
    expect(await read(log)).toEqual([start, open, say('a'), say('b'), error]);
  });

  it('is the only thing that is read from a run without chunks', async () => {
    const log = new RunLog('r');
    log.acceptError(error);
    log.end();
    expect(await read(log)).toEqual([error]);
    expect(log.count).toBe(0);
  });
});
