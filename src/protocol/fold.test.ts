import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { firstEpoch, whyVoid } from './entries.ts';
import type { Frame, LogFrame } from './frames.ts';
import { applyFrame, applyFrames } from './fold.ts';
import { emptySession, messagesOf, runsOf } from './session-state.ts';
import { put, start } from '../test/fixtures/frames.fixture.ts';

const end = (runId: string, id: string): LogFrame => ({
  type: 'run-end',
  runId,
  reason: 'stop',
  chunks: 1,
  message: { id, role: 'assistant', parts: [{ type: 'text', text: id }] },
});
const fold = (...frames: LogFrame[]) => frames.reduce(applyFrame, emptySession);
const busy = [put('u1'), start('r1', 'a1', 'u1'), put('u2'), start('r2', 'a2', 'u2')];
const statesOf = (...frames: LogFrame[]) =>
  runsOf(fold(...busy, ...frames)).map(({ runId, status }) => [runId, status]);

describe('a message that two sends wrote', () => {
  const edit = [...busy, { type: 'truncate', messageId: 'u2' } as const, put('u2'), start('r3', 'a3', 'u2')];
  const taken: LogFrame = { type: 'run-steer', runId: 'r2', intoRunId: 'r1', inside: true };

  it('belongs to the later run: the end of the other one does not remove it', () => {
    for (const frame of [{ type: 'run-withdraw', runId: 'r2' } as const, taken]) {
      const state = fold(...edit, frame);
      expect(state.active.map(({ runId }) => runId)).toEqual(['r1', 'r3']);
      expect(state.order).toEqual(['u1', 'a1', 'u2', 'a3']);
      expect(fold(...edit, frame, { type: 'run-withdraw', runId: 'r3' }).order).toEqual(['u1', 'a1']);
    }
  });

  it('is deleted with the later run, which stops', () => {
    const state = fold(...edit, end('r2', 'a2'), { type: 'message-delete', messageId: 'u2' });
    expect(runsOf(state)).toMatchObject([
      { runId: 'r1', status: 'running' },
      { runId: 'r3', status: 'stopping' },
    ]);
  });
});

describe('a deletion', () => {
  it('removes one message, and stops only its run and the run that writes it', () => {
    const state = fold(...busy, { type: 'message-delete', messageId: 'u2', by: 'ann' });
    expect(state.order).toEqual(['u1', 'a1', 'a2']);
    expect(state.active.map(({ stop }) => stop)).toEqual([undefined, { by: 'ann' }]);
    expect(statesOf({ type: 'message-delete', messageId: 'a1' })).toEqual([
      ['r1', 'stopping'],
      ['r2', 'queued'],
    ]);
    expect(statesOf({ type: 'message-delete', messageId: 'x' })).toEqual([
      ['r1', 'running'],
      ['r2', 'queued'],
    ]);
  });

  it('does not restore the place of an answer that was replaced', () => {
    const state = fold(...busy, { type: 'message-delete', messageId: 'a1' }, end('r1', 'a1'));
    expect(messagesOf(state).map(({ id }) => id)).toEqual(['u1', 'u2']);
  });

  it('of all messages stops every run before it, and none after it', () => {
    const clear: LogFrame = { type: 'message-delete', all: true };
    expect(statesOf(clear)).toEqual([
      ['r1', 'stopping'],
      ['r2', 'stopping'],
    ]);
    const state = fold(...busy, clear, end('r1', 'a1'), end('r2', 'a2'), put('u3'), start('r3', 'a3', 'u3'));
    expect(state.order).toEqual(['u3', 'a3']);
    expect(runsOf(state)).toMatchObject([{ runId: 'r3', status: 'running' }]);
  });

  it('keeps the first of two stops, and forgets seeded messages', () => {
    const stopped = fold(
      ...busy,
      { type: 'run-stop', runId: 'r1', by: 'bob' },
      { type: 'message-delete', all: true, by: 'ann' },
    );
    expect(stopped.active.map(({ stop }) => stop)).toEqual([{ by: 'bob' }, { by: 'ann' }]);
    const seeded = fold(
      { ...put('u1'), seeded: true },
      {
        type: 'message-delete',
        messageId: 'u1',
      },
    );
    expect(seeded.seeded.size).toBe(0);
  });
});

