import { clock } from './clocks.ts';
import type { Fault } from './fault.ts';
import { freeze, kill } from './instances.ts';
import { networkFaults } from './network.ts';
import { pageFaults } from './pages.ts';
import { storeFaults } from './store.ts';

/** All faults that a schedule draws from. */
export const faults: readonly Fault[] = [
  ...[kill, freeze, clock],
  ...networkFaults,
  ...storeFaults,
  ...pageFaults,
];
