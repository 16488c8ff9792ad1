import type { UIMessage, UIMessageChunk } from 'ai';
import { describe, expect, it, vi } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import type { DurableChatOptions, RunEnd, StoredMessage } from '../../index.ts';
import { useStores } from '../../test/fixtures/stores.fixture.ts';
import { textOf } from '../../test/fixtures/tab.fixture.ts';
import { createWorld, sendBody, type World } from '../../test/fixtures/world.fixture.ts';
import { createChaos } from '../../testing/chaos.ts';

const url = 'http://durable.test/api/chat';
const { stores } = useStores();
let sessions = 0;
const newSession = () => `reported ${++sessions}`;
const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 15_000 });

/** Answers "to" what it was asked; "wait" until it is stopped. */
function open(channel: Channel, options: Omit<DurableChatOptions, 'channel'> = {}): World {
  return createWorld(
    channel,
    async (request) => {
      const { messages } = (await request.json()) as { messages: UIMessage[] };
      const asked = textOf(messages.findLast(({ role }) => role === 'user'));
      return new ReadableStream<UIMessageChunk>({
        async start(controller) {
          controller.enqueue({ type: 'start' });
          controller.enqueue({ type: 'text-start', id: '0' });
          controller.enqueue({ type: 'text-delta', id: '0', delta: `to ${asked}` });
          if (asked === 'wait')
            await new Promise((resolve) => request.signal.addEventListener('abort', resolve));
          controller.enqueue({ type: 'finish' });
          controller.close();
        },
      });
    },
    options,
  );
}

const postBody = ({ routes }: World, body: string) => routes.POST(new Request(url, { method: 'POST', body }));
const post = (world: World, sessionId: string, text: string) => postBody(world, sendBody(sessionId, text));
const user = (text: string): UIMessage => ({
  id: `user-${text}`,
  role: 'user',
  parts: [{ type: 'text', text }],
});
const textsOf = (stored: readonly StoredMessage[]) => stored.map(({ message }) => textOf(message));

/** An `onMessage` that writes down what it is told. */
function collect() {
  const stored: StoredMessage[] = [];
  return { stored, onMessage: (one: StoredMessage) => void stored.push(structuredClone(one)) };
}

