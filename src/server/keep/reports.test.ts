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

/** Answers "to" and the question, and ends after `held`; "wait" waits until it is stopped. */
function open(
  channel: Channel,
  options: Omit<DurableChatOptions, 'channel'> = {},
  held: Promise<void> = Promise.resolve(),
): World {
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
          await held;
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

/** An `onMessage` that records its calls. */
function collect() {
  const stored: StoredMessage[] = [];
  return { stored, onMessage: (one: StoredMessage) => void stored.push(structuredClone(one)) };
}

describe.each(stores)('onMessage, on %s', (_, openStore) => {
  it('is called once for each stored user message, edits included, and for nothing else', async () => {
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
    // No later request reports it again, and no viewer sees the mark.
    const later = open(openStore()(), { onMessage });
    await later.chat.session(sessionId).read();
    await later.settled();
    expect(stored.length).toBe(3);
  });

  it('delays no request, and is called during the answer', async () => {
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

  it('is not called for a refused message', async () => {
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

  it('is not called for a message that passes through while the store is down', async () => {
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

  it('a process that dies during the report: reported again after the run’s end, and then no more', async () => {
    const sessionId = newSession();
    const shared = openStore();
    const dying = open(shared(), { onMessage: () => new Promise(() => {}) });
    const response = await post(dying, sessionId, 'wait');
    const { stored, onMessage } = collect();
    const world = open(shared(), { onMessage });
    await world.chat.session(sessionId).read();
    await world.settled();
    // Its own server is still reporting it.
    expect(stored).toEqual([]);
    await world.chat.session(sessionId).stop();
    await response.text();
    for (let times = 0; times < 2; times++) {
      await world.chat.session(sessionId).read();
      await world.settled();
      expect(stored).toMatchObject([{ message: user('wait'), runId: response.headers.get('x-durable-run') }]);
    }
  });

  it('a message that is gone by then is not reported: an edited one only as its edit, a withdrawn one not at all', async () => {
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

  it('a rejection goes to onError and is reported again; the end of the run is always reported after it', async () => {
    const sessionId = newSession();
    const order: string[] = [];
    let fails = true;
    let finish = () => {};
    const held = new Promise<void>((resolve) => (finish = resolve));
    const options = {
      onMessage({ message }: StoredMessage) {
        order.push(`message ${textOf(message)}`);
        if (fails) throw new Error('database away');
      },
      onRunEnd: ({ message }: RunEnd) => void order.push(`end ${textOf(message)}`),
      onError: (error: unknown) => void order.push((error as Error).message),
    };
    const world = open(openStore()(), options, held);
    const response = await post(world, sessionId, 'one');
    const failed = ['message one', 'database away'];
    await eventually(() => order).toEqual(failed);
    finish();
    await response.text();
    await world.settled();
    expect(order).toEqual([...failed, ...failed, 'end to one']);
    const { length } = order;
    fails = false;
    await world.chat.session(sessionId).read();
    await world.settled();
    await world.chat.session(sessionId).read();
    await world.settled();
    expect(order.slice(length)).toEqual(['message one']);
  });

  it('the report of a run’s end waits for the report of its message', async () => {
    const sessionId = newSession();
    let saved: () => void = () => {};
    const saving = new Promise<void>((resolve) => (saved = resolve));
    const ends: RunEnd[] = [];
    const world = open(openStore()(), {
      onMessage: (stored) => (stored.sessionId === sessionId ? saving : undefined),
      onRunEnd: (end) => void ends.push(end),
    });
    const texts = () => ends.map(({ message }) => textOf(message));
    await (await post(world, sessionId, 'one')).text();
    await world.chat.session(sessionId).read();
    // A run of another session that begins later is reported first.
    await (await post(world, newSession(), 'later')).text();
    await eventually(texts).toEqual(['to later']);
    saved();
    await world.settled();
    expect(texts()).toEqual(['to later', 'to one']);
  });
});

describe.each(stores)('an app that adds callbacks, on %s', (_, openStore) => {
  it('gets reports of runs that a server with callbacks accepted, and of no earlier ones', async () => {
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
    // All messages are in its list.
    expect(onRunEnd.mock.calls[0]?.[0].messages.length).toBe(8);
  });

  it('viewers do not see the reports', async () => {
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
