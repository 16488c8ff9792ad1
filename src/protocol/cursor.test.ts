import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { awkwardStrings } from '../test/fixtures/chunks.fixture.ts';
import { decodeCursor, encodeCursor, type Cursor } from './cursor.ts';
import { DurableChatError } from './errors.ts';
import { refusal } from '../test/fixtures/refusal.fixture.ts';

const sessions = fc.oneof(fc.uuid(), awkwardStrings());
const logIds = fc.oneof(
  fc.constant(''),
  fc.tuple(fc.nat(), fc.nat()).map(([time, sequence]) => `${time}-${sequence}`),
  fc.constant('18446744073709551615-18446744073709551615'),
);
const runIds = fc.oneof(
  fc.stringMatching(/^[\w-]{16}$/),
  fc.constantFrom('__proto__', 'constructor', '1', '-'),
);
const counts = fc.oneof(fc.nat(), fc.constant(999_999_999_999_999));
const cursors: fc.Arbitrary<Cursor> = fc.record({
  log: logIds,
  runs: fc.array(fc.tuple(runIds, counts), { maxLength: 20 }).map((all) => Object.fromEntries(all)),
});

describe('cursor', () => {
  it('G1: decodes to what was encoded, for any session', () => {
    fc.assert(
      fc.property(sessions, cursors, (sessionId, cursor) => {
        const text = encodeCursor(sessionId, cursor);
        const back = decodeCursor(sessionId, text)!;
        expect(back.log).toBe(cursor.log);
        // A run without chunks is omitted.
        const begun = Object.entries(cursor.runs).filter(([, count]) => count > 0);
        expect(Object.entries(back.runs)).toEqual(begun);
        expect(back.degraded).toEqual([]);
        // A degraded run is always included.
        const degraded = Object.keys(cursor.runs).filter((_, index) => index % 2 === 0);
        const marked = decodeCursor(sessionId, encodeCursor(sessionId, { ...cursor, degraded }))!;
        expect(marked.degraded).toEqual(degraded);
        for (const runId of degraded) expect(marked.runs[runId]).toBe(cursor.runs[runId]);
        // The cursor is used in a header and in a query.
        expect(text).toMatch(/^[\x21-\x7e]+$/);
        expect(new URL(`http://x/?after=${text}`).searchParams.get('after')).toBe(text);
      }),
    );
  });

  it('refuses any string that is not a cursor as invalid_cursor, and throws nothing else', () => {
    const almost = cursors.chain((cursor) => {
      const text = encodeCursor('s', cursor);
      return fc
        .tuple(fc.nat(text.length), fc.nat(3), awkwardStrings())
        .map(([at, drop, put]) => text.slice(0, at) + put + text.slice(at + drop));
    });
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), awkwardStrings(), almost), (text) => {
        try {
          const cursor = decodeCursor('s', text);
          // A changed digit can make it one of another version.
          if (!cursor) {
            expect(text).not.toMatch(/^2~/);
            return;
          }
          const { log, runs } = cursor;
          // An accepted string is a cursor: a changed digit cannot be detected.
          const again = encodeCursor('s', { log, runs });
          expect(encodeCursor('s', decodeCursor('s', again)!)).toEqual(again);
        } catch (error) {
          expect(error).toBeInstanceOf(DurableChatError);
          expect((error as DurableChatError).code).toBe('invalid_cursor');
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    '',
    '~',
    '1',
    '2~x~1-0',
    '2~~1-0',
    'x'.repeat(5_000),
    '2~0~1-0~run',
    '2~0~1-0~run:',
    '2~0~-1-0',
    '\u0000',
  ])('refuses %j', (text) => {
    expect(refusal(() => decodeCursor('s', text)).code).toBe('invalid_cursor');
  });

  it.each(['1', '3', '10'])(
    'of version %s reads as expired, whatever stands after the version',
    (version) => {
      const [, ...rest] = encodeCursor('s', { log: '1-0', runs: { run: 1 } }).split('~');
      expect(decodeCursor('s', [version, ...rest].join('~'))).toBeUndefined();
      expect(decodeCursor('s', `${version}~anything`)).toBeUndefined();
    },
  );

  it('refuses the cursor of another session, with its own message', () => {
    const error = refusal(() => decodeCursor('b', encodeCursor('a', { log: '1-0', runs: {} })));
    expect(error).toMatchObject({ code: 'invalid_cursor', status: 400 });
    expect(error.message).toContain('another session');
  });

  it('refuses a cursor that is too long, without parsing all of it', () => {
    const valid = encodeCursor('s', { log: '1-0', runs: {} });
    expect(refusal(() => decodeCursor('s', valid + '~run:1'.repeat(2_000))).code).toBe('invalid_cursor');
  });

  it('has at most 8,192 characters, and then omits the shortest runs, which are read from their beginnings', () => {
    const many = fc.record({
      log: logIds,
      runs: fc
        .uniqueArray(fc.tuple(fc.stringMatching(/^[\w-]{16,64}$/), counts), {
          selector: ([runId]) => runId,
          minLength: 100,
          maxLength: 300,
        })
        .map((all) => Object.fromEntries(all)),
    });
    fc.assert(
      fc.property(many, fc.nat(30), (cursor, marked) => {
        const degraded = Object.keys(cursor.runs).slice(0, marked % 12);
        const text = encodeCursor('s', { ...cursor, degraded });
        expect(text.length).toBeLessThanOrEqual(8_192);
        const back = decodeCursor('s', text)!;
        expect(cursor.runs).toMatchObject(back.runs);
        expect(new Set(back.degraded)).toEqual(new Set(degraded));
        const omitted = Object.keys(cursor.runs).filter((id) => cursor.runs[id]! > 0 && !(id in back.runs));
        // One that is omitted would not have had room.
        for (const id of omitted)
          expect(text.length + `~${id}:${cursor.runs[id]}`.length).toBeGreaterThan(8_192);
      }),
    );
  });

  it('G10: an error does not quote the cursor', () => {
    const secret = 'a-very-private-sentence';
    for (const text of [
      secret,
      `2~${secret}~1-0`,
      encodeCursor('s', { log: '1-0', runs: {} }) + `~${secret}`,
    ]) {
      const error = refusal(() => decodeCursor('s', text));
      expect(error.message + String(error.stack)).not.toContain(secret);
    }
  });

  it('G1: has room for as many runs as a session can queue', () => {
    const runs = Object.fromEntries(
      Array.from({ length: 250 }, (_, index) => [`run-${index}`.padEnd(16, 'x'), index + 1] as const),
    );
    expect(decodeCursor('s', encodeCursor('s', { log: '1-0', runs }))?.runs).toEqual(runs);
  });
});
