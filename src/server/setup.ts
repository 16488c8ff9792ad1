// The checks before the first request: a store for the sessions, and an `authorize` function.

import type { Channel } from '../channel/channel.ts';
import { DurableChatError } from '../protocol/errors.ts';
import type { DurableChatOptions } from './options.ts';

/** The environment variables that choose the store. */
export interface Environment {
  readonly NODE_ENV?: string | undefined;
  readonly NEXT_PHASE?: string | undefined;
  readonly UPSTASH_REDIS_REST_URL?: string | undefined;
  readonly UPSTASH_REDIS_REST_TOKEN?: string | undefined;
  readonly KV_REST_API_URL?: string | undefined;
  readonly KV_REST_API_TOKEN?: string | undefined;
}

/** The stores of this package. A store is made when it is first needed. */
export interface Stores {
  readonly upstash: () => Promise<Channel>;
  readonly memory: () => Channel;
}

const pairs = [
  ['UPSTASH_REDIS_REST_URL', 'UPSTASH_REDIS_REST_TOKEN'],
  ['KV_REST_API_URL', 'KV_REST_API_TOKEN'],
] as const;

/**
 * The channel to use, opened on first use. Throws `config` at once if there is no store or no `authorize`, unless
 * NODE_ENV is `development` or `test`. If no pair of variables is complete, half of a pair is also an error there,
 * because memory would hide the mistake. While Next builds, the variables are often missing, so the store is checked on
 * first use.
 */
export function setUp(
  options: Pick<DurableChatOptions, 'authorize' | 'channel'>,
  env: Environment,
  stores: Stores,
): () => Promise<Channel> {
  // Closed by default, because many runtimes set no NODE_ENV.
  const development = env.NODE_ENV === 'development' || env.NODE_ENV === 'test';
  if (!development && !options.authorize) {
    throw new DurableChatError(
      'config',
      'durable-chat needs `authorize`, because NODE_ENV is neither development nor test. Pass ' +
        '({ request, sessionId, action }) => boolean, or `() => true` if anyone may read and write every session.',
    );
  }
  const choose = (): (() => Promise<Channel>) => {
    const { channel } = options;
    if (channel) return async () => channel;
    if (pairs.some((pair) => pair.every((name) => env[name]))) return stores.upstash;
    const half = pairs.find((pair) => pair.some((name) => env[name]));
    if (development && !half) return async () => stores.memory();
    const missing = half?.filter((name) => !env[name]).join();
    const problem = missing
      ? `durable-chat has half of a pair of variables: ${missing} is missing or empty.`
      : 'durable-chat needs a store, because NODE_ENV is neither development nor test.';
    throw new DurableChatError(
      'config',
      `${problem} Set UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN ` +
        '(or KV_REST_API_URL and KV_REST_API_TOKEN), or pass `channel`.',
    );
  };
  const chosen = env.NEXT_PHASE === 'phase-production-build' ? undefined : choose();
  let opened: Promise<Channel> | undefined;
  return () => (opened ??= (chosen ?? choose())());
}