describe.each(stores)('onMessage, on %s', (_, openStore) => {
  it('is told once of each user message that is stored, an edit included, and of nothing else', async () => {
    const sessionId = newSession();
    const { stored, onMessage } = collect();
    const world = open(openStore()(), { onMessage, authorize: () => ({ userId: 'ann' }) });
    const seeds = [user('before'), { ...user('answer before'), role: 'assistant' as const }];
    const runs: (string | null)[] = [];
    const bodies = [
      { messages: [...seeds, user('one')] },
      { messages: [user('two')] },
      { messages: [user('two')] }, // the same send again
      { messages: [{ ...user('edited'), id: 'user-two' }], messageId: 'user-two' },
      { messages: [{ ...user('edited'), id: 'user-two' }], trigger: 'regenerate-message' },
    ];
    for (const body of bodies) {
      const trigger = 'submit-message';
      const response = await postBody(world, JSON.stringify({ id: sessionId, trigger, ...body }));
      runs.push(response.headers.get('x-durable-run'));
      await response.text();
      await world.settled();
    }
    expect(stored).toEqual([
      { sessionId, runId: runs[0], message: user('one'), by: 'ann' },
      { sessionId, runId: runs[1], message: user('two'), by: 'ann' },
      { sessionId, runId: runs[3], message: { ...user('edited'), id: 'user-two' }, by: 'ann' },
    ]);
    // Nobody who comes later tells it again, and no viewer sees how it is kept.
    const later = open(openStore()(), { onMessage });
    await later.chat.session(sessionId).read();
    await later.settled();
    expect(stored.length).toBe(3);
  });

  it('keeps nobody waiting, and is told while the answer is written', async () => {
    const sessionId = newSession();
    const never = vi.fn(() => new Promise<void>(() => {}));
    const world = open(openStore()(), { onMessage: never });
    const response = await post(world, sessionId, 'wait');
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let seen = '';
    while (!seen.includes('to wait')) seen += (await reader.read()).value ?? '';
    expect(never).toHaveBeenCalledTimes(1);
    await world.chat.session(sessionId).stop();
    while (!seen.includes('[DONE]')) seen += (await reader.read()).value ?? '';
  });

  it('is told nothing of a message that did not get in', async () => {
    const sessionId = newSession();
    const shared = openStore();
    const { stored, onMessage } = collect();
    const options = { onMessage, whenBusy: 'reject', limits: { messageBytes: 200 } } as const;
    const [here, there] = [open(shared(), options), open(shared(), options)];
    const racing = [post(here, sessionId, 'wait'), post(there, sessionId, 'other')];
    const statuses = (await Promise.all(racing)).map(({ status }) => status);
    expect([...new Set(statuses)].sort()).toContain(200);
    const won = ['wait', 'other'].filter((_text, index) => statuses[index] === 200);
    await here.chat.session(sessionId).stop();
    for (const world of [here, there]) await world.settled();
    expect((await postBody(here, sendBody(sessionId, 'x'.repeat(300), 'long'))).status).toBe(413);
    const changed = { ...user('changed'), id: `user-${won[0]}` };
    expect((await postBody(here, JSON.stringify({ id: sessionId, messages: [changed] }))).status).toBe(409);
    for (const world of [here, there]) {
      await world.chat.session(sessionId).read();
      await world.settled();
    }
    expect(textsOf(stored).sort()).toEqual(won.sort());
  });

  it('a store that is down: a message that is answered all the same, and kept nowhere, is not told of', async () => {
    const chaos = createChaos(openStore()());
    const { stored, onMessage } = collect();
    const world = open(chaos.channel, { onMessage, onStoreDown: 'passthrough' });
    const heal = chaos.storeFaults({ kind: 'refuse' });
    const response = await post(world, newSession(), 'one');
    expect(await response.text()).toContain('to one');
    heal();
    await world.settled();
    expect(stored).toEqual([]);
  });

  it('a process that dies while it tells: made up for once its run has ended, and then no more', async () => {
    const sessionId = newSession();
    const shared = openStore();
    const dying = open(shared(), { onMessage: () => new Promise(() => {}) });
    const response = await post(dying, sessionId, 'wait');
    const { stored, onMessage } = collect();
    const world = open(shared(), { onMessage });
    await world.chat.session(sessionId).read();
    await world.settled();
    // Its own server is at it.
    expect(stored).toEqual([]);
    await world.chat.session(sessionId).stop();
    await response.text();
    for (let times = 0; times < 2; times++) {
      await world.chat.session(sessionId).read();
      await world.settled();
      expect(stored).toMatchObject([{ message: user('wait'), runId: response.headers.get('x-durable-run') }]);
    }
  });

  it('what is gone by then is not told of: an edited message by its edit alone, a withdrawn one not at all', async () => {
    const sessionId = newSession();
    const shared = openStore();
    const dying = open(shared(), { onMessage: () => new Promise(() => {}) });
    await (await post(dying, sessionId, 'one')).text();
    const edit = { id: sessionId, messages: [{ ...user('edited'), id: 'user-one' }], messageId: 'user-one' };
    await (await postBody(dying, JSON.stringify(edit))).text();
    const waiting = await post(dying, sessionId, 'wait');
    const queued = await post(dying, sessionId, 'queued');
    await dying.chat.session(sessionId).withdraw({ runId: queued.headers.get('x-durable-run')! });
    await dying.chat.session(sessionId).stop();
    for (const one of [waiting, queued]) await one.text();
    const { stored, onMessage } = collect();
    const world = open(shared(), { onMessage });
    await world.chat.session(sessionId).read();
    await world.settled();
    expect(textsOf(stored)).toEqual(['edited', 'wait']);
  });

  it('a rejection goes to onError and is told again; the end of the run comes after it in any case', async () => {
    const sessionId = newSession();
    const order: string[] = [];
    let fails = true;
    const world = open(openStore()(), {
      async onMessage({ message }) {
        await new Promise((resolve) => setImmediate(resolve));
        order.push(`message ${textOf(message)}`);
        if (fails) throw new Error('database away');
      },
      onRunEnd: ({ message }) => void order.push(`end ${textOf(message)}`),
      onError: (error) => void order.push((error as Error).message),
    });
    await (await post(world, sessionId, 'one')).text();
    await world.settled();
    const told = ['message one', 'database away'];
    // Once or twice, as soon as the run is over in time.
    expect([[...told, 'end to one'].join(), [...told, ...told, 'end to one'].join()]).toContain(order.join());
    const { length } = order;
    fails = false;
    await world.chat.session(sessionId).read();
    await world.settled();
    await world.chat.session(sessionId).read();
    await world.settled();
    expect(order.slice(length)).toEqual(['message one']);
  });

  it('the end of a run waits for the message that came with it', async () => {
    const sessionId = newSession();
    let saved: () => void = () => {};
    const saving = new Promise<void>((resolve) => (saved = resolve));
    const ends: RunEnd[] = [];
    const world = open(openStore()(), {
      onMessage: () => saving,
      onRunEnd: (end) => void ends.push(end),
    });
    await (await post(world, sessionId, 'one')).text();
    await world.chat.session(sessionId).read();
    expect(ends).toEqual([]);
    saved();
    await world.settled();
    expect(ends.map(({ message }) => textOf(message))).toEqual(['to one']);
  });
});

