// What the families of commands share.

import { RespError, type RespValue } from '../../testing/resp.ts';
import type { Item, Keyspace, Value } from './keyspace.ts';

/** What a command works on. */
export interface Database {
  readonly keys: Keyspace;
  /** Returns how many subscribers got it. */
  publish(channel: string, message: string): number;
}

/** One command. */
export interface Command {
  /** The number of words, the name included. Below 0: at least so many. */
  readonly arity: number;
  /** Redis refuses it while its memory is full. */
  readonly needsMemory?: true;
  /**
   * @param args The words after the name.
   * @returns The reply. A `RespError` that is thrown is a reply too.
   */
  run(args: readonly string[], db: Database): RespValue;
}

/** The commands of a family, by their names in upper case. */
export type Commands = Readonly<Record<string, Command>>;

/** The refusal of too few words, or too many. */
export const arityError = (name: string): RespError =>
  new RespError(`ERR wrong number of arguments for '${name.toLowerCase()}' command`);

/** The item of a key if it is of this type. Throws if the key has another type. */
export function itemOf<T extends Value['type']>(
  { keys }: Database,
  key: string,
  type: T,
): (Item & { readonly value: Extract<Value, { type: T }> }) | undefined {
  const item = keys.read(key);
  if (item && item.value.type !== type) {
    throw new RespError('WRONGTYPE Operation against a key holding the wrong kind of value');
  }
  return item as ReturnType<typeof itemOf<T>>; // the line before has compared the type
}

/** @returns The number. Throws the reply of Redis if it is none. */
export function integer(text: string | undefined): number {
  if (text === undefined) throw syntaxError();
  if (!/^(0|-?[1-9]\d*)$/.test(text)) throw new RespError('ERR value is not an integer or out of range');
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw notSimulated(text);
  return number;
}

/** @returns When a key expires that lives for `ms`. Throws the reply to the command `name` if that is no time. */
export function expiry(db: Database, name: string, ms: number): number {
  if (ms <= 0) throw new RespError(`ERR invalid expire time in '${name}' command`);
  return db.keys.now() + ms;
}

/** The refusal of an option. */
export const syntaxError = (): RespError => new RespError('ERR syntax error');

/** Not a reply: the simulation must not go on with something that it does not know. */
export const notSimulated = (what: string): Error => new Error(`The simulated Redis has no ${what}.`);
