// DEL, EXPIRE, PEXPIRE and PTTL.

import { integer, notSimulated, type Command, type Commands } from './command.ts';

/** A time that has passed deletes the key. */
const expire = (unit: number): Command => ({
  arity: -3,
  run([key = '', word, ...options], { keys }) {
    if (options.length > 0) throw notSimulated(`option ${options[0]}`);
    const ms = integer(word) * unit;
    const item = keys.read(key);
    if (!item) return 0;
    keys.write(key, ms > 0 ? { ...item, expiresAt: keys.now() + ms } : undefined);
    return 1;
  },
});

/** The commands for keys of any type. */
export const keys: Commands = {
  DEL: {
    arity: -2,
    run(names, { keys }) {
      const found = new Set(names.filter((name) => keys.read(name)));
      for (const name of found) keys.write(name, undefined);
      return found.size;
    },
  },

  EXPIRE: expire(1000),
  PEXPIRE: expire(1),

  PTTL: {
    arity: 2,
    run([key = ''], { keys }) {
      const item = keys.read(key);
      if (!item) return -2;
      return item.expiresAt === undefined ? -1 : item.expiresAt - keys.now();
    },
  },
};
