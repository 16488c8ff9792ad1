import type { UIMessage } from 'ai';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Durability, Frame, LogFrame, RunStartFrame } from './frames.ts';
import { applyFrame } from './fold.ts';
import { emptySession, historyOf, messagesOf, runsOf, type SessionState } from './session-state.ts';
import { toSnapshot } from './snapshot.ts';

const message = (id: string, role: UIMessage['role'] = 'user', text = id): UIMessage => ({
  id,
  role,
  parts: [{ type: 'text', text }],
});
const put = (id: string, role?: UIMessage['role'], text?: string): LogFrame => ({
  type: 'message',
  message: message(id, role, text),
});
const start = (runId: string, messageId: string, more: Partial<RunStartFrame> = {}): LogFrame => ({
  type: 'run-start',
  runId,
  messageId,
  trigger: 'submit-message',
  at: 1,
  ...more,
});
const end = (runId: string, messageId?: string, reason: 'finish' | 'stop' = 'finish'): LogFrame => ({
  type: 'run-end',
  runId,
  reason,
  chunks: 1,
  ...(messageId !== undefined && { message: message(messageId, 'assistant', `answer of ${runId}`) }),
});
const truncate = (messageId: string): LogFrame => ({ type: 'truncate', messageId });

const apply = (frames: readonly Frame[], from: SessionState = emptySession) =>
  frames.reduce(applyFrame, from);
const idsOf = (state: SessionState) => messagesOf(state).map(({ id }) => id);

/** The state of a viewer that joins with a snapshot. */
const snapshotOf = (state: SessionState) => toSnapshot(state, () => ({ count: 0, chunks: [] }));

/** A log that servers can write: sends, edits, regenerations, stops and ends, in any possible order. */
const logs: fc.Arbitrary<LogFrame[]> = fc
  .array(fc.tuple(fc.constantFrom('send', 'seed', 'edit', 'stop', 'end', 'end empty'), fc.nat()), {
    maxLength: 25,
  })
  .map((steps) => {
    const frames: LogFrame[] = [];
    let state = emptySession;
    const add = (...more: LogFrame[]) => {
      frames.push(...more);
      state = apply(more, state);
    };
    for (const [index, [step, pick]] of steps.entries()) {
      const run = state.active[pick % Math.max(1, state.active.length)];
      const id = `r${index}`;
      if (step === 'send') add(put(`u${index}`), start(id, `a${index}`, { by: 'ann' }));
      else if (step === 'seed') add({ type: 'message', message: message(`s${index}`), seeded: true });
      else if (step === 'edit') {
        const target = messagesOf(state).filter(({ role }) => role === 'user')[pick % 3];
        if (!target) continue;
        const gone = state.order.slice(state.order.indexOf(target.id));
        for (const active of state.active) {
          if (gone.includes(active.messageId)) add({ type: 'run-stop', runId: active.runId, by: 'bob' });
        }
        add(truncate(target.id), put(target.id, 'user', 'edited'), start(id, `a${index}`));
      } else if (run && step === 'stop') add({ type: 'run-stop', runId: run.runId });
      else if (run) add(end(run.runId, step === 'end' ? run.messageId : undefined));
    }
    return frames;
  });

