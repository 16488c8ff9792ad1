// What fails in a schedule.

import type { Random } from '../../test/fixtures/random.fixture.ts';
import type { Stage } from '../stage.ts';

/** One kind of failure. */
export interface Fault {
  readonly name: string;
  /** How often it is drawn, compared with the others. */
  readonly weight: number;
  /** The least and the longest time until it heals by itself, in milliseconds. */
  readonly lasts: readonly [number, number];
  /** Begins it. All its choices come from `random`. The result heals it. */
  begin(stage: Stage, random: Random): () => void;
}
