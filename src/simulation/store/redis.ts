// A model of Redis 7: the commands that the channel sends to Upstash, in memory and without waiting. Its replies and error
// texts are compared with a real Redis in redis.test.ts.

import { RespError, type RespValue } from '../../testing/resp.ts';
import { arityError, notSimulated, type Command, type Commands, type Database } from './command.ts';
import { createKeyspace, type Item } from './keyspace.ts';
import { keys } from './keys.ts';
import { strings } from './strings.ts';
import { streams } from './streams.ts';

/** How far a replica is behind: by so many milliseconds, by so many writes, or for ever at this moment. */
export type Lag = { readonly ms: number } | { readonly writes: number } | 'stopped';

/** A read-only copy that follows the original with a lag. */
export interface Replica {
  execute(command: readonly string[]): RespValue;
  /** It follows no longer. */
  close(): void;
}

/** The model. */
export interface RedisModel {
  /** Executes one command. Its error is a reply too. */
  execute(command: readonly string[]): RespValue;
  /**
   * Executes commands as MULTI and EXEC do: a command that cannot be queued discards all of them, and an error during the
   * execution does not stop the others.
   *
   * @returns The reply of EXEC.
   */
  transaction(commands: readonly (readonly string[])[]): RespValue;
  /** The reply of a command after MULTI. */
  queue(command: readonly string[]): 'QUEUED' | RespError;
  /** Listens to a pub/sub channel. The result ends that. */
  subscribe(channel: string, onMessage: (message: string) => void): () => void;
  /** A replica that begins with the present data. */
  replica(lag: Lag): Replica;
  /** The keys that exist. */
  keys(): string[];
  /** Removes a key, as Redis does when it needs memory. */
  evict(key: string): void;
  /** While memory is full, Redis refuses commands that need more, and every command of a transaction. */
  setFull(full: boolean): void;
  /** How many commands were executed. */
  readonly commands: number;
}

/** By name. */
const family: Commands = {
  ...keys,
  ...strings,
  ...streams,
  PUBLISH: { arity: 3, run: ([channel = '', message = ''], db) => db.publish(channel, message) },
};

const outOfMemory = () => new RespError("OOM command not allowed when used memory > 'maxmemory'.");

/**
 * @param now The store's clock in milliseconds since 1970. Expiry and the ids of entries follow it.
 * @returns An empty Redis.
 */
export function createRedis(now: () => number): RedisModel {
  const items = new Map<string, Item>();
  const followers = new Set<(key: string, item: Item | undefined) => void>();
  const subscribers = new Map<string, Set<(message: string) => void>>();
  let isFull = false;
  let commands = 0;

  const db: Database = {
    keys: createKeyspace(now, items, (key, item) => {
      for (const follow of followers) follow(key, item);
    }),
    publish(channel, message) {
      const heard = [...(subscribers.get(channel) ?? [])];
      for (const onMessage of heard) onMessage(message);
      return heard.length;
    },
  };

  /** The command, or the reason why it is refused before it is executed. */
  function find([name = '', ...args]: readonly string[], inTransaction: boolean): Command | RespError {
    const command = family[name.toUpperCase()];
    if (!command) throw notSimulated(`command ${name}`);
    const words = args.length + 1;
    if (command.arity < 0 ? words < -command.arity : words !== command.arity) return arityError(name);
    if (isFull && (inTransaction || command.needsMemory)) return outOfMemory();
    return command;
  }

  function run(command: Command | RespError, words: readonly string[], on: Database): RespValue {
    if (command instanceof RespError) return command;
    try {
      return command.run(words.slice(1), on);
    } catch (error) {
      if (error instanceof RespError) return error;
      throw error;
    }
  }

  return {
    execute(words) {
      commands++;
      return run(find(words, false), words, db);
    },

    transaction(list) {
      const queued = list.map((words) => find(words, true));
      if (queued.some((command) => command instanceof RespError)) {
        return new RespError('EXECABORT Transaction discarded because of previous errors.');
      }
      commands += list.length;
      return list.map((words, index) => run(queued[index]!, words, db)); // one for each
    },

    queue(words) {
      const found = find(words, true);
      return found instanceof RespError ? found : 'QUEUED';
    },

    subscribe(channel, onMessage) {
      // Two subscriptions can have the same listener.
      const listener = (message: string) => onMessage(message);
      const listeners = subscribers.get(channel) ?? new Set();
      subscribers.set(channel, listeners.add(listener));
      return () => void listeners.delete(listener);
    },

    replica(lag) {
      const behind = createKeyspace(now, new Map(items));
      const waiting: { readonly at: number; readonly key: string; readonly item: Item | undefined }[] = [];
      const follow = (key: string, item: Item | undefined) => void waiting.push({ at: now(), key, item });
      if (lag !== 'stopped') followers.add(follow);
      const isDue = (at: number) =>
        lag !== 'stopped' && ('ms' in lag ? at + lag.ms <= now() : waiting.length > lag.writes);
      return {
        execute(words) {
          while (waiting[0] && isDue(waiting[0].at)) {
            const { key, item } = waiting.shift()!; // the line before has seen it
            behind.write(key, item);
          }
          return run(find(words, false), words, { keys: behind, publish: () => 0 });
        },
        close: () => void followers.delete(follow),
      };
    },

    keys: () => db.keys.keys(),
    evict: (key) => db.keys.write(key, undefined),
    setFull: (full) => void (isFull = full),
    get commands() {
      return commands;
    },
  };
}
