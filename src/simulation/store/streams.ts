// XADD, XRANGE, XREVRANGE and XTRIM.

import { RespError, type RespValue } from '../../testing/resp.ts';
import { arityError, integer, itemOf, notSimulated, syntaxError } from './command.ts';
import type { Commands, Database } from './command.ts';
import type { StreamEntry } from './keyspace.ts';
import { compareIds, formatId, highestId, lowestId, nextId, parseId, type StreamId } from './stream-id.ts';

const others = ['MAXLEN', 'MINID', 'LIMIT'];

interface Bound {
  readonly id: StreamId;
  readonly excluded: boolean;
}

/** @param sequence What a missing sequence number means. */
function bound(word: string, sequence: number): Bound {
  if (word === '-') return { id: lowestId, excluded: false };
  if (word === '+') return { id: highestId, excluded: false };
  const excluded = word.startsWith('(');
  return { id: parseId(excluded ? word.slice(1) : word, sequence), excluded };
}

interface Range {
  readonly entries: readonly StreamEntry[];
  /** COUNT. */
  readonly most: number;
  readonly isThere: boolean;
}

function count(words: readonly string[]): number {
  let most = Infinity;
  for (let at = 0; at < words.length; at += 2) {
    if (words[at]!.toUpperCase() !== 'COUNT' || at + 1 === words.length) throw syntaxError();
    most = Math.max(0, integer(words[at + 1]));
  }
  return most;
}

/** The entries between two bounds, in the order of the stream. */
function range(db: Database, [key = '', from = '', to = '', ...words]: readonly string[]): Range {
  const start = bound(from, 0);
  const end = bound(to, Infinity);
  if (end.excluded) throw notSimulated('range without its end');
  const most = count(words);
  const item = itemOf(db, key, 'stream');
  const entries = item?.value.entries.filter(
    ({ id }) => compareIds(id, start.id) >= (start.excluded ? 1 : 0) && compareIds(id, end.id) <= 0,
  );
  return { entries: entries ?? [], most, isThere: item !== undefined };
}

function reply(entries: readonly StreamEntry[], { most, isThere }: Range): RespValue {
  // Redis replies so.
  if (isThere && most === 0) return null;
  return entries.slice(0, most).map(({ id, fields }) => [formatId(id), [...fields]]);
}

/** The words of XADD before its fields. */
function addition(words: readonly string[]): { noMkStream: boolean; id: string; fields: readonly string[] } {
  let at = 0;
  for (; words[at]?.toUpperCase() === 'NOMKSTREAM'; at++);
  const id = words[at] ?? '';
  if (others.includes(id.toUpperCase())) throw notSimulated(`option ${id}`);
  return { noMkStream: at > 0, id, fields: words.slice(at + 1) };
}

/** The commands for streams. */
export const streams: Commands = {
  XADD: {
    arity: -5,
    needsMemory: true,
    run([key = '', ...words], db) {
      const { noMkStream, id: word, fields } = addition(words);
      const given = word === '*' ? undefined : parseId(word);
      if (fields.length === 0 || fields.length % 2 === 1) throw arityError('xadd');
      if (given && compareIds(given, lowestId) === 0) {
        throw new RespError('ERR The ID specified in XADD must be greater than 0-0');
      }
      const item = itemOf(db, key, 'stream');
      if (!item && noMkStream) return null;
      const { entries, newest } = item?.value ?? { entries: [], newest: lowestId };
      const id = given ?? nextId(newest, db.keys.now());
      if (compareIds(id, newest) <= 0) {
        throw new RespError(
          'ERR The ID specified in XADD is equal or smaller than the target stream top item',
        );
      }
      db.keys.write(key, {
        ...item,
        value: { type: 'stream', entries: [...entries, { id, fields }], newest: id },
      });
      return formatId(id);
    },
  },

  XRANGE: {
    arity: -4,
    run(args, db) {
      const found = range(db, args);
      return reply(found.entries, found);
    },
  },

  XREVRANGE: {
    arity: -4,
    run([key = '', from = '', to = '', ...words], db) {
      const found = range(db, [key, to, from, ...words]);
      return reply(found.entries.toReversed(), found);
    },
  },

  XTRIM: {
    arity: -4,
    run([key = '', strategy = '', ...words], db) {
      const [threshold = '', ...options] = words[0] === '=' ? words.slice(1) : words;
      if (strategy.toUpperCase() !== 'MINID' || threshold === '~' || options.length > 0) {
        throw notSimulated(`XTRIM ${strategy} ${words.join(' ')}`);
      }
      const least = parseId(threshold);
      const item = itemOf(db, key, 'stream');
      if (!item) return 0;
      const entries = item.value.entries.filter(({ id }) => compareIds(id, least) >= 0);
      db.keys.write(key, { ...item, value: { ...item.value, entries } });
      return item.value.entries.length - entries.length;
    },
  },
};
