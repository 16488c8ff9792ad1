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
