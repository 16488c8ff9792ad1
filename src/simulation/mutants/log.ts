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
    from: `if (!isOver(draft, runId)) own(draft, 'barred').add(runId);`,
    to: ``,
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
    from: `return when.find((condition) => !isTrue(condition, state, after))?.type;`,
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
    from: `if (isItsTurn(draft, runId)) return;`,
    to: ``,
  },
  {
    name: 'the end of a run gives a truncated place back',
    file: fold,
    from: `if (message && isPlaced(draft, messageId)) {`,
    to: `if (message) {`,
  },
  {
    name: 'the end of a run leaves it active',
    file: fold,
    from: `draft.active = draft.active.filter((one) => one !== run);
  own(draft, 'ended').set(runId, { ...end, messageId, ...(`,
    to: `own(draft, 'ended').set(runId, { ...end, messageId, ...(`,
  },
];