describe.each(stores)('an app that begins to listen, on %s', (_, openStore) => {
  it('is told of the runs that a server which listens has accepted, and of none before', async () => {
    const sessionId = newSession();
    const shared = openStore();
    const before = open(shared());
    for (const text of ['one', 'two']) await (await post(before, sessionId, text)).text();
    const working = await post(before, sessionId, 'wait');
    const onRunEnd = vi.fn<(end: RunEnd) => void>();
    const onMessage = vi.fn<(stored: StoredMessage) => void>();
    const now = open(shared(), { onRunEnd, onMessage });
    await now.chat.session(sessionId).read();
    await now.chat.session(sessionId).stop();
    await working.text();
    await before.settled();
    await (await post(now, sessionId, 'three')).text();
    await now.settled();
    await now.chat.session(sessionId).read();
    await now.settled();
    expect(onRunEnd.mock.calls.map(([{ message }]) => textOf(message))).toEqual(['to three']);
    expect(onMessage.mock.calls.map(([{ message }]) => textOf(message))).toEqual(['three']);
    // All of them are in the list that it is given.
    expect(onRunEnd.mock.calls[0]?.[0].messages.length).toBe(8);
  });

  it('viewers do not see what the app is told', async () => {
    const sessionId = newSession();
    const world = open(openStore()(), { onRunEnd: () => {}, onMessage: () => {} });
    const leaving = new AbortController();
    const seen: string[] = [];
    const follow = async () => {
      for await (const { frame } of world.chat.session(sessionId).follow({ signal: leaving.signal }))
        seen.push(JSON.stringify(frame));
    };
    const early = follow();
    await (await post(world, sessionId, 'one')).text();
    const waiting = await post(world, sessionId, 'wait');
    const late = follow();
    await eventually(() => seen.filter((frame) => frame.includes('"snapshot"')).length).toBe(2);
    await world.chat.session(sessionId).stop();
    await waiting.text();
    await world.settled();
    const runId = waiting.headers.get('x-durable-run')!;
    const endsOf = () => seen.filter((frame) => frame.includes('"run-end"') && frame.includes(runId));
    await eventually(() => endsOf().length).toBe(2);
    leaving.abort();
    await Promise.all([early, late]);
    expect(seen.join()).not.toContain('report');
    expect(seen.join()).not.toContain('saved');
    expect(JSON.stringify(await world.chat.session(sessionId).read())).not.toContain('report');
  });
});
