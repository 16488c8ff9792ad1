// The checks before the first request: a store for the sessions, and an `authorize` function.

import type { Channel } from '../channel/channel.ts';
import { DurableChatError } from '../protocol/errors.ts';
import type { DurableChatOptions } from './options.ts';

export interface Environment {
  readonly NODE_ENV?: string | undefined;
  readonly NEXT_PHASE?: string | undefined;
  readonly UPSTASH_REDIS_REST_URL?: string | undefined;
  readonly UPSTASH_REDIS_REST_TOKEN?: string | undefined;
  readonly KV_REST_API_URL?: string | undefined;
  readonly KV_REST_API_TOKEN?: string | undefined;
}

export interface Stores {
  readonly upstash: () => Promise<Channel>;
  readonly memory: () => Channel;
}

/**
 * The channel to use, opened on first use. Throws `config` at once if there is no store or no `authorize`, unless
 * NODE_ENV is `development` or `test`. While Next builds, the variables are often missing, so the store is checked
 * on first use.
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
    const upstash = env.UPSTASH_REDIS_REST_URL && env.UPSTASH_REDIS_REST_TOKEN;
    const marketplace = env.KV_REST_API_URL && env.KV_REST_API_TOKEN;
    if (upstash || marketplace) return stores.upstash;
    if (development) return async () => stores.memory();
    throw new DurableChatError(
      'config',
      'durable-chat needs a store, because NODE_ENV is neither development nor test. Set ' +
        'UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN ' +
        '(or KV_REST_API_URL and KV_REST_API_TOKEN), or pass `channel`.',
    );
  };
  const chosen = env.NEXT_PHASE === 'phase-production-build' ? undefined : choose();
  let opened: Promise<Channel> | undefined;
  return () => (opened ??= (chosen ?? choose())());
}
