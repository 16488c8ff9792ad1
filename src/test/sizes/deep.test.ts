// G12: deeply nested values block no session. The functions that read them are recursive, and would overflow the stack.

import type { UIMessage, UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { DurableChatError, type ErrorBody } from '../../protocol/errors.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { chunkHandler, createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';

const { stores } = useStores();
const url = 'http://durable.test/api/chat';
let sessions = 0;

const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
const start: UIMessageChunk = { type: 'start' };
const say = (text: string): UIMessageChunk[] => [
  { type: 'text-start', id: '0' },
  { type: 'text-delta', id: '0', delta: text },
  { type: 'text-end', id: '0' },
];
const call: UIMessageChunk = { type: 'tool-input-available', toolCallId: 'c', toolName: 'ask', input: {} };
const output = (levels: number): UIMessageChunk => ({
  type: 'tool-output-available',
  toolCallId: 'c',
  output: JSON.parse(nested(levels)) as unknown,
});

/** A session whose first answer is these chunks, and every later one is `later`. */
function open(channel: Channel, first: readonly UIMessageChunk[]) {
  let calls = 0;
  const errors: unknown[] = [];
  const world = createWorld(
    channel,
    chunkHandler(() => (calls++ === 0 ? first : [start, ...say('later')])),
    { onError: (error) => errors.push(error), leaseMs: 1_000 },
  );
  return { world, errors, sessionId: `deep ${++sessions}` };
}
const post = (world: World, body: string) => world.routes.POST(new Request(url, { method: 'POST', body }));
/** Sends one message, and waits until its run has ended. */
async function ask(world: World, sessionId: string, text: string): Promise<string> {
  const answer = await (await post(world, sendBody(sessionId, text))).text();
  await world.settled();
  return answer;
}
const messagesOf = async (world: World, sessionId: string) =>
  (await world.chat.session(sessionId).read()).messages;
const refusalOf = async (response: Response) => {
  const { error } = (await response.json()) as ErrorBody;
  return [response.status, error.code];
};
const outcome = (id: string, messageId: string, levels: number) =>
  `{"id":"${id}","trigger":"tool-outcome","messageId":"${messageId}","toolCallId":"c",` +
  `"outcome":{"state":"output-available","output":${nested(levels)}}}`;

describe.each(stores)('on %s', (_, openStore) => {
  it.each([600, 2_300, 3_500, 100_000])(
    'a body with %i levels is refused with 400, and changes nothing',
    async (levels) => {
      const { world, sessionId } = open(openStore()(), [start, call]);
      const part = `{"type":"data-x","data":${nested(levels)}}`;
      const message = `{"id":"u","role":"user","parts":[{"type":"text","text":"x"},${part}]}`;
      const sent = `{"id":"${sessionId}","messages":[${message}]}`;
      expect(await refusalOf(await post(world, sent))).toEqual([400, 'bad_request']);
      await ask(world, sessionId, 'one');
      const before = await messagesOf(world, sessionId);
      const { id } = before[1]!;
      expect(await refusalOf(await post(world, outcome(sessionId, id, levels)))).toEqual([
        400,
        'bad_request',
      ]);
      expect(await messagesOf(world, sessionId)).toEqual(before);
      expect(await ask(world, sessionId, 'two')).toContain('later');
    },
  );

  it('the deepest output that is accepted can be posted again with its message', async () => {
    const { world, sessionId } = open(openStore()(), [start, call]);
    await ask(world, sessionId, 'one');
    const { id } = (await messagesOf(world, sessionId))[1]!;
    let levels = 600;
    while ((await post(world, outcome(sessionId, id, levels))).status !== 200) levels--;
    expect(levels).toBeGreaterThan(400);
    const messages = await messagesOf(world, sessionId);
    const response = await post(world, JSON.stringify({ id: sessionId, messages }));
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('later');
    await world.settled();
    expect((await messagesOf(world, sessionId))[1]?.parts).toMatchObject([
      { toolCallId: 'c', output: JSON.parse(nested(levels)) as unknown },
      { text: 'later' },
    ]);
  });

  it.each([600, 2_500, 3_000, 3_500, 4_000, 100_000])(
    'a chunk with %i levels ends the answer with an error; the chunks before it are kept, and the next run works',
    async (levels) => {
      const { world, errors, sessionId } = open(openStore()(), [
        start,
        ...say('so far'),
        call,
        output(levels),
        ...say('more'),
      ]);
      expect(await ask(world, sessionId, 'one')).toContain('"type":"error"');
      expect(errors).toEqual([expect.any(DurableChatError)]);
      expect(errors).toMatchObject([{ code: 'too_large' }]);
      expect((await messagesOf(world, sessionId))[1]?.parts).toMatchObject([
        { text: 'so far' },
        { toolCallId: 'c', state: 'output-error' },
      ]);
      expect(await ask(world, sessionId, 'two')).toContain('later');
    },
  );

  it('a streamed tool input with too many levels removes only its call from the message', async () => {
    const { world, sessionId } = open(openStore()(), [
      start,
      { type: 'tool-input-start', toolCallId: 'c', toolName: 'ask' },
      { type: 'tool-input-delta', toolCallId: 'c', inputTextDelta: '['.repeat(5_000) },
      ...say('after'),
    ]);
    await ask(world, sessionId, 'one');
    expect((await messagesOf(world, sessionId))[1]?.parts).toMatchObject([
      { toolCallId: 'c', state: 'output-error' },
      { text: 'after' },
    ]);
    expect(await ask(world, sessionId, 'two')).toContain('later');
  });

  it('a message with a part that the app nested too deeply is continued without that part', async () => {
    const channel = openStore()();
    const { world, sessionId } = open(channel, [start, ...say('before'), call]);
    await ask(world, sessionId, 'one');
    const [user, { id }] = (await messagesOf(world, sessionId)) as [UIMessage, UIMessage];
    await world.chat.session(sessionId).addToolOutcome({
      messageId: id,
      toolCallId: 'c',
      outcome: { state: 'output-available', output: JSON.parse(nested(3_000)) as unknown },
    });
    const messages = [user, { id, role: 'assistant', parts: [] }];
    const response = await post(world, JSON.stringify({ id: sessionId, messages }));
    expect(await response.text()).toContain('later');
    await world.settled();
    const { messages: after, runs } = await world.chat.session(sessionId).read();
    expect(runs).toEqual([]);
    expect(after[1]?.parts).toMatchObject([
      { text: 'before' },
      {
        text: '[Left out: tool-ask, nested too deeply to be stored.]',
        providerMetadata: { 'durable-chat': { leftOut: { type: 'tool-ask', toolCallId: 'c' } } },
      },
      { text: 'later' },
    ]);
    expect(await ask(world, sessionId, 'two')).toContain('later');
  });
});
