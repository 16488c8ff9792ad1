// All that takes part in a schedule: the world, the network, the store, the instances and the pages.

import { Evidence } from './checks/evidence.ts';
import { Wire } from './checks/wire.ts';
import { Network } from './network/network.ts';
import { Browser, type BrowserKind, type Storage } from './processes/browser.ts';
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

/** What a schedule says about those who take part. */
interface Parts {
  readonly sessions: readonly string[];
  readonly browsers: readonly BrowserKind[];
}

/** Where a page opens. */
interface OpenOptions {
  /** Default: in turns. */
  readonly browser?: Browser;
  /** What an earlier page of the same tab has left. */
  readonly storage?: Storage;
}

/** Who takes part in one schedule. */
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
  readonly browsers: readonly Browser[];
  readonly #codes: Codes;
  #count = 0;

  constructor(world: World, codes: Codes, { sessions, browsers }: Parts) {
    this.world = world;
    this.sessions = sessions;
    this.browsers = browsers.map((kind) => new Browser(kind));
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

  /** The instance ends at once, and writes and sends nothing more. */
  kill(instance: Instance): void {
    this.world.trace(() => `${instance.process.name} is killed`);
    this.instances.delete(instance);
    this.network.hosts.delete(instance);
    instance.process.kill();
  }

  open(sessionId: string, { browser, storage }: OpenOptions = {}): Page {
    const { world, network, evidence } = this;
    const code = this.#codes.page;
    const page = new Page({
      ...{ sessionId, world, network, evidence, code },
      name: this.name('page'),
      browser: browser ?? this.browsers[this.#count % this.browsers.length]!,
      storage: storage ?? new Map<string, string>(),
    });
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

  /** The pages that can act. */
  get awake(): Page[] {
    return [...this.pages].filter((page) => !page.process.isFrozen);
  }

  /** A unique name. */
  name(kind: string): string {
    return `${kind}${++this.#count}`;
  }
}
