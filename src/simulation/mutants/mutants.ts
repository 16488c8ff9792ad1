// All mutants that `npm run simulate -- --mutants` tries.

import { clientMutants } from './client.ts';
import { logMutants } from './log.ts';
import type { Mutant } from './mutant.ts';
import { serverMutants } from './server.ts';
import { storeMutants } from './store.ts';

/** The mutants, each with a name of its own. */
export const mutants: readonly Mutant[] = [
  ...storeMutants,
  ...logMutants,
  ...serverMutants,
  ...clientMutants,
];
