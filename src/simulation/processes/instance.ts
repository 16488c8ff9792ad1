// A server instance: the real server in a process of its own, with the app's route.

import { Redis } from '@upstash/redis';
import type { Channel } from '../../channel/channel.ts';
import type { DurableChatOptions } from '../../server/options.ts';
import type { Routes } from '../../server/http/routes.ts';
import type { SessionHandle } from '../../server/handle/session-handle.ts';
import type { Handler } from '../../server/handler.ts';
import type { Host } from '../network/connection.ts';
import { simulatedToken, type StoreWay } from '../store/upstash-way.ts';
import type { Bundle } from '../world/bundle.ts';
import { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';

/** What the code of an instance exports. */
export type ServerCode = typeof import('./server-code.ts');

/** An app's own client of the store. It decodes no base64, which takes half of the time of a read. */
const lean = {
  automaticDeserialization: false,
  enableAutoPipelining: false,
  enableTelemetry: false,
  responseEncoding: false,
} as const;

/** What an instance is made of. */
export interface InstanceOptions {
  readonly name: string;
  readonly world: World;
  readonly code: Bundle<ServerCode>;
  readonly store: StoreWay;
  /** The app's handler, in this process. */
  readonly handler: (process: Process) => Handler;
  readonly options: Omit<DurableChatOptions, 'channel'>;
}

/** One instance. */
export class Instance implements Host {
  readonly process: Process;
  /** The store, as this process reaches it. */
  readonly channel: Channel;
  readonly session: (id: string) => SessionHandle;
  readonly #routes: Routes<unknown>;

  constructor({ name, world, code, store, handler, options }: InstanceOptions) {
    this.process = new Process(name, world);
    const { process } = this;
    const fetch = store.fetchFor(name, (run) => process.enter(run));
    process.onDeath(() => store.leave(name));
    world.hosts.set(`${name}.store`, fetch);
    const { createCore, upstashChannel } = code({ ...process.globals, fetch });
    const address = { url: `http://${name}.store`, token: simulatedToken };
    const channel = upstashChannel(
      world.random.chance(0.25) ? address : { redis: new Redis({ ...address, ...lean }) },
      process.runtime,
    );
    this.channel = channel;
    const chat = createCore(options, async () => channel, process.runtime);
    this.#routes = chat.route(handler(process)) as Routes<unknown>; // its parameters are not used
    this.session = (id) => chat.session(id);
  }

  respond(request: Request): Promise<Response> {
    return this.#routes[request.method as 'GET' | 'POST' | 'DELETE'](request);
  }
}
