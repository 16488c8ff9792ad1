// The messages of loadMessages can be larger than one request to the store.

import type { UIMessage, UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { chunkHandler, createWorld, sendBody } from '../fixtures/world.fixture.ts';
import { answerOf } from '../fixtures/answers.fixture.ts';

const { stores } = useStores();
const kept: UIMessage[] = Array.from({ length: 6 }, (_, index) => ({
  id: `kept-${index}`,
  role: index % 2 === 0 ? 'user' : 'assistant',
  parts: [{ type: 'text', text: `${index} `.repeat(1_500_000) }],
}));
const ids = (messages: readonly UIMessage[]) => messages.map(({ id }) => id);
const keptIds = ids(kept);
const say: UIMessageChunk[] = answerOf('hi');

/** Stores `count` entries, and then none. */
function failsAfter(store: Channel, count: number): Channel {
  return {
    ...store,
    append: (...args) => (count-- > 0 ? store.append(...args) : Promise.reject(new Error('crashed'))),
  };
}

describe.each(stores)('on %s', (_, openStore) => {
  it('a session with 18 MB of earlier messages is read, followed, continued, and emptied', async () => {
    const id = crypto.randomUUID();
    let read: UIMessage[] = [];
    const handler = chunkHandler(() => say);
    const world = createWorld(
      openStore()(),
      async (request, context) => {
        read = ((await request.json()) as { messages: UIMessage[] }).messages;
        return handler(request, context);
      },
      { loadMessages: () => kept },
    );
    const session = world.chat.session(id);
    const seen: unknown[] = [];
    const leaving = new AbortController();
    for await (const { frame } of session.follow({ signal: leaving.signal })) {
      seen.push(frame);
      leaving.abort();
    }
    expect(seen).toMatchObject([{ type: 'snapshot', messages: kept.map((message) => ({ id: message.id })) }]);
    expect((await session.read()).messages).toEqual(kept);
    const request = new Request('http://durable.test/api/chat', { method: 'POST', body: sendBody(id, 'go') });
    const response = await world.routes.POST(request);
    expect(response.status).toBe(200);
    await response.text();
    await world.settled();
    expect(ids(read)).toEqual([...keptIds, 'user-go']);
    await session.clear();
    expect((await session.read()).messages).toEqual([]);
  });

  it('instances that begin a session at the same moment begin it once', async () => {
    const id = crypto.randomUUID();
    const open = openStore();
    const sessions = [open(), open()].map((channel) =>
      createWorld(channel, () => new ReadableStream(), { loadMessages: () => kept }).chat.session(id),
    );
    const all = await Promise.all(sessions.map((session) => session.read()));
    for (const { messages } of all) expect(ids(messages)).toEqual(keptIds);
  });

  it('a beginning whose writer fails in between is not shown, and the next one begins the session', async () => {
    const id = crypto.randomUUID();
    const open = openStore();
    const options = { loadMessages: () => kept };
    const worldOf = (channel: Channel, how = {}) =>
      createWorld(channel, () => new ReadableStream(), how).chat.session(id);
    await expect(worldOf(failsAfter(open(), 1), options).read()).rejects.toThrow();
    expect(await open().readLog(id, '')).toHaveLength(1);
    expect((await worldOf(open()).read()).messages).toEqual([]);
    expect(ids((await worldOf(open(), options).read()).messages)).toEqual(keptIds);
  });

  it('a single message that is too large for a request is stored without its largest parts', async () => {
    const id = crypto.randomUUID();
    const [first] = kept;
    const large = { ...first!, parts: Array.from({ length: 5 }, () => first!.parts[0]!) };
    const world = createWorld(openStore()(), () => new ReadableStream(), { loadMessages: () => [large] });
    const { messages } = await world.chat.session(id).read();
    expect(messages[0]!.parts).toContainEqual(first!.parts[0]);
    expect(JSON.stringify(messages)).toContain('leftOut');
  });
});
