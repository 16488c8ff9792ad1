// What users and apps do in a schedule.

import type { Random } from '../../test/fixtures/random.fixture.ts';
import type { Stage } from '../stage.ts';

/** One kind of operation. */
export interface Operation {
  readonly name: string;
  /** How often it is drawn, compared with the others. */
  readonly weight: number;
  /** Begins it. All its choices come from `random`. */
  perform(stage: Stage, random: Random): void;
}
