import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { awkwardStrings } from '../test/fixtures/chunks.fixture.ts';
import { DurableChatError, type DurableChatErrorCode } from './errors.ts';

const statuses: Record<DurableChatErrorCode, number> = {
  bad_request: 400,
  invalid_cursor: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  too_many: 429,
  config: 500,
  handler_failed: 500,
  handler_result: 500,
  store_failed: 503,
  version: 503,
  network: 0,
};
const codes = Object.keys(statuses) as DurableChatErrorCode[]; // the record's own keys

describe('DurableChatError', () => {
  it.each(codes)('%s has its status and survives the wire', (code) => {
    const error = new DurableChatError(code, 'What to do.');
    expect(error.status).toBe(statuses[code]);
    expect(error.name).toBe('DurableChatError');
    expect(error).not.toHaveProperty('cause');
    const body = JSON.stringify(error);
    expect(JSON.parse(body)).toEqual({ error: { code, message: 'What to do.' } });
    const back = DurableChatError.fromBody(error.status, body);
    expect(back).toBeInstanceOf(DurableChatError);
    expect(back).toMatchObject({ code, message: 'What to do.', status: error.status });
  });

  it('keeps its cause, and does not send it', () => {
    const cause = new Error('a very private sentence');
    const error = new DurableChatError('handler_failed', 'It failed.', { cause });
    expect(error.cause).toBe(cause);
    expect(JSON.stringify(error)).not.toContain('private');
  });

  it.each([
    [401, 'unauthorized'],
    [403, 'forbidden'],
    [404, 'not_found'],
    [409, 'conflict'],
    [413, 'too_large'],
    [503, 'network'],
    [502, 'network'],
    [500, 'handler_failed'],
    [429, 'too_many'],
  ] as const)('a response %i without our body becomes %s', (status, code) => {
    for (const body of ['', '<html>', 'null', '[]', '{}', '{"error":"no"}', '{"error":{"code":"x"}}']) {
      const error = DurableChatError.fromBody(status, body);
      expect({ body, code: error.code, status: error.status }).toEqual({ body, code, status });
    }
  });

  // `in` would also find inherited names.
  it('accepts no inherited name as a code', () => {
    expect(DurableChatError.fromBody(401, '{"error":{"code":"toString"}}').code).toBe('unauthorized');
  });

  it('never throws, for any body', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 400, max: 599 }),
        fc.oneof(awkwardStrings(), fc.json()),
        (status, body) => {
          const error = DurableChatError.fromBody(status, body);
          expect(error.status).toBe(status);
          expect(codes).toContain(error.code);
        },
      ),
    );
  });
});

describe('the documentation of the codes', () => {
  const sectionOf = (page: string) =>
    /\n## Errors\n([^]*?)(?=\n## |$)/.exec(readFileSync(new URL(page, import.meta.url), 'utf8'))?.[1] ?? '';
  const rowsOf = (page: string) =>
    [...sectionOf(page).matchAll(/^\| (.+?) \| (.+?) \|/gm)].map(([, first = '', second = '']) => [
      first,
      second,
    ]);

  it('has in the README each code with its status, and no other', () => {
    const rows = rowsOf('../../README.md').filter(([code]) => code?.startsWith('`'));
    const documented = rows.map(([code, status]) => [code?.slice(1, -1), Number(status?.split(',')[0])]);
    expect(Object.fromEntries(documented)).toEqual(statuses);
    expect(documented.map(([code]) => code)).toEqual(codes);
  });

  it('has in the wire specification each code that a server sends, with its statuses', () => {
    const statusesOf = new Map<string, string[]>();
    for (const [status = '', text = ''] of rowsOf('./README.md').filter(([first]) =>
      /^\d/.test(first ?? ''),
    )) {
      const named = [...text.replace(/:.*/, '').matchAll(/`(\w+)`/g)].map(([, code = '']) => code);
      const all = status.split(', ');
      named.forEach((code, index) => {
        const own = all.length > 1 ? all[index] : status;
        statusesOf.set(code, [...(statusesOf.get(code) ?? []), own ?? '']);
      });
    }
    const { network: _, ...sent } = statuses;
    const expected = Object.entries(sent).map(([code, status]) => [code, [`${status}`]] as const);
    expect(Object.fromEntries(statusesOf)).toEqual({
      ...Object.fromEntries(expected),
      version: ['400', '503'],
    });
  });
});
