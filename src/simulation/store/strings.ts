// SET, GET and GETEX.

import {
  expiry,
  integer,
  itemOf,
  notSimulated,
  syntaxError,
  type Commands,
  type Database,
} from './command.ts';

/** The options that Redis has and the simulation has not. */
const others = ['EXAT', 'PXAT', 'PERSIST', 'GET'];

/** In milliseconds. */
const units = { EX: 1000, PX: 1 };
const isUnit = (option: string): option is keyof typeof units => option in units;

interface Options {
  readonly exists: boolean | undefined;
  readonly keepTtl: boolean;
  /** Milliseconds. */
  readonly ttl: number | undefined;
}

function parse(words: readonly string[]): Options {
  let exists: boolean | undefined;
  let keepTtl = false;
  let ttl: { readonly option: keyof typeof units; readonly word: string } | undefined;
  for (let at = 0; at < words.length; at++) {
    const option = words[at]!.toUpperCase(); // `at` is in the list
    if (option === 'NX' && exists !== true) exists = false;
    else if (option === 'XX' && exists !== false) exists = true;
    else if (option === 'KEEPTTL' && !ttl) keepTtl = true;
    else if (isUnit(option) && (ttl?.option ?? option) === option && !keepTtl && at + 1 < words.length) {
      ttl = { option, word: words[++at]! };
    } else if (others.includes(option)) throw notSimulated(`option ${option}`);
    else throw syntaxError();
  }
  return { exists, keepTtl, ttl: ttl && integer(ttl.word) * units[ttl.option] };
}

/** The commands for strings. */
export const strings: Commands = {
  SET: {
    arity: -3,
    needsMemory: true,
    run([key = '', text = '', ...words], db) {
      const { exists, keepTtl, ttl } = parse(words);
      const expiresAt = ttl === undefined ? undefined : expiry(db, 'set', ttl);
      const before = db.keys.read(key);
      if (exists !== undefined && exists !== (before !== undefined)) return null;
      write(db, key, text, keepTtl ? before?.expiresAt : expiresAt);
      return 'OK';
    },
  },

  GET: {
    arity: 2,
    run: ([key = ''], db) => itemOf(db, key, 'string')?.value.text ?? null,
  },

  GETEX: {
    arity: -2,
    run([key = '', ...words], db) {
      const { exists, keepTtl, ttl } = parse(words);
      if (exists !== undefined || keepTtl) throw syntaxError();
      const item = itemOf(db, key, 'string');
      if (!item) return null;
      if (ttl !== undefined) write(db, key, item.value.text, expiry(db, 'getex', ttl));
      return item.value.text;
    },
  },
};

function write({ keys }: Database, key: string, text: string, expiresAt: number | undefined): void {
  keys.write(key, { value: { type: 'string', text }, ...(expiresAt !== undefined && { expiresAt }) });
}
