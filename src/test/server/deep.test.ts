// G12: what is nested too deeply for the functions that read it blocks nothing. They are recursive, and overflow the stack.

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

/** A session whose first answer is these chunks, and every later one the word `later`. */
function open(channel: Channel, first: readonly UIMessageChunk[]) {
  let calls = 0;
  const errors: unknown[] = [];
  const world = createWorld(
    channel,
    chunkHandler(() => (calls++ === 0 ? first : [start, ...say('later')])),
    { onError: (error) => errors.push(error), leaseMs: 1_000 },
  );
  return { world, errors, session: `deep ${++sessions}` };
}
const post = (world: World, body: string) => world.routes.POST(new Request(url, { method: 'POST', body }));
/** Sends one message, and waits until its run has ended. */
async function ask(world: World, session: string, text: string): Promise<string> {
  const answer = await (await post(world, sendBody(session, text))).text();
  await world.settled();
  return answer;
}
const messagesOf = async (world: World, session: string) =>
  (await world.chat.session(session).read()).messages;
const refusalOf = async (response: Response) => {
  const { error } = (await response.json()) as ErrorBody;
  return [response.status, error.code];
};
const outcome = (id: string, messageId: string, levels: number) =>
  `{"id":"${id}","trigger":"tool-outcome","messageId":"${messageId}","toolCallId":"c",` +
  `"outcome":{"state":"output-available","output":${nested(levels)}}}`;

describe.each(stores)('on %s', (_, openStore) => {
  it.each([600, 2_300, 3_500, 100_000])(
    'what a client posts is refused with 400 when it has %i levels, and changes nothing',
    async (levels) => {
      const { world, session } = open(openStore()(), [start, call]);
      const part = `{"type":"data-x","data":${nested(levels)}}`;
      const message = `{"id":"u","role":"user","parts":[{"type":"text","text":"x"},${part}]}`;
      const sent = `{"id":"${session}","messages":[${message}]}`;
      expect(await refusalOf(await post(world, sent))).toEqual([400, 'bad_request']);
      await ask(world, session, 'one');
      const before = await messagesOf(world, session);
      const { id } = before[1]!;
      expect(await refusalOf(await post(world, outcome(session, id, levels)))).toEqual([400, 'bad_request']);
      expect(await messagesOf(world, session)).toEqual(before);
      expect(await ask(world, session, 'two')).toContain('later');
    },
  );

  it('the deepest output that is taken can be posted with the message that has it', async () => {
    const { world, session } = open(openStore()(), [start, call]);
    await ask(world, session, 'one');
    const { id } = (await messagesOf(world, session))[1]!;
    let levels = 600;
    while ((await post(world, outcome(session, id, levels))).status !== 200) levels--;
    expect(levels).toBeGreaterThan(400);
    const messages = await messagesOf(world, session);
    const response = await post(world, JSON.stringify({ id: session, messages }));
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('later');
    await world.settled();
    expect((await messagesOf(world, session))[1]?.parts).toMatchObject([
      { toolCallId: 'c', output: JSON.parse(nested(levels)) as unknown },
      { text: 'later' },
    ]);
  });

  it.each([600, 2_500, 3_000, 3_500, 4_000, 100_000])(
    'an answer ends with an error where a chunk has %i levels; what came before it is kept, and the next turn comes',
    async (levels) => {
      const { world, errors, session } = open(openStore()(), [
        start,
        ...say('so far'),
        call,
        output(levels),
        ...say('more'),
      ]);
      expect(await ask(world, session, 'one')).toContain('"type":"error"');
      expect(errors).toEqual([expect.any(DurableChatError)]);
      expect(errors).toMatchObject([{ code: 'too_large' }]);
      expect((await messagesOf(world, session))[1]?.parts).toMatchObject([
        { text: 'so far' },
        { toolCallId: 'c', state: 'output-error' },
      ]);
      expect(await ask(world, session, 'two')).toContain('later');
    },
  );

  it('an input that streams in more levels than can be read leaves its call out of nothing else', async () => {
    const { world, session } = open(openStore()(), [
      start,
      { type: 'tool-input-start', toolCallId: 'c', toolName: 'ask' },
      { type: 'tool-input-delta', toolCallId: 'c', inputTextDelta: '['.repeat(5_000) },
      ...say('after'),
    ]);
    await ask(world, session, 'one');
    expect((await messagesOf(world, session))[1]?.parts).toMatchObject([
      { toolCallId: 'c', state: 'output-error' },
      { text: 'after' },
    ]);
    expect(await ask(world, session, 'two')).toContain('later');
  });

  it('a message that got too many levels from the app is continued without the part that has them', async () => {
    const channel = openStore()();
    const { world, session } = open(channel, [start, ...say('before'), call]);
    await ask(world, session, 'one');
    const [user, { id }] = (await messagesOf(world, session)) as [UIMessage, UIMessage];
    await world.chat.session(session).answer({
      messageId: id,
      toolCallId: 'c',
      outcome: { state: 'output-available', output: JSON.parse(nested(3_000)) as unknown },
    });
    const messages = [user, { id, role: 'assistant', parts: [] }];
    const response = await post(world, JSON.stringify({ id: session, messages }));
    expect(await response.text()).toContain('later');
    await world.settled();
    const { messages: after, runs } = await world.chat.session(session).read();
    expect(runs).toEqual([]);
    expect(after[1]?.parts).toMatchObject([
      { text: 'before' },
      {
        text: '[Left out: tool-ask, nested too deeply to be stored.]',
        providerMetadata: { 'durable-chat': { leftOut: { type: 'tool-ask', toolCallId: 'c' } } },
      },
      { text: 'later' },
    ]);
    expect(await ask(world, session, 'two')).toContain('later');
  });
});
