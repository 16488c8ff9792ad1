import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  deletedEntry,
  effectOf,
  entries,
  firstEpoch,
  startedBy,
  whyVoid,
  type EntryCondition,
  type NewEntry,
} from './entries.ts';
import type { LogFrame } from './frames.ts';
import { applyFrame } from './fold.ts';
import { emptySession, isActive, isItsTurn, messagesOf, type SessionState } from './session-state.ts';
import { put, start } from '../test/fixtures/frames.fixture.ts';

const end = (runId: string, messageId?: string): LogFrame => ({
  type: 'run-end',
  runId,
  reason: 'finish',
  chunks: 1,
  ...(messageId !== undefined && {
    message: { id: messageId, role: 'assistant', parts: [{ type: 'text', text: `answer of ${runId}` }] },
  }),
});
const withdraw = (runId: string): LogFrame => ({ type: 'run-withdraw', runId });
const entry = (key: string, ...frames: LogFrame[]): NewEntry => ({ key, frames });
const first: EntryCondition = { type: 'first' };
const idle: EntryCondition = { type: 'idle' };
const send = (runId: string, ...when: EntryCondition[]): NewEntry => ({
  ...entry(`${runId} start`, put(`u${runId}`), start(runId, `a${runId}`, `u${runId}`)),
  ...(when.length > 0 && { when }),
});

const counts = (...entry: Parameters<typeof whyVoid>) => whyVoid(...entry) === undefined;

/** Folds a log: a key counts once. Entries have their index as id. */
function fold(entries: readonly NewEntry[]): { state: SessionState; epoch: string } {
  const keys = new Set<string>();
  let state = emptySession;
  let epoch = firstEpoch;
  for (const [index, one] of entries.entries()) {
    if (keys.has(one.key)) continue;
    keys.add(one.key);
    if (one.key === deletedEntry.key) epoch = `${index}`;
    state = effectOf(state, epoch, one).reduce(applyFrame, state);
  }
  return { state, epoch };
}
const idsOf = (...entries: NewEntry[]) => messagesOf(fold(entries).state).map(({ id }) => id);

/** All entries that a log can have about one run: it edits a message, and others steer, stop, withdraw and end it. */
const ofOne: readonly NewEntry[] = [
  entry('x start', { type: 'truncate', messageId: 'u1' }, put('ux'), start('x', 'ax', 'ux')),
  entry('x stop', { type: 'run-stop', runId: 'x' }),
  entry('x withdraw', withdraw('x')),
  entry('x steer', { type: 'run-steer', runId: 'x', intoRunId: '1', inside: false }),
  entry('x missed', { type: 'run-steer', runId: 'x', intoRunId: '1', missed: 'finished' }),
  entry('ax c output', {
    type: 'tool-outcome',
    messageId: 'ax',
    toolCallId: 'c',
    outcome: { state: 'output-available', output: 1 },
    outcomeId: 'answer',
  }),
  entry('x end', end('x', 'ax')),
  entry('x saved', { type: 'run-saved', runId: 'x' }),
];
/** Deletions at the same time. */
const deletions: readonly NewEntry[] = [
  entry('delete ux', { type: 'message-delete', messageId: 'ux' }),
  entry('delete ax', { type: 'message-delete', messageId: 'ax' }),
  entry('clear', { type: 'message-delete', all: true }),
];
/** Other entries of the session. */
const others: readonly NewEntry[] = [send('1'), send('2'), entry('1 end', end('1', 'a1'))];

/** The entries of one run in any order and any number, between the other entries. */
const shuffle = (entries: readonly NewEntry[]) =>
  fc
    .array(fc.tuple(fc.constantFrom(...entries), fc.nat(others.length)), { minLength: 1, maxLength: 14 })
    .map((late) =>
      [...others, undefined].flatMap((other, index) => [
        ...late.filter(([, place]) => place === index).map(([one]) => one),
        ...(other ? [other] : []),
      ]),
    );
const shuffled = shuffle(ofOne);

