// Mutants of the client: its subscription, its chunks and its sends.

import type { Mutant } from './mutant.ts';

const subscription = 'src/client/network/subscription.ts';
const runLog = 'src/client/runs/run-log.ts';

/** The mutants of the client. */
export const clientMutants: readonly Mutant[] = [
  {
    name: 'the cursor of a frame that shows a gap is kept',
    file: subscription,
    from: `if (signal.aborted) return;
      this.#cursor = event.id ?? this.#cursor;`,
    to: `this.#cursor = event.id ?? this.#cursor;`,
  },
  {
    name: 'a subscription with a gap continues at its cursor',
    file: subscription,
    from: `this.#cursor = undefined;
    this.#dispatch({ type: 'lost' });`,
    to: `this.#dispatch({ type: 'lost' });`,
  },
  {
    name: 'a silent connection is kept',
    file: subscription,
    from: `cancelSilence = runtime.schedule(() => dispatch({ type: 'lost' }), silenceMs);`,
    to: ``,
  },
  {
    name: 'a lost connection is not replaced',
    file: subscription,
    from: `() => this.#dispatch({ type: 'retry' }),`,
    to: `() => {},`,
  },
  {
    name: 'a temporary refusal is final',
    file: subscription,
    from: `return status >= 400 && status < 500 && ![408, 425, 429].includes(status);`,
    to: `return status >= 400;`,
  },
  {
    name: 'no contiguity check of chunks',
    file: runLog,
    from: `if (from > this.#count) return false;`,
    to: ``,
  },
  {
    name: 'known chunks are taken again',
    file: runLog,
    from: `const fresh = chunks.slice(this.#count - from);`,
    to: `const fresh = chunks;`,
  },
  {
    name: 'a snapshot is added to the chunks that it stands for',
    file: runLog,
    from: `this.#chunks.push(...remainder(this.#chunks, compacted));`,
    to: `this.#chunks.push(...compacted);`,
  },
];
