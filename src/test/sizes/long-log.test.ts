// What the log of a long session costs to fold: as much as it has entries, and not their square.

import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  entries,
  versioned,
  type EntryCondition,
  type LogEntry,
  type NewEntry,
} from '../../protocol/entries.ts';
import type { LogFrame } from '../../protocol/frames.ts';
import { Log } from '../../server/follow/log.ts';
import { put } from '../fixtures/frames.fixture.ts';

afterEach(() => void vi.unstubAllGlobals());

/** Counts what copies of maps, sets and lists take over from the ones before, until the test ends. */
function countCopies(): () => number {
  let copied = 0;
  const count = <T>(from: Iterable<T> | null | undefined): T[] => {
    const items = [...(from ?? [])];
    copied += items.length;
    return items;
  };
  // Those that were made before are of the same kind.
  const [isMap, isSet] = [Map, Set].map((kind) => (value: unknown) => value instanceof kind);
  class CountedMap<K, V> extends Map<K, V> {
    static override [Symbol.hasInstance] = isMap;
    constructor(from?: Iterable<readonly [K, V]> | null) {
      super(count(from));
    }
  }
  class CountedSet<T> extends Set<T> {
    static override [Symbol.hasInstance] = isSet;
    constructor(from?: Iterable<T> | null) {
      super(count(from));
    }
  }
  vi.stubGlobal('Map', CountedMap);
  vi.stubGlobal('Set', CountedSet);
  return () => copied;
}

const when: readonly EntryCondition[] = [
  { type: 'idle' },
  { type: 'messages', max: 1_000 },
  { type: 'runs', max: 100 },
];

function send(name: string, frames: readonly LogFrame[], also: readonly EntryCondition[] = []): NewEntry {
  const run = { runId: `r-${name}`, messageId: `a-${name}`, trigger: 'submit-message', at: 0 } as const;
  return entries.start(
    { ...run, userMessageId: `u-${name}` },
    { frames, when: [...also, ...when], epoch: '' },
  );
}

const answered = (name: string): NewEntry[] => [
  send(name, [put(`u-${name}`)], [{ type: 'free', messageId: `u-${name}` }]),
  entries.end({
    runId: `r-${name}`,
    reason: 'finish',
    chunks: 1,
    message: put(`a-${name}`, 'assistant').message,
  }),
];

/** What sends do to a long session, each as the entries of one send. */
const kinds: Readonly<Record<string, (name: string) => readonly NewEntry[]>> = {
  'new messages': answered,
  edits: (name) => [
    ...answered(name),
    send(`${name}-edit`, [{ type: 'truncate', messageId: `u-${name}` }, put(`u-${name}`)]),
    entries.end({ runId: `r-${name}-edit`, reason: 'error', chunks: 0 }),
  ],
  'runs that fail': (name) => [
    send(name, [put(`u-${name}`)]),
    entries.end({ runId: `r-${name}`, reason: 'error', chunks: 0 }),
  ],
  'sends that are void': (name) => [send(name, [put('u-first')], [{ type: 'free', messageId: 'u-first' }])],
  'messages that are removed': (name) => [
    ...answered(name),
    entries.delete(name, { messageId: `u-${name}` }, ''),
    entries.stop(`r-${name}`),
  ],
};

describe.each(Object.entries(kinds))('a log of %s', (_, make) => {
  const logOf = (count: number): LogEntry[] =>
    [...answered('first'), ...Array.from({ length: count }, (_, index) => make(`${index}`)).flat()].map(
      (entry, index) => ({
        id: `${index + 1}-0`,
        ...versioned(entry),
        ...(entry.expectedLastId !== undefined && { expectedLastId: `${index}-0` }),
      }),
    );

  it.each([50, 400])('is folded without a copy of the session for each entry: %i sends', (count) => {
    const list = logOf(count);
    const log = new Log();
    const copied = countCopies();
    for (const entry of list) log.add(entry);
    const total = copied();
    vi.unstubAllGlobals();
    expect(log.entries).toHaveLength(list.length);
    expect(log.state.order.length).toBeGreaterThan(1);
    expect(total).toBeLessThan(list.length);
  });
});

it('a state that was read stays as it was when the log grows', () => {
  const log = new Log();
  const [start, end] = answered('1').map((entry, index) => ({ id: `${index + 1}-0`, ...versioned(entry) }));
  log.add(start!);
  const { state } = log;
  const before = structuredClone(state);
  const copy = log.copy();
  copy.add(end!);
  expect([log.state, copy.state.active]).toEqual([before, []]);
  expect(log.state).toBe(state);
  log.add(end!);
  expect(state).toEqual(before);
  expect(log.state).toEqual(copy.state);
});
