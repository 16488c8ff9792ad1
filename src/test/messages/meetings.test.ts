// Sends that meet another entry in the log, which they had not read: the log's order decides which count.

import type { UIMessage, UIMessageChunk } from 'ai';
import { expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { memoryChannel } from '../../channel/memory.ts';
import type { DurableChatOptions } from '../../index.ts';
import { entries } from '../../protocol/entries.ts';
import { createWorld } from '../fixtures/world.fixture.ts';
import { answerOf } from '../fixtures/answers.fixture.ts';

const say = (text: string): UIMessageChunk[] => answerOf(text);
const call = (toolCallId: string): UIMessageChunk => ({
  type: 'tool-input-available',
  toolCallId,
  toolName: 'pay',
  input: {},
});
const approval: UIMessageChunk = { type: 'tool-approval-request', approvalId: 'p', toolCallId: 'c1' };
const user = (id: string, text = id): UIMessage => ({ id, role: 'user', parts: [{ type: 'text', text }] });

/** A session whose handler gives these answers, and a store on which something can happen right before a run starts. */
function open(answers: UIMessageChunk[][], options: Omit<DurableChatOptions, 'channel'> = {}) {
  const store = memoryChannel();
  let between: (() => Promise<unknown>) | undefined;
  const channel: Channel = {
    ...store,
    async append(sessionId, entry, how) {
      const now = how.lease?.type === 'take' ? between : undefined;
      if (now) between = undefined;
      await now?.();
      return store.append(sessionId, entry, how);
    },
  };
  const histories: UIMessage[][] = [];
  const world = createWorld(
    channel,
    async (request) => {
      histories.push(((await request.json()) as { messages: UIMessage[] }).messages);
      const chunks = answers[histories.length - 1] ?? say('later');
      return new ReadableStream<UIMessageChunk>({
        start(controller) {
          for (const chunk of chunks) controller.enqueue(chunk);
          controller.close();
        },
      });
    },
    options,
  );
  const session = world.chat.session('s');
  const post = (body: object, headers: Record<string, string> = {}) =>
    world.routes.POST(
      new Request('http://durable.test/api/chat', {
        method: 'POST',
        body: JSON.stringify({ id: 's', ...body }),
        headers,
      }),
    );
  return {
    session,
    histories,
    post,
    race: (next: () => Promise<unknown>) => void (between = next),
    /** A run takes its place, and has no producer. */
    append: (runId: string) =>
      store.append(
        's',
        entries.start(
          { runId, messageId: `answer of ${runId}`, trigger: 'submit-message', at: 0 },
          { frames: [], when: [], epoch: '' },
        ),
        {},
      ),
    /** The status of a send, once its run has ended. */
    async done(sending: Promise<Response>) {
      const response = await sending;
      await response.text();
      await world.settled();
      return response.status;
    },
    messages: async () => (await session.read()).messages,
  };
}

/** The message of a client that has answered these calls. */
function changed(message: UIMessage, change: object, ...ids: string[]): UIMessage {
  const copy = structuredClone(message);
  for (const part of copy.parts) {
    if ('toolCallId' in part && ids.includes(part.toolCallId)) Object.assign(part, change);
  }
  return copy;
}
const output = { state: 'output-available', output: 1 };
const approved = { state: 'approval-responded', approval: { id: 'p', approved: true } };
const outcomes = (message: UIMessage | undefined) =>
  message?.parts.flatMap((part) => ('toolCallId' in part ? [[part.toolCallId, part.state]] : []));

it('a continuation with an approval is a 409 after a new message, and the tool is not executed', async () => {
  const { session, histories, post, race, done, messages } = open([
    [{ type: 'start' }, call('c1'), approval, call('c2'), { type: 'finish' }],
  ]);
  await done(post({ messages: [user('u1')] }));
  const [, asking] = await messages();
  race(() => done(post({ messages: [user('u2')] })));
  const both = changed(changed(asking!, approved, 'c1'), output, 'c2');
  expect(await done(post({ messages: [both] }))).toBe(409);
  expect(histories.length).toBe(2);
  const all = await messages();
  expect(all.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
  // The output is kept, the approval is not.
  expect(all[1]!.parts).toMatchObject([
    { toolCallId: 'c1', state: 'approval-responded', approval: { approved: false } },
    { toolCallId: 'c2', state: 'output-available', output: 1 },
  ]);
  expect((await session.read()).runs).toEqual([]);
});

it('of two continuations of one message at the same moment one becomes a run; the outputs of the other are kept', async () => {
  const { histories, post, race, done, messages } = open([
    [{ type: 'start' }, call('c1'), call('c2'), { type: 'finish' }],
    say('continued'),
  ]);
  await done(post({ messages: [user('u1')] }));
  const [, asking] = await messages();
  let first: Promise<Response> | undefined;
  race(() => (first = post({ messages: [changed(asking!, output, 'c1')] })));
  expect(await done(post({ messages: [changed(asking!, output, 'c2')] }))).toBe(409);
  expect(await done(first!)).toBe(200);
  expect(histories.length).toBe(2);
  const all = await messages();
  expect(all.length).toBe(2);
  expect(outcomes(all[1])).toEqual([
    ['c1', 'output-available'],
    ['c2', 'output-available'],
  ]);
});

it('of two messages with one id and two keys at the same moment one is accepted', async () => {
  const { histories, post, race, done, messages } = open([say('one')]);
  const name = (key: string) => ({ 'idempotency-key': key });
  race(() => done(post({ messages: [user('m', 'to Ann')] }, name('a'))));
  expect(await done(post({ messages: [user('m', 'to Bob')] }, name('b')))).toBe(409);
  expect(histories).toEqual([[user('m', 'to Ann')]]);
  expect((await messages())[0]).toEqual(user('m', 'to Ann'));
});

it('of two regenerations of one answer at the same moment one becomes a run', async () => {
  for (const named of [true, false]) {
    const { post, race, done, messages } = open([say('one'), say('two'), say('three')]);
    await done(post({ messages: [user('u1')] }));
    const [, answer] = await messages();
    const body = {
      trigger: 'regenerate-message',
      messages: [user('u1')],
      ...(named && { messageId: answer!.id }),
    };
    race(() => done(post(body, { 'idempotency-key': 'a' })));
    expect(await done(post(body, { 'idempotency-key': 'b' }))).toBe(409);
    expect(await messages()).toMatchObject([{ id: 'u1' }, { parts: [{ text: 'two' }] }]);
  }
});

it('an edit or a regeneration does not bring back a message that is deleted at the same moment', async () => {
  for (const change of [{ messageId: 'u2' }, { trigger: 'regenerate-message' }]) {
    for (const text of ['u2', 'edited']) {
      const { session, histories, post, race, done, messages } = open([say('one'), say('two')]);
      for (const id of ['u1', 'u2']) await done(post({ messages: [user(id)] }));
      race(() => session.deleteMessage('u2'));
      expect(await done(post({ messages: [user('u2', text)], ...change }))).toBe(409);
      expect((await messages()).map(({ id }) => id)).not.toContain('u2');
      expect(histories.length).toBe(2);
    }
  }
});

it('sends at the same moment fill a session up to its limit of messages, and not further', async () => {
  const limits = { messagesPerSession: 4, activeRunsPerSession: 3 };
  const { post, done, messages } = open([], { limits });
  const sends = Array.from({ length: 12 }, (_, index) => done(post({ messages: [user(`u${index}`)] })));
  const statuses = await Promise.all(sends);
  expect(statuses.filter((status) => status === 200).length).toBe(2);
  expect(new Set(statuses)).toEqual(new Set([200, 413]));
  expect((await messages()).length).toBe(4);
});

it('of sends at the same moment no more become runs than activeRunsPerSession allows', async () => {
  const { session, post } = open([], { limits: { activeRunsPerSession: 3 } });
  const statuses = await Promise.all(
    Array.from({ length: 12 }, async (_, index) => (await post({ messages: [user(`u${index}`)] })).status),
  );
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(3);
  expect(new Set(statuses)).toEqual(new Set([200, 429]));
  // Nothing is left of those that were refused.
  await expect.poll(async () => (await session.read()).runs).toEqual([]);
  const { messages } = await session.read();
  expect(messages.length).toBe(2 * statuses.filter((status) => status === 200).length);
});

it('a run whose producer died between the plan and the log is no reason to refuse a send', async () => {
  for (const options of [{ whenBusy: 'reject' }, { limits: { activeRunsPerSession: 1 } }] as const) {
    const { post, race, done, messages, session, append } = open([], options);
    await done(post({ messages: [user('u1')] }));
    // A run without a lease: its process has ended.
    race(() => append('dead'));
    expect(await done(post({ messages: [user('u2')] }))).toBe(200);
    expect((await messages()).filter(({ role }) => role === 'user').map(({ id }) => id)).toEqual([
      'u1',
      'u2',
    ]);
    expect((await session.read()).runs).toEqual([]);
  }
});
