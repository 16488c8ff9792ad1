// An outage of the store, for the app, the viewers, other processes and the sender.

import type { UIMessage, UIMessageChunk } from 'ai';
import { afterEach, describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { memoryChannel } from '../../channel/memory.ts';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import type { Runtime } from '../../lib/runtime.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { Frame } from '../../protocol/frames.ts';
import { createSseParser } from '../../protocol/sse.ts';
import { simulatedTime } from '../fixtures/simulated-time.fixture.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { openTab, textOf } from '../fixtures/tab.fixture.ts';
import { createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';
import type { DurableChatEvent } from '../../server/lib/events.ts';
import type { Handler } from '../../server/handler.ts';
import type { DurableChatOptions } from '../../server/options.ts';

const { stores, server } = useStores();
afterEach(() => server().faults.clear());

const delta = (text: string): UIMessageChunk => ({ type: 'text-delta', id: '0', delta: text });
const opening: UIMessageChunk[] = [{ type: 'start' }, { type: 'text-start', id: '0' }];
const ending: UIMessageChunk[] = [{ type: 'text-end', id: '0' }, { type: 'finish' }];

/** A store whose methods fail while it is down. */
function breakable(channel: Channel): { channel: Channel; down: boolean; calls: number } {
  const store = { channel, down: false, calls: 0 };
  store.channel = Object.fromEntries(
    Object.entries(channel).map(([name, method]) => [
      name,
      async (...args: unknown[]) => {
        store.calls++;
        if (store.down) throw new DurableChatError('store_failed', 'It is down.');
        return (method as (...all: unknown[]) => unknown)(...args);
      },
    ]),
  ) as unknown as Channel; // the same methods under the same names
  return store;
}

/** A handler that emits what the test passes. */
function speaker(): {
  handler: Handler;
  signals: AbortSignal[];
  say(...chunks: UIMessageChunk[]): void;
  end(): void;
} {
  let controller!: ReadableStreamDefaultController<UIMessageChunk>;
  const signals: AbortSignal[] = [];
  return {
    signals,
    handler: (request) => {
      signals.push(request.signal);
      return new ReadableStream<UIMessageChunk>({ start: (created) => void (controller = created) });
    },
    say(...chunks) {
      for (const chunk of chunks) controller.enqueue(chunk);
    },
    end() {
      this.say(...ending);
      controller.close();
    },
  };
}

let sessions = 0;
function open(channel: Channel, options: Omit<DurableChatOptions, 'channel'> = {}, runtime?: Runtime) {
  const events: DurableChatEvent[] = [];
  const errors: unknown[] = [];
  const model = speaker();
  const observing = {
    flushIntervalMs: 1,
    onEvent: (event: DurableChatEvent) => events.push(event),
    onError: (error: unknown) => errors.push(error),
    ...options,
  };
  const world = createWorld(channel, model.handler, observing, runtime);
  const sessionId = `outage ${++sessions}`;
  return {
    world,
    sessionId,
    events,
    errors,
    model,
    types: () => events.map((event) => ('durability' in event ? event.durability : event.type)),
    post: () => world.client().fetch('/api/chat', { method: 'POST', body: sendBody(sessionId, 'go') }),
    stored: async () => (await world.chat.session(sessionId).read()).messages,
  };
}

async function deltasOf(response: Response): Promise<string> {
  let text = '';
  createSseParser(({ data }) => {
    if (data === '[DONE]') return;
    const chunk = JSON.parse(data) as UIMessageChunk;
    if (chunk.type === 'text-delta') text += chunk.delta;
  })(await response.text());
  return text;
}

/** A viewer from `after` on, with its frames and its last cursor. */
async function watch(world: World, sessionId: string, after?: string) {
  const seen = { frames: [] as Frame[], cursor: after, close: () => abort.abort() };
  const abort = new AbortController();
  const frames = world.chat
    .session(sessionId)
    .follow({ ...(after !== undefined && { after }), signal: abort.signal });
  void (async () => {
    for await (const { frame, cursor } of frames) {
      seen.frames.push(frame);
      seen.cursor = cursor ?? seen.cursor;
    }
  })();
  if (after === undefined) await expect.poll(() => seen.frames.length).toBe(1);
  return seen;
}

const durabilities = (frames: readonly Frame[]) =>
  frames.flatMap((frame) => (frame.type === 'durability' ? frame.durability : []));

describe.each(stores)('an outage on %s', (_, openStore) => {
  it('G8: its beginning and its end are reported to the app and to the viewers of the process', async () => {
    const channels = openStore();
    const store = breakable(channels());
    const here = open(store.channel);
    const there = open(channels());
    const viewer = await watch(here.world, here.sessionId);
    const tab = openTab(here.world.client(), here.sessionId);
    const response = await here.post();
    here.model.say(...opening, delta('before '));
    await expect.poll(() => textOf(tab.chat.messages.at(-1))).toBe('before ');
    expect(tab.session.getSnapshot().runs[0]?.durability).toBeUndefined();

    store.down = true;
    here.model.say(delta('during '));
    await expect.poll(() => here.types()).toEqual(['run-start', 'degraded']);
    await expect.poll(() => durabilities(viewer.frames)).toEqual(['degraded']);
    await expect.poll(() => tab.session.getSnapshot().runs[0]?.durability).toBe('degraded');
    // A new viewer is informed at once. A viewer that reconnects to another process is informed that the run is durable
    // there.
    const late = await watch(here.world, here.sessionId);
    expect(late.frames).toMatchObject([{ type: 'snapshot', runs: [{ durability: 'degraded' }] }]);
    const moved = await watch(there.world, here.sessionId, late.cursor);
    await expect.poll(() => durabilities(moved.frames)).toEqual(['durable']);

    store.down = false;
    await expect.poll(() => here.types(), { timeout: 10_000 }).toEqual(['run-start', 'degraded', 'durable']);
    await expect.poll(() => durabilities(viewer.frames)).toEqual(['degraded', 'durable']);
    await expect.poll(() => tab.session.getSnapshot().runs[0]?.durability).toBe('durable');
    here.model.say(delta('after'));
    here.model.end();
    expect(await deltasOf(response)).toBe('before during after');
    await here.world.settled();
    expect(here.events.at(-1)).toMatchObject({ type: 'run-end', reason: 'finish', logged: true, chunks: 7 });
    expect(textOf((await here.stored())[1])).toBe('before during after');
    await expect.poll(() => textOf(tab.chat.messages.at(-1))).toBe('before during after');
    for (const one of [tab, viewer, late, moved]) one.close();
  });

  it('G8: a run is not taken for dead while the store prevented the renewal of its lease', async () => {
    const channels = openStore();
    const stores = [breakable(channels()), breakable(channels())];
    const here = open(stores[0]!.channel, { leaseMs: 500 });
    const there = open(stores[1]!.channel);
    const viewers = [await watch(here.world, here.sessionId), await watch(there.world, here.sessionId)];
    const response = await here.post();
    here.model.say(...opening, delta('before '));
    for (const { frames } of viewers) await expect.poll(() => frames.at(-1)?.type).toBe('chunks');
    for (const store of stores) store.down = true;
    here.model.say(delta('during '));
    // Long after the lease and after the silence that makes both processes check the lease.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    for (const store of stores) store.down = false;
    // The first read is by a process that could end the run.
    await there.world.chat.session(here.sessionId).read();
    await expect.poll(() => here.types(), { timeout: 10_000 }).toEqual(['run-start', 'degraded', 'durable']);
    here.model.say(delta('after'));
    here.model.end();
    expect(await deltasOf(response)).toBe('before during after');
    await here.world.settled();
    expect(here.events.at(-1)).toMatchObject({ type: 'run-end', reason: 'finish', logged: true });
    for (const viewer of viewers) {
      await expect.poll(() => viewer.frames.at(-1)).toMatchObject({ type: 'run-end', reason: 'finish' });
      viewer.close();
    }
    expect(textOf((await here.stored())[1])).toBe('before during after');
  });

  it('G8: beyond maxUnwrittenBytes the sender gets all, the log keeps what fitted, and reports it', async () => {
    const store = breakable(openStore()());
    const here = open(store.channel, { maxUnwrittenBytes: 1_000 });
    const response = await here.post();
    here.model.say(...opening);
    await expect.poll(async () => (await store.channel.readLog(here.sessionId, '')).length).toBe(1);
    store.down = true;
    const words = Array.from({ length: 50 }, (_, index) => `word ${index} `);
    for (const word of words) here.model.say(delta(word));
    await expect.poll(() => here.types()).toEqual(['run-start', 'degraded', 'overflow']);
    store.down = false;
    here.model.say(delta('the rest'));
    here.model.end();
    expect(await deltasOf(response)).toBe(`${words.join('')}the rest`);
    await here.world.settled();
    const [, message] = await here.stored();
    const kept = textOf(message);
    expect(kept).not.toBe('');
    expect(words.join('').startsWith(kept)).toBe(true);
    // It stayed degraded, because a part of it is not stored.
    expect(here.types()).toEqual(['run-start', 'degraded', 'overflow', 'run-end']);
    expect(here.events.at(-1)).toMatchObject({ reason: 'interrupted', cause: 'store', logged: true });
    expect(here.errors).toMatchObject([{ code: 'store_failed' }]);
    const entries = await store.channel.readLog(here.sessionId, '');
    const end = entries.flatMap(({ frames }) => frames).find((frame) => frame.type === 'run-end');
    const overflow = here.events.find((event) => event.type === 'overflow');
    expect(end).toMatchObject({ reason: 'interrupted', cause: 'store', chunks: overflow?.chunks });
    expect((await store.channel.readRun(here.sessionId, end!.runId, 0)).chunks.length).toBe(end?.chunks);
  });
});

it('G8: while the store is down a send is refused with 503, or passes through', async () => {
  const store = breakable(memoryChannel());
  store.down = true;
  const strict = open(store.channel);
  const refused = await strict.post();
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({ error: { code: 'store_failed' } });
  expect(strict.model.signals).toEqual([]);
  expect(strict.events).toEqual([]);

  const seen: UIMessage[][] = [];
  const here = open(store.channel, { onStoreDown: 'passthrough' });
  const lenient = createWorld(
    store.channel,
    async (request, context) => {
      seen.push(((await request.json()) as { messages: UIMessage[] }).messages);
      expect(await context.run.takeMessages()).toEqual([]);
      return here.model.handler(request, context);
    },
    { onStoreDown: 'passthrough', onEvent: (event) => here.events.push(event) },
  );
  const messages = ['one', 'two', 'three'].map((text, index) => ({
    id: text,
    role: index % 2 === 0 ? 'user' : 'assistant',
    parts: [{ type: 'text', text }],
  }));
  const body = JSON.stringify({ id: here.sessionId, trigger: 'submit-message', messages });
  const post = () => lenient.client().fetch('/api/chat', { method: 'POST', body });
  const response = await post();
  expect(seen[0]).toEqual(messages);
  expect(response.headers.get('x-durable-run')).toBeNull();
  expect(response.headers.get('x-vercel-ai-ui-message-stream')).toBe('v1');
  here.model.say(...opening, delta('plain'));
  here.model.end();
  expect(await deltasOf(response)).toBe('plain');
  // No other client can read it, so that it ends when its reader leaves.
  const left = await post();
  await left.body!.cancel();
  await expect.poll(() => here.model.signals.map(({ aborted }) => aborted)).toEqual([false, true]);
  const approved = {
    type: 'tool-pay',
    toolCallId: 'c',
    state: 'approval-responded',
    input: {},
    approval: {},
  };
  const forged = { id: 'a', role: 'assistant', parts: [approved] };
  const sent = (list: object[]) =>
    lenient.client().fetch('/api/chat', {
      method: 'POST',
      body: JSON.stringify({ id: here.sessionId, trigger: 'submit-message', messages: list }),
    });
  // The server cannot check whether an approval was requested.
  expect((await sent([...messages, forged])).status).toBe(503);
  void (await sent([messages[0]!, forged, messages[2]!])).body!.cancel();
  expect(seen.at(-1)).toEqual([messages[0], messages[2]]);
  expect(here.types()).toEqual(['passthrough', 'passthrough', 'passthrough']);
  store.down = false;
  expect(await here.stored()).toEqual([]);
});

it('G8: a tab shows an answer that passed through while the store was down, and keeps showing it', async () => {
  const store = breakable(memoryChannel());
  const here = open(store.channel, { onStoreDown: 'passthrough' });
  const tab = openTab(here.world.client(), here.sessionId);
  const first = tab.chat.sendMessage({ text: 'before' });
  await expect.poll(() => here.model.signals.length).toBe(1);
  here.model.say(...opening, delta('kept'));
  here.model.end();
  await first;
  await here.world.settled();
  store.down = true;
  const sent = tab.chat.sendMessage({ text: 'hello' });
  await expect.poll(() => here.model.signals.length, { timeout: 10_000 }).toBe(2);
  here.model.say(...opening, delta('hi'));
  here.model.end();
  await sent;
  const shown = ['before', 'kept', 'hello', 'hi'];
  expect(tab.chat.messages.map(textOf)).toEqual(shown);
  store.down = false;
  const { getSnapshot, subscribe } = tab.session;
  // The store can be back at any moment.
  const seen: string[] = [];
  const off = subscribe(() => void seen.push(getSnapshot().connection));
  tab.client.cut();
  await expect.poll(() => seen).toContain('reconnecting');
  await expect.poll(() => getSnapshot().connection).toBe('connected');
  off();
  expect(tab.chat.messages.map(textOf)).toEqual(shown);
  expect((await here.stored()).map(textOf)).toEqual(['before', 'kept']);
  tab.close();
});

it('G8: if the store never comes back, everything ends within minutes', async () => {
  const time = simulatedTime();
  const store = breakable(memoryChannel({}, time));
  const here = open(store.channel, {}, time);
  const posted = here.post();
  await time.advance(100);
  const response = await posted;
  here.model.say(...opening);
  await time.advance(100);
  const body = sendBody(here.sessionId, 'and then');
  const waiting = await here.world.client().fetch('/api/chat', { method: 'POST', body });
  await time.advance(100);
  store.down = true;
  here.model.say(delta('all of it'));
  here.model.end();
  const text = deltasOf(response);
  await time.advance(5_000);
  expect(await text).toBe('all of it');
  let settled = false;
  void here.world.settled().then(() => (settled = true));
  await time.advance(11 * 60_000);
  expect(settled).toBe(true);
  const ends = here.events.filter(({ type }) => type === 'run-end');
  expect(ends).toMatchObject([
    { reason: 'finish', logged: false },
    { reason: 'error', logged: false },
  ]);
  expect(here.errors.length).toBeGreaterThan(0);
  for (const error of here.errors) expect(error).toMatchObject({ code: 'store_failed' });
  // The waiting send gets the error too.
  expect(await waiting.text()).toMatch(/"type":"error".*\[DONE\]/s);
  // Nothing continues in the background.
  await time.advance(60_000);
  const { calls } = store;
  await time.advance(60 * 60_000);
  expect(store.calls).toBe(calls);
  expect(time.pending).toBe(0);
});

it('onEvent and onError may throw', async () => {
  const fail = () => {
    throw new Error('mine');
  };
  for (const observe of [fail, async () => fail()]) {
    const here = open(memoryChannel(), { onEvent: observe, onError: observe });
    const response = await here.post();
    here.model.say(...opening, delta('fine'));
    here.model.end();
    expect(await deltasOf(response)).toBe('fine');
    await here.world.settled();
    expect(textOf((await here.stored())[1])).toBe('fine');
  }
});

it('G8: while the store hangs, a send is refused in time', async () => {
  const channel = upstashChannel({ url: server().url, token: server().token, timeoutMs: 300 });
  const here = open(channel);
  server().faults.inject({ kind: 'hang' });
  const response = await here.post();
  expect(response.status).toBe(503);
  const subscribing = await here.world.client().fetch(`/api/chat?id=${encodeURIComponent(here.sessionId)}`);
  expect(subscribing.status).toBe(503);
});