describe('the entries of a log', () => {
  it('G12: in any order and any repetition of one run’s entries, its end ends it, and the next send has its turn', () => {
    fc.assert(
      fc.property(shuffle([...ofOne, ...deletions]), (entries) => {
        const keys = entries.map(({ key }) => key);
        const { state } = fold(entries);
        if (keys.includes('x end')) expect(isActive(state, 'x')).toBe(false);
        // Other active runs end by themselves.
        const ends = state.active
          .filter(({ runId }) => runId !== 'x')
          .map(({ runId, messageId }) => entry(`${runId} end`, end(runId, messageId)));
        const over = keys.includes('x end') ? [] : [entry('x end', end('x', 'ax'))];
        const next = fold([...entries, ...ends, ...over, send('next')]).state;
        expect(next.active.map(({ runId }) => runId)).toEqual(['next']);
        expect(isItsTurn(next, 'next')).toBe(true);
        expect(next.byId.has('unext')).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('G12: a start after its run’s end, withdrawal or delivery is void, with its message and its truncation', () => {
    fc.assert(
      fc.property(shuffled, (entries) => {
        const firstOf = (...of: string[]) => entries.findIndex(({ key }) => of.includes(key));
        const over = firstOf('x end', 'x withdraw', 'x steer');
        const started = firstOf('x start');
        if (over === -1 || started === -1 || over > started) return;
        const { state } = fold(entries);
        const without = fold(entries.filter((one) => !ofOne.includes(one))).state;
        expect({ ...state, barred: null }).toEqual({ ...without, barred: null });
      }),
      { numRuns: 1_000 },
    );
  });

  it('an entry with `first` counts only if the log has not begun; ends, withdrawals and marks do not begin it', () => {
    const seed: NewEntry = { ...entry('seed', put('s')), when: [first] };
    expect(idsOf(seed, send('1'))).toEqual(['s', 'u1']);
    expect(idsOf(entry('deleted'), entry('x end', end('x')), entry('y w', withdraw('y')), seed)).toEqual([
      's',
    ]);
    expect(idsOf(send('1'), seed)).toEqual(['u1']);
    // Also not if all messages were removed.
    expect(idsOf(send('1'), entry('t', { type: 'truncate', messageId: 'u1' }), seed)).toEqual([]);
    expect(idsOf(seed, { ...seed, key: 'another' })).toEqual(['s']);
  });

  it('an entry with `idle` counts while no other run is active, except runs whose place it removes', () => {
    const busy = [send('1'), send('2', idle)];
    expect(idsOf(...busy)).toEqual(['u1']);
    expect(fold(busy).state.active.map(({ runId }) => runId)).toEqual(['1']);
    expect(idsOf(send('1'), entry('1 end', end('1')), send('2', idle))).toEqual(['u1', 'u2']);
    const edit: NewEntry = {
      ...entry('e start', { type: 'truncate', messageId: 'u1' }, put('u1'), start('e', 'ae', 'u1')),
      when: [idle],
    };
    const edited = fold([send('1'), edit]).state;
    expect(edited.active.map(({ runId }) => runId)).toEqual(['1', 'e']);
    expect(idsOf(send('0'), send('1'), edit)).toEqual(['u0', 'u1']);
    expect(isActive(fold([send('0'), send('1'), edit]).state, 'e')).toBe(false);
  });

  it('of several entries with `idle` exactly one counts, in any order', () => {
    const meeting = fc.shuffledSubarray(['1', '2', '3', '4'], { minLength: 2 });
    fc.assert(
      fc.property(meeting, (runs) => {
        const { state } = fold(runs.map((runId) => send(runId, idle)));
        expect(state.active.map(({ runId }) => runId)).toEqual([runs[0]]);
        expect(messagesOf(state).map(({ id }) => id)).toEqual([`u${runs[0]}`]);
      }),
    );
  });

  it('of several entries with the same condition exactly one counts, in any order', () => {
    const named = (runId: string, messageId: string) => start(runId, messageId, 'sent');
    const kinds: Record<string, (runId: string) => NewEntry> = {
      'continuations of one message': (runId) => ({
        ...entry(`${runId} start`, named(runId, 'a1')),
        when: [{ type: 'last', messageId: 'a1' }],
      }),
      'new messages of one id': (runId) => ({
        ...entry(`${runId} start`, put('m'), named(runId, `a${runId}`)),
        when: [{ type: 'free', messageId: 'm' }],
      }),
      'regenerations of one answer': (runId) => ({
        ...entry(`${runId} start`, { type: 'truncate', messageId: 'a1' }, named(runId, `a${runId}`)),
        when: [{ type: 'present', messageId: 'a1' }],
      }),
      'the last run that there is room for': (runId) => send(runId, { type: 'runs', max: 1 }),
      'the last message that there is room for': (runId) => send(runId, { type: 'messages', max: 4 }),
    };
    const before = [put('u1'), start('1', 'a1', 'u1'), end('1', 'a1')].map((frame, index) =>
      entry(`${index}`, frame),
    );
    const meeting = fc.shuffledSubarray(['x', 'y', 'z'], { minLength: 2 });
    fc.assert(
      fc.property(meeting, fc.constantFrom(...Object.keys(kinds)), (runs, kind) => {
        const { state } = fold([...before, ...runs.map((runId) => kinds[kind]!(runId))]);
        expect(state.active.map(({ runId }) => runId)).toEqual([runs[0]]);
        expect([...state.barred].sort()).toEqual(runs.slice(1).sort());
      }),
    );
  });

  it('a continuation counts only directly after its message, and a void one has no effect', () => {
    const outcome = { state: 'output-available', output: 1 } as const;
    const continuation: NewEntry = {
      ...entry(
        'c start',
        { type: 'tool-outcome', messageId: 'a1', toolCallId: 'c', outcome, outcomeId: 'c' },
        start('c', 'a1', 'none'),
      ),
      when: [{ type: 'last', messageId: 'a1' }],
    };
    const answered = [send('1'), entry('1 end', end('1', 'a1'))];
    const { state, epoch } = fold(answered);
    expect(whyVoid(state, epoch, continuation)).toBeUndefined();
    for (const between of [
      [send('2')],
      [send('2'), entry('2 end', end('2', 'a2'))],
      [entry('d', { type: 'message-delete', messageId: 'a1' })],
      [entry('other', start('other', 'a1', 'none'))],
    ]) {
      const gone = fold([...answered, ...between]);
      expect(whyVoid(gone.state, gone.epoch, continuation)).toBe('last');
      const { state } = fold([...answered, ...between, continuation]);
      expect(state).toEqual({ ...gone.state, barred: new Set(['c']) });
    }
  });

  it('an entry that makes a full session shorter counts', () => {
    const edit: NewEntry = {
      ...entry('e start', { type: 'truncate', messageId: 'u2' }, put('u2'), start('e', 'ae', 'u2')),
      when: [{ type: 'messages', max: 2 }],
    };
    const { state, epoch } = fold([send('1'), send('2')]);
    expect(whyVoid(state, epoch, edit)).toBeUndefined();
    expect(whyVoid(state, epoch, send('3', { type: 'messages', max: 5 }))).toBe('messages');
    expect(whyVoid(state, epoch, send('3', { type: 'runs', max: 2 }))).toBe('runs');
    const stopped = applyFrame(state, { type: 'run-stop', runId: '1' });
    expect(whyVoid(stopped, epoch, send('3', { type: 'runs', max: 2 }))).toBeUndefined();
  });

  it('whyVoid says before the append whether an entry would count', () => {
    const { state, epoch } = fold([send('1')]);
    expect(counts(state, epoch, send('2'))).toBe(true);
    expect(counts(state, epoch, send('2', idle))).toBe(false);
    expect(counts(state, epoch, send('2', first))).toBe(false);
    expect(counts(emptySession, firstEpoch, send('2', first))).toBe(true);
  });

  it('after a deletion only a beginning and a send of the new log count', () => {
    const earlier = [deletedEntry, entry('late end', end('late'))];
    const { state, epoch } = fold(earlier);
    expect(state.begun).toBe(false);
    for (const when of [[first], []]) {
      const one = send('1', ...when);
      expect(counts(state, epoch, { ...one, epoch })).toBe(true);
      expect(counts(state, epoch, one)).toBe(true);
      for (const other of [firstEpoch, 'another']) {
        expect(counts(state, epoch, { ...one, epoch: other })).toBe(false);
        expect(fold([...earlier, { ...one, epoch: other }]).state).toMatchObject({
          order: [],
          active: [],
          begun: false,
          barred: new Set(['late', '1']),
        });
      }
    }
    expect(counts(emptySession, firstEpoch, { ...send('1'), epoch })).toBe(false);
  });

  it('a log that begins with a clear takes no beginning; one that begins with the deletion of one message does', () => {
    const seed: NewEntry = { ...entry('seed', put('s')), when: [first] };
    expect(idsOf(entry('clear', { type: 'message-delete', all: true }), seed)).toEqual([]);
    expect(idsOf(entry('delete', { type: 'message-delete', messageId: 'x' }), seed)).toEqual(['s']);
  });
});

describe('the keys of entries', () => {
  const outcome = { state: 'output-available', output: 1 } as const;
  /** Each maker, with ids that a client or a model can choose. */
  const made = (messageId: string, toolCallId: string, outcomeId: string): NewEntry[] => [
    entries.start(
      { runId: 'r', messageId, trigger: 'submit-message', at: 1 },
      { frames: [], when: [], epoch: '' },
    ),
    entries.late('r', []),
    entries.passed('r', []),
    entries.stop('r'),
    entries.withdraw('r'),
    entries.steer('r', 'into', { missed: 'finished' }),
    entries.end({ runId: 'r', reason: 'finish', chunks: 1 }),
    entries.saved('r'),
    entries.messageSaved('r'),
    entries.toolOutcome({ messageId, toolCallId, outcome, outcomeId }),
    entries.delete('r', { all: true }, ''),
    ...entries.seed([put('x')], '1-0', 'r'),
    deletedEntry,
  ];

  it('are part of the format: another spelling is another entry for a build before', () => {
    expect(made('m', 'c', 'a').map(({ key }) => key)).toEqual([
      'r start',
      'r late',
      'r passed',
      'r stop',
      'r withdraw',
      'r steer',
      'r end',
      'r saved',
      'r message saved',
      'm c output a',
      'r delete',
      'seed 1-0',
      'deleted',
    ]);
  });

  it('of two kinds of entries differ, whatever ids a client chooses', () => {
    const word = fc.constantFrom('r', 'start', 'end', 'message', 'saved', 'seed', 'deleted', 'output', '1');
    const id = fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join(' '));
    fc.assert(
      fc.property(id, id, id, (messageId, toolCallId, outcomeId) => {
        const keys = made(messageId, toolCallId, outcomeId).map(({ key }) => key);
        expect(new Set(keys).size).toBe(keys.length);
      }),
    );
  });

  it('name the run that an entry starts, also in an entry of another version', () => {
    expect(made('m', 'c', 'a').map(startedBy)).toEqual(['r', ...Array.from({ length: 12 }, () => undefined)]);
    expect(startedBy({ key: 'r start', frames: [{ type: 'run-start', run: 'r' } as never] })).toBe('r');
  });
});
