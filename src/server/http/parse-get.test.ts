import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { encodeCursor } from '../../protocol/cursor.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { mostSessions } from '../../protocol/requests.ts';
import { createWorld } from '../../test/fixtures/world.fixture.ts';
import { parseGet } from './parse-get.ts';

const api = 'http://durable.test/api/chat';
const parse = (query: string, lastEventId?: string) =>
  parseGet({
    url: `${api}?${query}`,
    headers: new Headers(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
  });
const many = (count: number) => Array.from({ length: count }, (_, index) => `id=s${index}`).join('&');

describe('a GET', () => {
  it('without an `id` resumes the session in its path, if its path has one', () => {
    const resume = (path: string) => parseGet({ url: `${api}${path}`, headers: new Headers() });
    const asked = (sessionId: string) => [{ sessionId, after: undefined }];
    expect(resume('/a%2Fb/stream')).toEqual({ type: 'resume', sessions: asked('a/b') });
    expect(resume('/a/stream/?x=1')).toEqual({ type: 'resume', sessions: asked('a') });
    expect(resume('/a/stream?id=b')).toMatchObject({ type: 'subscribe', sessions: asked('b') });
    for (const path of ['/%/stream', '/%00/stream', '/a/streams']) {
      expect(() => resume(path), path).toThrow(expect.objectContaining({ code: 'bad_request' }));
    }
  });

  it('names one session, with or without a cursor', () => {
    expect(parse('id=a')).toEqual({
      type: 'subscribe',
      sessions: [{ sessionId: 'a', after: undefined }],
      subscriptionId: undefined,
    });
    expect(parse('id=a&after=c').sessions).toEqual([{ sessionId: 'a', after: 'c' }]);
    expect(parse('id=a&after=').sessions).toEqual([{ sessionId: 'a', after: undefined }]);
    expect(parse('id=a&after=c', 'newer').sessions).toEqual([{ sessionId: 'a', after: 'newer' }]);
  });

  it('is refused for a cursor of more than 8,192 characters, before anything else is done with it', async () => {
    const long = encodeCursor('a', { log: '1-0', runs: {} }) + '~run:1'.repeat(2_000);
    const code = expect.objectContaining({ code: 'invalid_cursor', status: 400 });
    expect(() => parse(`id=a&after=${long}`)).toThrow(code);
    expect(() => parse(`id=b&id=a&after=&after=${long}`)).toThrow(code);
    expect(() => parse('id=a', long)).toThrow(code);
    expect(parse(`id=a&after=${'x'.repeat(8_192)}`).sessions).toHaveLength(1);
    const authorize = vi.fn(() => true);
    const { routes } = createWorld(memoryChannel(), () => new Response(), { authorize });
    const response = await routes.GET(new Request(`${api}?id=a&after=${long}`));
    expect([response.status, await response.json()]).toEqual([
      400,
      { error: { code: 'invalid_cursor', message: expect.not.stringContaining('~run') } },
    ]);
    expect(authorize).not.toHaveBeenCalled();
  });

  it('names several, each with its cursor at the same position', () => {
    expect(parse('id=a&id=b&after=&after=c').sessions).toEqual([
      { sessionId: 'a', after: undefined },
      { sessionId: 'b', after: 'c' },
    ]);
    expect(parse('id=a&after=x&after=y&id=b').sessions.map(({ after }) => after)).toEqual(['x', 'y']);
    expect(parse('id=a&id=b', 'whose?').sessions.map(({ after }) => after)).toEqual([undefined, undefined]);
    expect(parse(many(mostSessions)).sessions).toHaveLength(mostSessions);
  });

  it('names the subscription', () => {
    expect(parse('id=a&subscription=A_z-9')).toMatchObject({ subscriptionId: 'A_z-9' });
  });

  it.each([
    ['no session', ''],
    ['an empty session', 'id='],
    ['an empty session among others', 'id=a&id='],
    ['a session that cannot be one', 'id=a&id=%00'],
    ['a session twice', 'id=a&id=b&id=a'],
    ['more sessions than there may be', many(mostSessions + 1)],
    ['fewer cursors than sessions', 'id=a&id=b&after=c'],
    ['more cursors than sessions', 'id=a&after=c&after=d'],
    ['an empty subscription', 'id=a&subscription='],
    ['a subscription that cannot be one', 'id=a&subscription=a%20b'],
    ['a subscription that is too long', `id=a&subscription=${'x'.repeat(129)}`],
  ])('with %s is refused', (_, query) => {
    expect(() => parse(query)).toThrow(expect.objectContaining({ code: 'bad_request', status: 400 }));
  });

  it('is accepted or refused with any content, and a refusal quotes nothing', () => {
    const secret = 'a-very-private-sentence';
    const name = fc.constantFrom('id', 'after', 'subscription', 'other');
    const value = fc.oneof(fc.string(), fc.constantFrom('a', 'b', '', `${secret}\n`));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 40 }), (pairs) => {
        try {
          const { sessions } = parse(new URLSearchParams(pairs).toString());
          expect(sessions.length).toBeGreaterThan(0);
          expect(sessions.map(({ sessionId }) => sessionId)).toEqual(
            pairs.flatMap(([key, id]) => (key === 'id' ? id : [])),
          );
        } catch (error) {
          expect(error).toBeInstanceOf(DurableChatError);
          expect(String(error)).not.toContain(secret);
        }
      }),
    );
  });
});
