// A server instance: the real server in a process of its own, with the app's route.

import type { Channel } from '../../channel/channel.ts';
import type { DurableChatOptions } from '../../server/options.ts';
import type { Routes } from '../../server/http/routes.ts';
import type { SessionHandle } from '../../server/handle/session-handle.ts';
import type { Handler } from '../../server/handler.ts';
import type { Host } from '../network/connection.ts';
import type { Bundle } from '../world/bundle.ts';
import { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';

/** What the code of an instance exports. */
export type ServerCode = typeof import('./server-code.ts');

export interface InstanceOptions {
  readonly name: string;
  readonly world: World;
  readonly code: Bundle<ServerCode>;
  /** The store, as this process reaches it. */
  readonly channel: (code: ServerCode, process: Process) => Channel;
  /** The app's handler, in this process. */
  readonly handler: (process: Process) => Handler;
  readonly options: Omit<DurableChatOptions, 'channel'>;
  /** `fetch` of the process, for its store. */
  readonly fetch?: typeof fetch | undefined;
}

export class Instance implements Host {
  readonly process: Process;
  readonly session: (id: string) => SessionHandle;
  readonly #routes: Routes<unknown>;

  constructor({ name, world, code, channel, handler, options, fetch }: InstanceOptions) {
    this.process = new Process(name, world);
    const { process } = this;
    const exports = code({ ...process.globals, fetch: fetch && guarded(process, fetch) });
    const store = channel(exports, process);
    const chat = exports.createCore(options, async () => store, process.runtime);
    this.#routes = chat.route(handler(process)) as Routes<unknown>; // its parameters are not used
    this.session = (id) => chat.session(id);
  }

  respond(request: Request): Promise<Response> {
    return this.#routes[request.method as 'GET' | 'POST' | 'DELETE'](request);
  }
}

/** A `fetch` whose answers reach the process only while it lives. */
function guarded(process: Process, fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  return (input, init) =>
    new Promise((resolve, reject) => {
      if (process.isDead) return;
      fetch(input, init).then(
        (response) => process.enter(() => resolve(response)),
        (error: Error) => process.enter(() => reject(error)),
      );
    });
}
