// The options of an Upstash channel, and the client for its database. The one file that creates a client of
// `@upstash/redis`; others import its types.

import { Redis } from '@upstash/redis';
import type { Runtime } from '../../lib/runtime.ts';
import { timeoutSignal } from '../../lib/time.ts';
import { DurableChatError } from '../../protocol/errors.ts';

/** Your own `@upstash/redis` client, or the address and the token of the database. */
export type UpstashChannelOptions = (
  | { readonly redis: Redis }
  | {
      /**
       * The address of the database.
       * @defaultValue `UPSTASH_REDIS_REST_URL`, else `KV_REST_API_URL` of the environment
       */
      readonly url?: string;
      /**
       * The token of the database.
       * @defaultValue `UPSTASH_REDIS_REST_TOKEN`, else `KV_REST_API_TOKEN` of the environment
       */
      readonly token?: string;
    }
) & {
  /**
   * The beginning of all keys and pub/sub channels.
   * @defaultValue `dc`
   */
  readonly prefix?: string;
  /**
   * How long a session is kept after its last send, in seconds. Make it longer than any run.
   * @defaultValue 604,800 (7 days)
   */
  readonly ttl?: number;
  /**
   * How long one request may take before it counts as failed, in milliseconds.
   * @defaultValue 10,000
   */
  readonly timeoutMs?: number;
};

/** A client for the database that the options or the environment name. Throws `config` if neither names one. */
export function connect(
  runtime: Runtime,
  given: { readonly url?: string; readonly token?: string },
  timeoutMs: number,
): Redis {
  const env = typeof process === 'undefined' ? {} : process.env;
  // The first complete pair, because the token of one database does not open another.
  const pairs = [
    [given.url, given.token],
    [env['UPSTASH_REDIS_REST_URL'], env['UPSTASH_REDIS_REST_TOKEN']],
    [env['KV_REST_API_URL'], env['KV_REST_API_TOKEN']],
  ];
  const [address, secret] = pairs.find(([url, token]) => url && token) ?? [];
  if (!address || !secret) {
    throw new DurableChatError(
      'config',
      '`upstashChannel` needs a database. Set UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN ' +
        '(or KV_REST_API_URL and KV_REST_API_TOKEN), or pass { redis } or { url, token }.',
    );
  }
  return new Redis({
    url: address,
    token: secret,
    automaticDeserialization: false,
    enableAutoPipelining: false,
    enableTelemetry: false,
    // Ends a request after its timeout. Subscriptions have their own signal.
    signal: () => timeoutSignal(runtime, timeoutMs),
  });
}
