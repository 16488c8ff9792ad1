// Outcomes of tool calls are kept, however the run ends during which they came.

import type { UIMessage, UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import type { Handler } from '../../index.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { chunkHandler, createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';

const { stores } = useStores();
const url = 'http://durable.test/api/chat';
let sessions = 0;

const start: UIMessageChunk = { type: 'start' };
const done: UIMessageChunk[] = [
  start,
  { type: 'text-start', id: '0' },
  { type: 'text-delta', id: '0', delta: 'done' },
  { type: 'text-end', id: '0' },
  { type: 'finish' },
];
const call = (toolCallId: string): UIMessageChunk => ({
  type: 'tool-input-available',
  toolCallId,
  toolName: 'mail',
  input: {},
});
const asks = (toolCallId: string): UIMessageChunk[] => [
  call(toolCallId),
  { type: 'tool-approval-request', approvalId: `approval-${toolCallId}`, toolCallId },
];
const post = (world: World, body: unknown, headers: Record<string, string> = {}) =>
  world.routes.POST(
    new Request(url, {
      method: 'POST',
      headers,
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
  );
const readOf = (world: World, sessionId: string) => world.chat.session(sessionId).read();
const partOf = (message: UIMessage | undefined, id: string) =>
  message?.parts.find((part) => 'toolCallId' in part && part.toolCallId === id);

/** After a stop or a release, `end` decides what follows the calls. */
function working(end: () => AsyncIterable<UIMessageChunk> | Iterable<UIMessageChunk>) {
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  let first = true;
  const histories: UIMessage[][] = [];
  const answers: Handler = chunkHandler(async function* (signal) {
    if (!first) return yield* done;
    first = false;
    yield* [start, call('c'), call('other')];
    const stopped = new Promise((resolve) => signal.addEventListener('abort', resolve));
    await Promise.race([released, stopped]);
    yield* end();
  });
  const handler: Handler = async (request, context) => {
    const { messages } = (await request.clone().json()) as { messages: UIMessage[] };
    histories.push(messages);
    return answers(request, context);
  };
  return { handler, release: () => release(), histories };
}

describe.each(stores)('an output that was accepted while its message was written, on %s', (_, openStore) => {
  it.each(['stop', 'error', 'abort'] as const)('is kept when the run ends by %s', async (how) => {
    const sessionId = `kept ${++sessions}`;
    const { handler, release, histories } = working(function* () {
      if (how === 'error') throw new Error('the provider hung up');
      yield { type: 'abort' };
    });
    const world = createWorld(openStore()(), handler);
    const response = await post(world, sendBody(sessionId, 'one'));
    const { messageId } = (await readOf(world, sessionId)).runs[0]!;
    const outcome = { state: 'output-available', output: 'sent' };
    const answer = { id: sessionId, trigger: 'tool-outcome', messageId, toolCallId: 'c', outcome };
    expect((await post(world, answer)).status).toBe(200);
    if (how === 'stop') await world.chat.session(sessionId).stop();
    else release();
    await response.text();
    await world.settled();
    const message = (await readOf(world, sessionId)).messages[1];
    expect(partOf(message, 'c')).toEqual({
      type: 'tool-mail',
      toolCallId: 'c',
      state: 'output-available',
      input: {},
      output: 'sent',
    });
    // This call has no answer.
    expect(partOf(message, 'other')).toMatchObject({ state: 'output-error' });
    await (await post(world, sendBody(sessionId, 'two'))).text();
    expect(partOf(histories[1]?.[1], 'c')).toMatchObject({ output: 'sent' });
  });

  it("is replaced by the tool's own outcome", async () => {
    const sessionId = `kept ${++sessions}`;
    const { handler, release } = working(function* () {
      yield { type: 'tool-output-error', toolCallId: 'c', errorText: 'no such address' };
      yield { type: 'abort' };
    });
    const world = createWorld(openStore()(), handler);
    const response = await post(world, sendBody(sessionId, 'one'));
    const { messageId } = (await readOf(world, sessionId)).runs[0]!;
    const outcome = { state: 'output-available', output: 'sent' };
    await post(world, { id: sessionId, trigger: 'tool-outcome', messageId, toolCallId: 'c', outcome });
    release();
    await response.text();
    await world.settled();
    const message = (await readOf(world, sessionId)).messages[1];
    expect(partOf(message, 'c')).toMatchObject({ state: 'output-error', errorText: 'no such address' });
  });
});

describe.each(stores)('a continuation that fails before it has a part, on %s', (_, openStore) => {
  const said = (errorText: string) => chunkHandler(() => [start, { type: 'error', errorText }]);
  const failures: Record<string, Handler> = {
    'the handler refuses': () => new Response('slow down', { status: 429 }),
    'the handler throws': () => {
      throw new Error('the provider is down');
    },
    'its stream fails before it says anything': said('the provider is down'),
  };

  it.each(Object.keys(failures))('changes nothing when %s, and can be sent again', async (how) => {
    const sessionId = `nothing ${++sessions}`;
    let calls = 0;
    const histories: UIMessage[][] = [];
    const answers = chunkHandler(() => (calls === 1 ? [start, ...asks('a'), ...asks('b'), call('c')] : done));
    const world = createWorld(openStore()(), async (request, context) => {
      calls++;
      const { messages } = (await request.clone().json()) as { messages: UIMessage[] };
      histories.push(messages);
      return calls === 2 ? failures[how]!(request, context) : answers(request, context);
    });
    await (await post(world, sendBody(sessionId, 'one'))).text();
    await world.settled();
    const { messages } = await readOf(world, sessionId);
    const approved = { approval: { id: 'approval-a', approved: true }, state: 'approval-responded' };
    const parts = messages[1]!.parts.map((part) =>
      'toolCallId' in part && part.toolCallId === 'a' ? { ...part, ...approved } : part,
    );
    const send = { id: sessionId, messages: [messages[0], { ...messages[1], parts }] };
    await (await post(world, send, { 'idempotency-key': 'k' })).text();
    await world.settled();
    expect((await readOf(world, sessionId)).messages).toEqual([messages[0], { ...messages[1], parts }]);

    const messageId = messages[1]!.id;
    const outcome = { state: 'output-available', output: 'sent' };
    const answer = { id: sessionId, trigger: 'tool-outcome', messageId, toolCallId: 'c', outcome };
    expect((await post(world, answer)).status).toBe(200);
    const again = await readOf(world, sessionId);
    await (await post(world, { id: sessionId, messages: again.messages })).text();
    await world.settled();
    expect(partOf(histories[2]?.[1], 'a')).toMatchObject(approved);
    expect(partOf(histories[2]?.[1], 'c')).toMatchObject({ output: 'sent' });
    expect((await readOf(world, sessionId)).messages[1]?.parts.at(-1)).toMatchObject({ text: 'done' });
  });

  it('keeps an output that was accepted while it waited', async () => {
    const sessionId = `nothing ${++sessions}`;
    let calls = 0;
    let release: () => void = () => {};
    let begun: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const working = new Promise<void>((resolve) => (begun = resolve));
    const answers = chunkHandler(() => [start, call('a'), call('b')]);
    const world = createWorld(openStore()(), async (request, context) => {
      if (++calls === 1) return answers(request, context);
      begun();
      await released;
      return new Response('slow down', { status: 429 });
    });
    await (await post(world, sendBody(sessionId, 'one'))).text();
    await world.settled();
    const { messages } = await readOf(world, sessionId);
    const response = post(world, { id: sessionId, messages });
    await working;
    const outcome = { state: 'output-available', output: 'sent' };
    const messageId = messages[1]!.id;
    const answer = { id: sessionId, trigger: 'tool-outcome', messageId, toolCallId: 'b', outcome };
    expect((await post(world, answer)).status).toBe(200);
    release();
    expect((await response).status).toBe(429);
    await world.settled();
    const [, message] = (await readOf(world, sessionId)).messages;
    expect(partOf(message, 'a')).toMatchObject({ state: 'input-available' });
    expect(partOf(message, 'b')).toMatchObject({ state: 'output-available', output: 'sent' });
  });
});
