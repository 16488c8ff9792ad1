import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keysOf } from './keys.ts';

/** Ids that look like keys, patterns, paths and escapes. The routes accept all of them. */
const hostile = fc.oneof(
  fc
    .array(
      fc.constantFrom(
        ...['{', '}', ':', '%', '=', '/', '..', '*', '?', '#', '&', ' ', '\\', '"', "'", ',', '[', ']'],
        ...[
          'a',
          'A',
          '%7D',
          '=7D',
          ':log',
          ':run:',
          'dc',
          'ü',
          'u\u0308',
          '💾',
          '\u2028',
          '\u00a0',
          '\ufeff',
        ],
      ),
      { minLength: 1, maxLength: 6 },
    )
    .map((parts) => parts.join('')),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 256 }),
  fc.constantFrom('x', '}', '💾', '%').map((one) => one.repeat(128)),
);

const all = (id: string, runId: string, send: string, prefix = 'dc') => {
  const { channel, ...keys } = keysOf(prefix, id);
  return { keys: [keys.log, keys.run(runId), keys.lease(runId), keys.send(send), keys.claim(send)], channel };
};

describe('G10: a session id in keys', () => {
  it('two sessions share no key and no channel, with any ids, runs and sends', () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, (one, other, send) => {
        fc.pre(one !== other);
        const [a, b] = [all(one, 'run', send), all(other, 'run', send)];
        expect(new Set([...a.keys, ...b.keys]).size).toBe(a.keys.length * 2);
        expect(a.channel).not.toBe(b.channel);
      }),
      { numRuns: 2_000 },
    );
  });

  it('every key begins with the session’s prefix, has no character with a meaning in Redis or a URL, and stays on one shard', () => {
    fc.assert(
      fc.property(hostile, hostile, (id, send) => {
        const { keys, channel } = all(id, 'run', send);
        const prefix = keys[0]!.slice(0, -'log'.length);
        expect(prefix).toMatch(/^dc:\{[\w.!~*'()=-]+\}:$/);
        for (const key of keys) {
          expect(key.startsWith(prefix)).toBe(true);
          // Redis hashes the text between the first brace and the next closing one.
          expect(/\{(.*?)\}/.exec(key)?.[0]).toBe(prefix.slice('dc:'.length, -1));
          expect(key).toMatch(/^[\w.!~*'()=:{}-]+$/);
        }
        expect(channel).toMatch(/^dc:[\w.!~*'()=-]+$/);
        // Redis accepts far longer keys, and servers accept longer URLs.
        expect(channel.length).toBeLessThan(4_096);
      }),
      { numRuns: 2_000 },
    );
  });

  it('two sends of a session share no key', () => {
    fc.assert(
      fc.property(hostile, hostile, (one, other) => {
        fc.pre(one !== other);
        const { send } = keysOf('dc', 's');
        expect(send(one)).not.toBe(send(other));
      }),
    );
  });

  it('two prefixes share no key and no channel, and have no character with a meaning in Redis or a URL', () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, hostile, (one, other, id, otherId) => {
        fc.pre(one !== other);
        const [a, b] = [all(id, 'run', 'send', one), all(otherId, 'run', 'send', other)];
        expect(new Set([...a.keys, ...b.keys]).size).toBe(a.keys.length * 2);
        expect(a.channel).not.toBe(b.channel);
        expect(a.channel).toMatch(/^[\w.!~*'()=:-]+$/);
        for (const key of a.keys) expect(key).toMatch(/^[\w.!~*'()=:-]+:\{[^{}]+\}:[^{}]+$/);
      }),
      { numRuns: 2_000 },
    );
  });

  it('keys begin with a usual prefix as it is', () => {
    expect(keysOf('app:chat', 's')).toMatchObject({ log: 'app:chat:{s}:log', channel: 'app:chat:s' });
  });
});