describe('session state', () => {
  it('G4: repeated run-starts, stops and ends change nothing', () => {
    const repeats = (frame: LogFrame) =>
      frame.type === 'run-start' || frame.type === 'run-end' || frame.type === 'run-stop';
    fc.assert(
      fc.property(logs, (frames) => {
        const once = apply(frames);
        expect(
          apply(frames.flatMap((frame): LogFrame[] => (repeats(frame) ? [frame, frame] : [frame]))),
        ).toEqual(once);
        expect(
          apply(
            frames.filter((frame) => frame.type === 'run-end'),
            once,
          ),
        ).toEqual(once);
      }),
    );
  });

  it('G4: a late repetition of any run frame changes nothing', () => {
    const late = logs.chain((frames) => fc.tuple(fc.constant(frames), fc.nat(), fc.nat()));
    fc.assert(
      fc.property(late, ([frames, which, delay]) => {
        const ends = frames.flatMap((frame, index) => (frame.type === 'run-end' ? [index] : []));
        if (ends.length === 0) return;
        const index = ends[which % ends.length]!;
        const again = index + 1 + (delay % (frames.length - index));
        const repeated = [...frames.slice(0, again), frames[index]!, ...frames.slice(again)];
        expect(apply(repeated)).toEqual(apply(frames));
      }),
    );
  });

  it('G4: never has a message twice, or without a place', () => {
    fc.assert(
      fc.property(logs, (frames) => {
        const { order, byId, active } = apply(frames);
        expect(new Set(order).size).toBe(order.length);
        for (const id of byId.keys()) expect(order).toContain(id);
        // A place without a message belongs to a run that is still writing it.
        const writing = new Set(active.map(({ messageId }) => messageId));
        for (const id of order) expect(byId.has(id) || writing.has(id)).toBe(true);
      }),
    );
  });

  it('G4: equals the state of its own snapshot, also after further frames', () => {
    const cut = logs.chain((frames) => fc.tuple(fc.constant(frames), fc.nat(frames.length)));
    fc.assert(
      fc.property(cut, ([frames, at]) => {
        const state = apply(frames.slice(0, at));
        const joined = applyFrame(emptySession, snapshotOf(state));
        expect({ ...joined, ended: null }).toEqual({ ...state, ended: null });
        const [a, b] = [apply(frames.slice(at), state), apply(frames.slice(at), joined)];
        expect(messagesOf(b)).toEqual(messagesOf(a));
        expect(b.order).toEqual(a.order);
        expect(b.active).toEqual(a.active);
      }),
    );
  });

  it('G4: a displaced run has no place in a snapshot either', () => {
    const state = apply([
      put('u1'),
      start('r1', 'a1'),
      truncate('u1'),
      put('u1', 'user', 'new'),
      start('r2', 'a2'),
    ]);
    const joined = applyFrame(emptySession, snapshotOf(state));
    expect(state.order).toEqual(['u1', 'a2']);
    expect(joined.order).toEqual(state.order);
    // Its end must not restore its message for viewers that joined in between.
    expect(idsOf(apply([end('r1', 'a1')], joined))).toEqual(idsOf(apply([end('r1', 'a1')], state)));
  });

  it('replaces a known message, and appends a new one', () => {
    const state = apply([put('1'), put('2'), put('1', 'user', 'new')]);
    expect(messagesOf(state)).toEqual([message('1', 'user', 'new'), message('2')]);
  });

  it('truncates the message and all that follow, and nothing for an unknown id', () => {
    const state = apply([put('1'), put('2'), put('3')]);
    expect(idsOf(applyFrame(state, truncate('2')))).toEqual(['1']);
    expect(applyFrame(state, truncate('2')).byId.size).toBe(1);
    expect(applyFrame(state, truncate('nobody'))).toBe(state);
    expect(applyFrame(state, truncate('1')).order).toEqual([]);
  });

  it('does not restore a truncated place', () => {
    const state = apply([put('u'), start('r', 'a'), truncate('u'), put('u2'), end('r', 'a')]);
    expect(idsOf(state)).toEqual(['u2']);
    expect(state.active).toEqual([]);
    expect(state.ended.get('r')).toMatchObject({ reason: 'finish' });
  });

  it('keeps queued runs in order: each has its place, and the first one is running', () => {
    const state = apply([
      put('u1'),
      start('r1', 'a1'),
      put('u2'),
      start('r2', 'a2'),
      put('u3'),
      start('r3', 'a3'),
    ]);
    expect(runsOf(state).map(({ status }) => status)).toEqual(['running', 'queued', 'queued']);
    expect(state.order).toEqual(['u1', 'a1', 'u2', 'a2', 'u3', 'a3']);
    const next = apply([end('r1', 'a1')], state);
    expect(runsOf(next).map(({ status }) => status)).toEqual(['running', 'queued']);
    expect(historyOf(next, 'a2').map(({ id }) => id)).toEqual(['u1', 'a1', 'u2']);
    // In any order of ends, each answer is below its question.
    const done = apply([end('r3', 'a3'), end('r2', 'a2')], next);
    expect(idsOf(done)).toEqual(['u1', 'a1', 'u2', 'a2', 'u3', 'a3']);
  });

  it('removes the place of a run without a message', () => {
    const state = apply([put('u1'), start('r1', 'a1'), end('r1', undefined, 'stop'), put('u2')]);
    expect(state.order).toEqual(['u1', 'u2']);
  });

  it('a run that continues a message reads that message, which stays if the run writes nothing', () => {
    const state = apply([put('u'), put('a', 'assistant'), start('r', 'a')]);
    expect(historyOf(state, 'a').map(({ id }) => id)).toEqual(['u', 'a']);
    expect(idsOf(apply([end('r')], state))).toEqual(['u', 'a']);
  });

  // A missing place has index -1, and slice(0, -1) would be all messages but the last.
  it('the history of a run without a place is empty', () => {
    const state = apply([put('u1'), start('r1', 'a1'), truncate('u1'), put('u2'), put('u3')]);
    expect(historyOf(state, 'a1')).toEqual([]);
  });

  it('G3: the first stop counts, and marks the run as stopping', () => {
    const state = apply([
      put('u'),
      start('r', 'a'),
      { type: 'run-stop', runId: 'r', by: 'ann' },
      { type: 'run-stop', runId: 'r', by: 'bob' },
      { type: 'run-stop', runId: 'unknown' },
    ]);
    expect(state.active).toMatchObject([{ runId: 'r', stop: { by: 'ann' } }]);
    expect(runsOf(state)[0]!.status).toBe('stopping');
  });

  it('G8: shows the last durability of a run, and ignores one of an unknown run', () => {
    const said = (runId: string, durability: Durability): Frame => ({
      type: 'durability',
      runId,
      durability,
    });
    const begun = apply([put('u'), start('r', 'a'), start('next', 'b')]);
    const degraded = apply([said('r', 'degraded'), said('unknown', 'degraded')], begun);
    expect(runsOf(degraded).map(({ durability }) => durability)).toEqual(['degraded', undefined]);
    expect(runsOf(apply([said('r', 'durable')], degraded))[0]!.durability).toBe('durable');
    // The same for a run that missed its steering, or is stopping.
    const missed = { type: 'run-steer', runId: 'next', intoRunId: 'r', missed: 'finished' } as const;
    const spoken = [missed, { type: 'run-stop', runId: 'next' }, said('next', 'degraded')] as const;
    expect(runsOf(apply(spoken, begun))[1]).toMatchObject({ status: 'stopping', durability: 'degraded' });
    const cut = apply(
      [{ type: 'run-end', runId: 'r', reason: 'interrupted', chunks: 0, cause: 'store' }],
      degraded,
    );
    expect(cut.ended.get('r')).toMatchObject({ reason: 'interrupted', cause: 'store' });
  });

  it('ignores frames of types it does not know', () => {
    const state = apply([put('u')]);
    const unknown = { type: 'presence', viewers: 2 } as unknown as Frame; // a later version's frame
    expect(applyFrame(state, unknown)).toBe(state);
  });

  it('never changes a state in place', () => {
    fc.assert(
      fc.property(logs, (frames) => {
        let state = emptySession;
        for (const frame of frames) {
          const before = structuredClone(state);
          const next = applyFrame(state, frame);
          expect(state).toEqual(before);
          state = next;
        }
        expect(emptySession).toEqual({
          order: [],
          byId: new Map(),
          active: [],
          ended: new Map(),
          barred: new Set(),
          outcomes: [],
          seeded: new Set(),
          begun: false,
        });
      }),
    );
  });
});
