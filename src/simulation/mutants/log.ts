// Mutants of the log: which entries count, and what they do.

import type { Mutant } from './mutant.ts';

const entries = 'src/protocol/entries.ts';
const fold = 'src/protocol/fold.ts';
const log = 'src/server/follow/log.ts';

/** The mutants of the log. */
export const logMutants: readonly Mutant[] = [
  {
    name: 'no tombstone for a late start',
    file: fold,
    from: `return isOver(state, runId) ? state : { ...state, barred: new Set(state.barred).add(runId) };`,
    to: `return state;`,
  },
  {
    name: 'a late start takes effect with its message',
    file: entries,
    from: `if (frames.some((frame) => isStart(frame) && isOver(state, frame.runId))) return 'over';`,
    to: ``,
  },
  {
    name: 'the conditions of an entry are ignored',
    file: entries,
    from: `return when.find((condition) => !isTrue(condition, state, frames, after))?.type;`,
    to: `return undefined;`,
  },
  {
    name: 'a seed as any entry',
    file: entries,
    from: `return !state.begun;`,
    to: `return true;`,
  },
  {
    name: 'an entry of a deleted log counts in the next one',
    file: entries,
    from: `if (written !== epoch) return 'epoch';`,
    to: ``,
  },
  {
    name: 'an entry that was written twice counts twice',
    file: log,
    from: `if (this.#keys.has(entry.key)) return false;`,
    to: ``,
  },
  {
    name: 'an entry that has to stand directly after another one stands anywhere',
    file: log,
    from: `const isExpected = entry.expectedLastId === undefined || entry.expectedLastId === this.#lastId;`,
    to: `const isExpected = true;`,
  },
  {
    name: 'a run whose turn has come is withdrawn',
    file: fold,
    from: `if (isItsTurn(state, runId)) return state;`,
    to: ``,
  },
  {
    name: 'the end of a run gives a truncated place back',
    file: fold,
    from: `if (message && state.order.includes(messageId)) {`,
    to: `if (message) {`,
  },
  {
    name: 'the end of a run leaves it active',
    file: fold,
    from: `active: state.active.filter((one) => one !== run),
    ended: new Map(state.ended).set(runId, { ...end, messageId, ...(`,
    to: `active: state.active,
    ended: new Map(state.ended).set(runId, { ...end, messageId, ...(`,
  },
];
