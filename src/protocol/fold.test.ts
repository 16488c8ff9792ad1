import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstEpoch, whyVoid, type EntryCondition } from './entries.ts';
import type { LogFrame } from './frames.ts';
import { applyFrame, applyFrames } from './fold.ts';
import { emptySession, isOver, isPlaced, messagesOf, placesAfter, runsOf } from './session-state.ts';
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
  const message = fc.tuple(ids, fc.nat(9), fc.boolean()).map(([id, text, seeded]): LogFrame => ({
    type: 'message',
    message: { id, role: 'user', parts: [{ type: 'text', text: `${text}` }] },
    ...(seeded && { seeded }),
  }));
  const deletion = fc.tuple(fc.option(ids, { freq: 6 }), users).map(([messageId, by]): LogFrame => ({
    type: 'message-delete',
    ...(messageId === null ? { all: true } : { messageId }),
    ...by,
  }));
  const truncation = ids.map((messageId): LogFrame => ({ type: 'truncate', messageId }));
  const other: fc.Arbitrary<LogFrame> = fc.oneof(
    fc.tuple(ids, ids, ids).map(([run, id, userMessageId]) => start(`r${run}`, id, userMessageId)),
    fc.tuple(ids, ids).map(([run, id]) => end(`r${run}`, id)),
    truncation,
    fc.tuple(ids, users).map(([run, by]): LogFrame => ({ type: 'run-stop', runId: `r${run}`, ...by })),
    fc.tuple(ids, users).map(([run, by]): LogFrame => ({ type: 'run-withdraw', runId: `r${run}`, ...by })),
    fc.tuple(ids, ids, fc.boolean()).map(([run, into, inside]): LogFrame => ({
      type: 'run-steer',
      runId: `r${run}`,
      intoRunId: `r${into}`,
      inside,
    })),
    ids.map((messageId): LogFrame => ({
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

  it('are checked against conditions without a fold, as if they were folded', () => {
    const changes = fc.array(fc.oneof(message, deletion, truncation), { maxLength: 6 });
    const sent = fc.tuple(changes, ids, ids).map(([list, run, id]) => [...list, start(`new${run}`, id)]);
    fc.assert(
      fc.property(rows, fc.oneof(sent, rows), (before, frames) => {
        const state = before.reduce(applyFrame, emptySession);
        const after = frames.reduce(applyFrame, state);
        const places = placesAfter(state, frames);
        if (!places) return fc.pre(false);
        expect(places.count).toBe(after.order.length);
        for (const id of ['1', '2', '3', '4', '5']) {
          expect([id, places.has(id)]).toEqual([id, after.order.includes(id)]);
          expect([id, isPlaced(after, id)]).toEqual([id, after.order.includes(id)]);
        }
        const others = after.active.filter(
          (run) => !run.runId.startsWith('new') && places.has(run.messageId),
        );
        const isFine = (condition: EntryCondition) =>
          whyVoid(state, firstEpoch, { frames, when: [condition] }) === undefined;
        if (!frames.some((frame) => frame.type === 'run-start' && frame.runId.startsWith('new'))) return;
        if (frames.some((frame) => frame.type === 'run-start' && isOver(state, frame.runId))) return;
        expect(isFine({ type: 'idle' })).toBe(others.length === 0);
        const working = others.filter(({ stop }) => !stop).length;
        expect(isFine({ type: 'runs', max: working })).toBe(false);
        expect(isFine({ type: 'runs', max: working + 1 })).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});
