// All that takes part in a schedule: the world, the network, the store, the instances and the pages.

import { Evidence } from './checks/evidence.ts';
import { Wire } from './checks/wire.ts';
import { Network } from './network/network.ts';
import { scriptedHandler } from './processes/handler.ts';
import { Instance, type ServerCode } from './processes/instance.ts';
import { Page, type PageCode } from './processes/page.ts';
import { createRedis, type RedisModel } from './store/redis.ts';
import { createUpstashWay, type StoreWay } from './store/upstash-way.ts';
import type { Bundle } from './world/bundle.ts';
import type { World } from './world/world.ts';

/** The code of each kind of process. */
export interface Codes {
  readonly server: Bundle<ServerCode>;
  readonly page: Bundle<PageCode>;
}

export class Stage {
  readonly world: World;
  readonly evidence: Evidence;
  readonly network: Network;
  readonly redis: RedisModel;
  /** The way to the store. */
  readonly store: StoreWay;
  /** An instance that gets no requests: it reads the store for the checks. */
  readonly observer: Instance;
  readonly instances: Set<Instance> = new Set<Instance>();
  readonly pages: Set<Page> = new Set<Page>();
  readonly sessions: readonly string[];
  /** Until when requests that a fault has held back can still arrive. */
  dueAt: number = 0;
  readonly #codes: Codes;
  #count = 0;

  constructor(world: World, codes: Codes, sessions: readonly string[]) {
    this.world = world;
    this.sessions = sessions;
    this.#codes = codes;
    this.evidence = new Evidence(world);
    this.redis = createRedis(() => world.now());
    this.network = new Network(world, new Wire(this.evidence, this.redis));
    this.store = createUpstashWay(this.redis, {
      schedule: (callback, ms) => world.after(ms, callback),
      random: world.random,
      trace: (line) => world.trace(line),
    });
    this.observer = this.#instance('observer');
  }

  /** Starts a server instance. */
  start(): Instance {
    const instance = this.#instance(this.name('server'));
    this.instances.add(instance);
    this.network.hosts.add(instance);
    return instance;
  }

  #instance(name: string): Instance {
    const { world, evidence, store } = this;
    return new Instance({
      name,
      world,
      store,
      code: this.#codes.server,
      handler: (process) => scriptedHandler(process, evidence),
      options: {
        allowWhenBusy: ['queue', 'interrupt', 'steer', 'reject', 'parallel'],
        onError: (error) => world.trace(() => `${name} error: ${String(error)}`),
      },
    });
  }

  /** The instance ends at once, without another word. */
  kill(instance: Instance): void {
    this.world.trace(() => `${instance.process.name} is killed`);
    this.instances.delete(instance);
    this.network.hosts.delete(instance);
    instance.process.kill();
  }

  open(sessionId: string): Page {
    const { world, network, evidence } = this;
    const code = this.#codes.page;
    const page = new Page({ name: this.name('page'), sessionId, world, network, evidence, code });
    this.pages.add(page);
    return page;
  }

  /** The tab is closed: nothing of it runs any more. */
  discard(page: Page): void {
    this.world.trace(() => `${page.process.name} is closed`);
    this.pages.delete(page);
    page.process.kill();
    for (const connection of this.network.open) if (connection.page === page.process) connection.reset();
  }

  /** A unique name. */
  name(kind: string): string {
    return `${kind}${++this.#count}`;
  }
}
