// Connects the server core with the stores of this package.

import type { UIMessage } from 'ai';
import { memoryChannel } from './channel/memory.ts';
import type { Channel } from './channel/channel.ts';
import { createCore, type Core } from './server/create.ts';
import type { Authorization, DurableChatOptions } from './server/options.ts';
import { setUp } from './server/setup.ts';

/** Development servers load a module many times. Its sessions must survive that. */
const shared = globalThis as { durableChatMemory?: Channel };

/**
 * A durable chat with the store that the options or the environment name.
 *
 * @throws DurableChatError `config` if an option is invalid, or if production has no store or no `authorize`.
 */
export function createFromEnvironment<M extends UIMessage, A extends Authorization>(
  options: DurableChatOptions<M, A>,
): Core<M, A> {
  const env = typeof process === 'undefined' ? {} : process.env;
  return createCore(
    options,
    setUp(options, env, {
      upstash: async () => (await import('./channel/upstash/channel.ts')).upstashChannel(),
      memory: () => (shared.durableChatMemory ??= memoryChannel()),
    }),
  );
}
