// When all pages are closed, nothing is left: no connection, no subscription, no timer.

import type { Check } from './check.ts';

/** What an instance may still do once nobody watches. */
const lingerMs = 130_000;

/** Closes all pages, and looks for what goes on. */
export const nothingIsLeft: Check = async ({ world, pages, instances, network, store, evidence }) => {
  for (const page of pages) page.close();
  await world.run(lingerMs);
  for (const { process } of pages)
    evidence.demand(
      process.timers === 0,
      'nothing is left',
      () => `${process.name} has ${process.timers} timers`,
    );
  for (const { process } of instances)
    evidence.demand(
      process.timers === 0,
      'nothing is left',
      () => `${process.name} has ${process.timers} timers`,
    );
  evidence.demand(network.open.size === 0, 'nothing is left', () => `${network.open.size} connections`);
  evidence.demand(
    store.openSubscriptions === 0,
    'nothing is left',
    () => `${store.openSubscriptions} subscriptions`,
  );
};