describe('the frames of one entry', () => {
  const ids = fc.constantFrom('1', '2', '3', '4', '5');
  const users = fc.constantFrom({}, { by: 'ann' }, { by: 'bob' });
  const message = fc.tuple(ids, fc.nat(9), fc.boolean()).map(([id, text, seeded]): Frame => ({
    type: 'message',
    message: { id, role: 'user', parts: [{ type: 'text', text: `${text}` }] },
    ...(seeded && { seeded }),
  }));
  const deletion = fc.tuple(fc.option(ids, { freq: 6 }), users).map(([messageId, by]): Frame => ({
    type: 'message-delete',
    ...(messageId === null ? { all: true } : { messageId }),
    ...by,
  }));
  const other: fc.Arbitrary<Frame> = fc.oneof(
    fc.tuple(ids, ids, ids).map(([run, id, userMessageId]) => start(`r${run}`, id, userMessageId)),
    fc.tuple(ids, ids).map(([run, id]) => end(`r${run}`, id)),
    ids.map((messageId): Frame => ({ type: 'truncate', messageId })),
    fc.tuple(ids, users).map(([run, by]): Frame => ({ type: 'run-stop', runId: `r${run}`, ...by })),
    fc.tuple(ids, users).map(([run, by]): Frame => ({ type: 'run-withdraw', runId: `r${run}`, ...by })),
    fc.tuple(ids, ids, fc.boolean()).map(([run, into, inside]): Frame => ({
      type: 'run-steer',
      runId: `r${run}`,
      intoRunId: `r${into}`,
      inside,
    })),
    ids.map((messageId): Frame => ({
      type: 'tool-outcome',
      messageId,
      toolCallId: 'c',
      outcome: { state: 'output-available', output: 1 },
      outcomeId: 'answer',
    })),
  );
  const rows = fc
    .array(
      fc.oneof(
        fc.array(message, { maxLength: 8 }),
        fc.array(deletion, { maxLength: 4 }),
        fc.array(other, { maxLength: 4 }),
      ),
      { maxLength: 8 },
    )
    .map((list) => list.flat());

  it('fold together as they fold one by one, and change no state in place', () => {
    fc.assert(
      fc.property(rows, rows, (before, frames) => {
        const state = before.reduce(applyFrame, emptySession);
        const copy = structuredClone(state);
        const together = applyFrames(state, frames);
        const alone = frames.reduce(applyFrame, state);
        expect(together).toStrictEqual(alone);
        expect([...together.byId.keys()]).toEqual([...alone.byId.keys()]);
        expect(state).toEqual(copy);
      }),
      { numRuns: 500 },
    );
  });

  it('copy the session once for all messages and once for all deletions, whatever the conditions', () => {
    let copies = 0;
    class CountedMap<K, V> extends Map<K, V> {
      constructor(from?: Iterable<readonly [K, V]>) {
        super(from);
        copies += 1;
      }
    }
    vi.stubGlobal('Map', CountedMap);
    onTestFinished(() => void vi.unstubAllGlobals());
    const all = Array.from({ length: 100 }, (_, index) => `m${index}`);
    const gone = all.map((messageId): LogFrame => ({ type: 'message-delete', messageId }));
    const frames = [...all.map((id) => put(id)), ...gone];
    applyFrames(emptySession, frames);
    expect(copies).toBe(2);
    const when = [{ type: 'messages', max: 9 }, { type: 'idle' }, { type: 'runs', max: 9 }] as const;
    expect(whyVoid(emptySession, firstEpoch, { frames, when })).toBeUndefined();
    expect(copies).toBe(4);
  });
});
