// The network between pages and server instances, through a proxy that sends each request to any instance.

import type { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';
import { Connection, type Host } from './connection.ts';
import type { Observer } from './observer.ts';
import { fair, fateOf, type Weather } from './weather.ts';

/** The network of one schedule. */
export class Network {
  /** The weather of a page's connections; of all pages under `*`. */
  readonly weather: Map<string, Weather> = new Map<string, Weather>();
  /** The instances that the proxy knows. */
  readonly hosts: Set<Host> = new Set<Host>();
  readonly open: Set<Connection> = new Set<Connection>();
  readonly #world: World;
  readonly #observer: Observer;
  #count = 0;

  constructor(world: World, observer: Observer) {
    this.#world = world;
    this.#observer = observer;
  }

  /** The `fetch` of a page. `find` chooses another host than the proxy does. */
  fetchOf(page: Process, find: () => Host | undefined = () => this.#pick()): typeof fetch {
    return async (input, init = {}) => {
      const url = new URL(input as string, 'http://app.test'); // the client passes a path
      const { random } = this.#world;
      const fate = fateOf(this.weather.get(page.name) ?? this.weather.get('*') ?? fair, random);
      const asked = { url, method: init.method ?? 'GET', init };
      const connection = new Connection(++this.#count, asked, page, this.#world, {
        fate,
        observer: this.#observer,
        onClose: () => void this.open.delete(connection),
      });
      this.open.add(connection);
      return connection.open(find);
    };
  }

  #pick(): Host | undefined {
    return this.#world.random.pick([...this.hosts]);
  }
}
