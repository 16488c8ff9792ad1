// A refused send leaves no trace: its session does not begin, and a session that has begun stays as it is.

import type { UIMessage } from 'ai';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import type { DurableChatOptions } from '../../index.ts';
import { encodeCursor } from '../../protocol/cursor.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { createWorld, modelHandler } from '../fixtures/world.fixture.ts';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));

const url = 'http://durable.test/api/chat';
const sessionId = 's';
const message = (id: string, role: UIMessage['role'], text = id): UIMessage => ({
  id,
  role,
  parts: [{ type: 'text', text }],
});
const user = (id: string, text?: string) => message(id, 'user', text);
const past = [user('u1'), message('a1', 'assistant'), user('u2'), message('a2', 'assistant')];
const badFile = { id: 'file', role: 'user', parts: [{ type: 'file', mediaType: 'a/b', url: 'no url' }] };

/** How the session is known: not at all, from the app, as deleted, or to the store. */
const beginnings = ['new', 'stored', 'deleted', 'known'] as const;

interface Reason {
  readonly body: object | string;
  readonly status: number;
  readonly options?: Omit<DurableChatOptions, 'channel'>;
  readonly headers?: Record<string, string>;
  /** Where the reason exists. */
  readonly on?: readonly (typeof beginnings)[number][];
}

const sent = { messages: [...past, user('u3', 'count to 1')] };
const reasons: Record<string, Reason> = {
  'not JSON': { body: '{', status: 400 },
  'no messages': { body: { messages: [] }, status: 400 },
  'an invalid message': { body: { messages: [badFile] }, status: 400 },
  'an invalid earlier message': { body: { messages: [badFile, user('u3')] }, status: 400, on: ['new'] },
  'an invalid edited message': {
    body: { ...sent, changes: { seen: encodeCursor(sessionId, { log: '', runs: {} }), edited: [badFile] } },
    status: 400,
  },
  'an invalid cursor': { body: { ...sent, changes: { seen: 'x' } }, status: 400 },
  'a cursor that is too long': {
    body: {
      ...sent,
      changes: { seen: encodeCursor(sessionId, { log: '1-0', runs: {} }) + '~r:1'.repeat(3_000) },
    },
    status: 400,
  },
  'an invalid name': { body: sent, status: 400, headers: { 'idempotency-key': 'no name' } },
  'a user who is not signed in': { body: sent, status: 401, options: { authorize: () => null } },
  'no permission': { body: sent, status: 403, options: { authorize: () => false } },
  'a response of the app': {
    body: sent,
    status: 402,
    options: { authorize: () => new Response('', { status: 402 }) },
  },
  'another site': { body: sent, status: 403, headers: { 'sec-fetch-site': 'cross-site' } },
  'a policy that is not allowed': { body: { ...sent, whenBusy: 'parallel' }, status: 403 },
  'the continuation of an unknown message': {
    body: { messages: [...past, message('a3', 'assistant')] },
    status: 404,
  },
  'the continuation of a message that has been passed': {
    body: { messages: past.slice(0, 2) },
    status: 409,
    on: ['stored', 'known'],
  },
  'the id of an answer': { body: { messages: [user('a1')] }, status: 409, on: ['stored', 'known'] },
  'the id of an earlier message': {
    body: { messages: [user('u1', 'other')] },
    status: 409,
    on: ['stored', 'known'],
  },
  'an edit of an unknown message': {
    body: { messages: [user('u9'), user('u3')], messageId: 'u3' },
    status: 409,
    on: ['stored', 'known'],
  },
  'a regeneration of an unknown answer': {
    body: { messages: [...past, message('a3', 'assistant')], trigger: 'regenerate-message' },
    status: 409,
    on: ['stored', 'known'],
  },
  'a message that is too large': { body: sent, status: 413, options: { limits: { messageBytes: 20 } } },
  'a body that is too large': { body: sent, status: 413, options: { limits: { bodyBytes: 20 } } },
  'a full session': {
    body: sent,
    status: 413,
    options: { limits: { messagesPerSession: 4 } },
    on: ['new', 'stored', 'known'],
  },
  'an invalid id of the app': { body: sent, status: 500, options: { generateId: () => '' } },
  'a failure of the app': {
    body: sent,
    status: 500,
    options: {
      loadMessages: () => {
        throw new Error('The database is away.');
      },
    },
    on: ['stored', 'deleted'],
  },
};

async function open(
  beginning: (typeof beginnings)[number],
  options: Reason['options'],
  seeding: 'text' | 'all',
) {
  const channel = memoryChannel();
  const handler = modelHandler(scriptedModel());
  if (beginning === 'known' || beginning === 'deleted') {
    const before = createWorld(channel, handler, { seed: 'all' });
    await before.chat.session(sessionId).clear();
    if (beginning === 'deleted') await before.chat.session(sessionId).delete();
    else
      await channel.append(
        sessionId,
        { key: 'earlier', frames: past.map((one) => ({ type: 'message', message: one })) },
        {},
      );
    await before.settled();
  }
  const stored = beginning === 'stored' && { loadMessages: () => past };
  return { channel, ...createWorld(channel, handler, { seed: seeding, ...stored, ...options }) };
}

it(`a refused send stores nothing, for any reason (seed ${seed})`, async () => {
  const cases = Object.entries(reasons).flatMap(([name, reason]) =>
    (reason.on ?? beginnings).map((beginning) => ({ name, beginning, ...reason })),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...cases),
      fc.constantFrom('text' as const, 'all' as const),
      async ({ body, status, options, headers = {}, beginning }, seeding) => {
        const { channel, routes, settled } = await open(beginning, options, seeding);
        const before = await channel.readLog(sessionId, '');
        const text = typeof body === 'string' ? body : JSON.stringify({ id: sessionId, ...body });
        const response = await routes.POST(new Request(url, { method: 'POST', body: text, headers }));
        await settled();
        expect([response.status, await response.text()]).toEqual([status, expect.anything()]);
        expect(await channel.readLog(sessionId, '')).toEqual(before);
      },
    ),
    { seed, numRuns: 300, endOnFailure: true },
  );
});

it('a message or an entry that is too large for the store is refused before the session begins', async () => {
  const large = 'x'.repeat(10_000_000);
  const channel = memoryChannel();
  const { routes } = createWorld(channel, modelHandler(scriptedModel()), {
    limits: { bodyBytes: 40_000_000 },
  });
  const lists = [
    [...past, user('u3', large)],
    [...past, user('u2 large', large), user('u3')],
  ];
  for (const messages of lists) {
    const body = JSON.stringify({ id: sessionId, messages });
    const response = await routes.POST(new Request(url, { method: 'POST', body }));
    expect(response.status).toBe(413);
    expect(await channel.readLog(sessionId, '')).toEqual([]);
  }
});
