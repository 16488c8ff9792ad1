// The stores that a suite runs on: memory, and Upstash over a real Redis that the suite starts and stops.

import { afterAll, beforeAll } from 'vitest';
import type { Channel } from '../channel/channel.ts';
import { memoryChannel } from '../channel/memory.ts';
import { upstashChannel } from '../channel/upstash.ts';
import { startUpstashServer, type UpstashServer } from './upstash-server.ts';

export interface Stores {
  /** Each opens a store of its own; what that gives are channels of server instances that share it. */
  readonly stores: [name: string, open: (options?: { readonly ttl?: number }) => () => Channel][];
  /** The server behind `upstash`, once the tests run. */
  readonly server: () => UpstashServer;
}

/** To be called once at the top of a test file. */
export function useStores(): Stores {
  let server: UpstashServer;
  beforeAll(async () => {
    server = await startUpstashServer();
  });
  afterAll(() => server.close());
  return {
    server: () => server,
    stores: [
      [
        'memory',
        (options) => {
          const channel = memoryChannel(options);
          return () => channel;
        },
      ],
      ['upstash', (options) => () => upstashChannel({ url: server.url, token: server.token, ...options })],
    ],
  };
}
