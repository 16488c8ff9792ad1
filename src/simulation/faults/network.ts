// Failures between pages and servers.

import { fair, type Weather } from '../network/weather.ts';
import type { Fault } from './fault.ts';

/** The connections of one page, or of all, have this weather for a while. */
function weather(name: string, weight: number, change: Partial<Weather>): Fault {
  return {
    name,
    weight,
    lasts: [200, 20_000],
    begin({ network, pages }, random) {
      const page = random.chance(0.5) ? '*' : (random.pick([...pages])?.process.name ?? '*');
      network.weather.set(page, { ...fair, ...network.weather.get(page), ...change });
      return () => void network.weather.delete(page);
    },
  };
}

/** The faults between pages and servers. */
export const networkFaults: readonly Fault[] = [
  weather('slow network', 1, { delay: [50, 3_000] }),
  weather('lost requests', 1, { loseRequest: 0.5 }),
  weather('lost responses', 1, { loseResponse: 0.5 }),
  weather('bad gateway', 1, { badGateway: 0.6 }),
  weather('cut responses', 2, { cut: 0.7 }),
  weather('silent failures', 1, { silent: 1, cut: 0.4, loseRequest: 0.2, loseResponse: 0.2 }),
  {
    name: 'cut now',
    weight: 2,
    lasts: [0, 0],
    begin({ network }, random) {
      for (const connection of [...network.open])
        if (random.chance(0.7)) {
          if (random.chance(0.2)) connection.mute();
          else connection.reset();
        }
      return () => {};
    },
  },
];
