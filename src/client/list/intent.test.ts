import type { UIMessage } from 'ai';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { intentOf } from './intent.ts';

const message = (id: string, role: UIMessage['role'], text = id): UIMessage => ({
  id,
  role,
  parts: [{ type: 'text', text }],
});
const shown = [
  message('u1', 'user'),
  message('a1', 'assistant'),
  message('u2', 'user'),
  message('a2', 'assistant'),
];
const [u1, a1, u2, a2] = shown as [UIMessage, UIMessage, UIMessage, UIMessage];
const isShown = (one: UIMessage) => shown.includes(one);
const changed = (one: UIMessage) => message(one.id, one.role, `${one.id} changed`);
const loaded = (one: UIMessage) => structuredClone(one);
const local = message('local', 'user');
const greeting = message('greeting', 'assistant');

describe('a list that the app sets', () => {
  it.each<[string, readonly UIMessage[], { removed: string[]; edited: UIMessage[] } | undefined]>([
    ['the same list', shown, undefined],
    ['nothing', [], { removed: ['u1', 'a1', 'u2', 'a2'], edited: [] }],
    ['the first messages', [u1, a1], { removed: ['u2', 'a2'], edited: [] }],
    ['all messages but one in the middle', [u1, u2, a2], { removed: ['a1'], edited: [] }],
    ['one more message', [...shown, local], undefined],
    ['a user message changed', [u1, a1, changed(u2), a2], { removed: [], edited: [changed(u2)] }],
    [
      'a user message changed, and the later ones removed',
      [u1, a1, changed(u2)],
      { removed: ['a2'], edited: [changed(u2)] },
    ],
    ['an answer changed', [u1, changed(a1), u2, a2], undefined],
    ['the same list from a database', shown.map(loaded), undefined],
    ['an older list from a database', [u1, a1].map(loaded), undefined],
    ['a list with one loaded message', [u1, loaded(a1)], undefined],
    [
      'only the first message, changed',
      [changed(u1)],
      { removed: ['a1', 'u2', 'a2'], edited: [changed(u1)] },
    ],
    [
      'only changed messages',
      [changed(u1), changed(u2)],
      { removed: ['a1', 'a2'], edited: [changed(u1), changed(u2)] },
    ],
    ['the first message changed', [changed(u1), a1, u2, a2], { removed: [], edited: [changed(u1)] }],
    ['only a loaded message', [loaded(u1)], undefined],
    ['a changed and a loaded message', [changed(u1), loaded(u2)], undefined],
    ['only a changed answer', [changed(a1)], undefined],
    ['a greeting of the app', [greeting], { removed: ['u1', 'a1', 'u2', 'a2'], edited: [] }],
    ['a list of another chat', [local], undefined],
    ['a list of another chat with a greeting', [greeting, local], undefined],
  ])('%s', (_, set, intent) => {
    expect(intentOf(shown, isShown, set)).toEqual(intent);
  });
});

it('a list with an unchanged message that was loaded elsewhere never changes the session', () => {
  fc.assert(
    fc.property(fc.subarray(shown), fc.constantFrom(...shown), (kept, foreign) => {
      const set = [...kept.filter((one) => one !== foreign), loaded(foreign)];
      expect(intentOf(shown, isShown, set)).toBeUndefined();
    }),
  );
});

it('removes exactly what is missing', () => {
  fc.assert(
    fc.property(fc.subarray(shown), (kept) => {
      const missing = shown.filter((one) => !kept.includes(one)).map(({ id }) => id);
      expect(intentOf(shown, isShown, kept)?.removed ?? []).toEqual(missing);
    }),
  );
});
