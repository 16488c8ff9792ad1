// G12: values that are too large for the store block no session, and the log says what is missing.

import { convertToModelMessages, type UIMessage, type UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { DurableChatError, type ErrorBody } from '../../protocol/errors.ts';
import type { Frame } from '../../protocol/frames.ts';
import { createSseParser } from '../../protocol/sse.ts';
import type { DurableChatEvent } from '../../server/lib/events.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { textOf } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';

const { stores } = useStores();
const url = 'http://durable.test/api/chat';
let sessions = 0;

const say = (...chunks: UIMessageChunk[]): UIMessageChunk[] => [
  { type: 'start' },
  { type: 'text-start', id: '0' },
  { type: 'text-delta', id: '0', delta: 'said' },
  { type: 'text-end', id: '0' },
  ...chunks,
  { type: 'finish' },
];
const call = (index: number, output: unknown): UIMessageChunk[] => [
  { type: 'tool-input-available', toolCallId: `c${index}`, toolName: 'search', input: {} },
  { type: 'tool-output-available', toolCallId: `c${index}`, output },
];
const image = (length: number): UIMessageChunk => ({
  type: 'file',
  mediaType: 'image/png',
  url: `data:image/png;base64,${'a'.repeat(length)}`,
});
/** Escaped twice, this is four times as long. */
const quotes = (length: number) => '"'.repeat(length);
const several = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** A session whose first answer is these chunks, and every later one is a short text. */
function open(channel: Channel, first: readonly UIMessageChunk[]) {
  let calls = 0;
  const events: DurableChatEvent[] = [];
  const world = createWorld(
    channel,
    chunkHandler(() => (calls++ === 0 ? first : say())),
    { onEvent: (event) => events.push(event) },
  );
  return { world, events, sessionId: `large ${++sessions}` };
}
const post = (world: World, body: string) => world.routes.POST(new Request(url, { method: 'POST', body }));

/** What the one who sent it is answered. */
async function answer(world: World, sessionId: string, text: string): Promise<UIMessageChunk[]> {
  const response = await post(world, sendBody(sessionId, text));
  const chunks: UIMessageChunk[] = [];
  createSseParser(({ data }) => {
    if (data !== '[DONE]') chunks.push(JSON.parse(data) as UIMessageChunk);
  })(await response.text());
  await world.settled();
  return chunks;
}
const messagesOf = async (world: World, sessionId: string) =>
  (await world.chat.session(sessionId).read()).messages;
const leftOut = ({ parts }: UIMessage) =>
  parts.flatMap((part) => {
    const mark = part.type === 'text' ? part.providerMetadata?.['durable-chat']?.['leftOut'] : undefined;
    return mark === undefined ? [] : [mark];
  });

describe.each(stores)('on %s', (_, openStore) => {
  it.each([
    ['outputs of tools', say(...several(7, (index) => call(index, quotes(450_000))).flat()), 'tool-search'],
    ['images', say(...several(6, () => image(2_000_000))), 'file'],
    ['euros', say(...several(4, (index) => call(index, '€'.repeat(900_000))).flat()), 'tool-search'],
  ])(
    'an answer with %s that do not fit ends, lists what is left out, and the next run works',
    async (_, first, type) => {
      const { world, sessionId } = open(openStore()(), first);
      expect(await answer(world, sessionId, 'one')).toHaveLength(first.length);
      const [, message] = await messagesOf(world, sessionId);
      expect(textOf(message)).toContain('said');
      const missing = leftOut(message!);
      expect(missing.length).toBeGreaterThan(0);
      for (const one of missing) expect(one).toMatchObject({ type, bytes: expect.any(Number) as number });
      // What fits is there.
      expect(message!.parts.filter((part) => part.type === type).length).toBeGreaterThan(1);
      await convertToModelMessages([message!]);
      await answer(world, sessionId, 'two');
      expect(textOf((await messagesOf(world, sessionId)).at(-1))).toBe('said');
      await world.chat.session(sessionId).delete();
      expect(await messagesOf(world, sessionId)).toEqual([]);
    },
  );

  it.each([
    ['an output of 8 MB', call(0, 'a'.repeat(8_300_000))],
    ['an output of 2.5 MB that is escaped to 10', call(0, quotes(2_500_000))],
  ])(
    'of an answer with %s in one chunk the log keeps the chunks before it and the cause; its client gets all',
    async (_, calls) => {
      const { world, sessionId, events } = open(openStore()(), say(...calls));
      const seen: Frame[] = [];
      const abort = new AbortController();
      const watching = (async () => {
        for await (const { frame } of world.chat.session(sessionId).follow({ signal: abort.signal }))
          seen.push(frame);
      })();
      expect(await answer(world, sessionId, 'one')).toHaveLength(7);
      const end = () => seen.find((frame) => frame.type === 'run-end');
      await expect.poll(end).toMatchObject({ reason: 'interrupted', cause: 'too_large', chunks: 5 });
      abort.abort();
      await watching;
      expect(events).toContainEqual(
        expect.objectContaining({ type: 'overflow', cause: 'too_large', chunks: 5 }),
      );
      const [, message] = await messagesOf(world, sessionId);
      expect(textOf(message)).toBe('said');
      await answer(world, sessionId, 'two');
      expect(textOf((await messagesOf(world, sessionId)).at(-1))).toBe('said');
    },
  );

  it('G1: a burst of more than `maxUnwrittenBytes` is stored whole by a store that works', async () => {
    const burst = say(...several(4, () => image(2_400_000)));
    const store = openStore()();
    const { world, sessionId, events } = open(store, burst);
    expect(await answer(world, sessionId, 'one')).toHaveLength(burst.length);
    expect(events.map(({ type }) => type)).not.toContain('overflow');
    expect(events.at(-1)).toMatchObject({ type: 'run-end', reason: 'finish', chunks: burst.length });
    expect((await store.readRun(sessionId, events[0]!.runId, 0)).chunks).toHaveLength(burst.length);
    const [, message] = await messagesOf(world, sessionId);
    expect(message!.parts.filter(({ type }) => type === 'file')).toHaveLength(3);
  });

  it('a chunk of 6 MB and the chunks around it are stored unchanged', async () => {
    const all = say(image(6_000_000), ...several(3, () => image(400_000)));
    const { world, sessionId } = open(openStore()(), all);
    await answer(world, sessionId, 'one');
    const [, message] = await messagesOf(world, sessionId);
    expect(leftOut(message!)).toEqual([]);
    expect(message!.parts.filter(({ type }) => type === 'file')).toHaveLength(4);
  });

  it('a message that is too large to be stored is refused with 413, and another one is accepted', async () => {
    const { world, sessionId } = open(openStore()(), say());
    const parts = [
      { type: 'text', text: 'hi' },
      // Five bytes of the body each, and more than twenty of what is stored.
      { type: 'data-numbers', data: 0 },
    ];
    const body = JSON.stringify({ id: sessionId, messages: [{ id: 'm', role: 'user', parts }] });
    const numbers = `[${several(600_000, () => '1e20').join(',')}]`;
    const refused = await post(world, body.replace('"data":0', `"data":${numbers}`));
    expect(refused.status).toBe(413);
    expect(((await refused.json()) as ErrorBody).error.code).toBe('too_large');
    await answer(world, sessionId, 'one');
    expect((await messagesOf(world, sessionId)).map(({ role }) => role)).toEqual(['user', 'assistant']);
  });

  it('a session with a run whose end cannot be stored can be deleted', async () => {
    const store = openStore()();
    const channel: Channel = {
      ...store,
      async append(sessionId, entry, options) {
        if (entry.key.endsWith(' end')) throw new DurableChatError('store_failed', 'It does not take this.');
        return store.append(sessionId, entry, options);
      },
    };
    const { world, sessionId } = open(channel, say());
    // Its end is tried for minutes.
    await (await post(world, sendBody(sessionId, 'one'))).text();
    await world.chat.session(sessionId).delete();
    expect((await store.readLog(sessionId, '')).flatMap(({ frames }) => frames)).toEqual([]);
    expect(await messagesOf(world, sessionId)).toEqual([]);
  });
});
