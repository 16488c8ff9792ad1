// What happens to pages in their browsers.

import { fair } from '../network/weather.ts';
import type { Fault } from './fault.ts';

/** The tab is hidden for a while. */
const hidden: Fault = {
  name: 'page hidden',
  weight: 2,
  lasts: [100, 200_000],
  begin({ pages }, random) {
    const page = random.pick([...pages]);
    page?.tab?.hide(true);
    return () => page?.tab?.hide(false);
  },
};

/** The browser gives the page no time, as it does with hidden tabs, and as a laptop does whose lid is closed. */
const frozen: Fault = {
  name: 'page frozen',
  weight: 2,
  lasts: [100, 200_000],
  begin({ pages, world }, random) {
    const page = random.pick([...pages]);
    world.trace(() => `${page?.process.name} freezes`);
    page?.process.freeze();
    return () => {
      world.trace(() => `${page?.process.name} thaws`);
      page?.process.thaw();
    };
  },
};

/** The browser has no network, and knows it. */
const offline: Fault = {
  name: 'offline',
  weight: 2,
  lasts: [100, 100_000],
  begin({ pages, network }, random) {
    const page = random.pick([...pages]);
    if (!page) return () => {};
    const { name } = page.process;
    network.weather.set(name, { ...fair, loseRequest: 1 });
    for (const connection of [...network.open]) if (connection.page === page.process) connection.reset();
    page.tab?.connect(false);
    return () => {
      network.weather.delete(name);
      page.tab?.connect(true);
    };
  },
};

/** The faults of pages. */
export const pageFaults: readonly Fault[] = [hidden, frozen, offline];
