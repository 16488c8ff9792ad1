// G6: a producer that was taken for dead writes nothing when it wakes, and gives up. A run ends before its deadline,
// while there is time to store its part so far.

import type { UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { createSseParser } from '../../protocol/sse.ts';
import { scriptedModel, type Script, type ScriptInput } from '../../testing/scripted-model.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { openTab, textOf } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, sendBody } from '../fixtures/world.fixture.ts';
import type { DurableChatEvent } from '../../server/lib/events.ts';

const { stores } = useStores();

/** The store of a process that is frozen now and then: its requests are made when it wakes. */
function freezable(channel: Channel): { channel: Channel; freeze(): void; thaw(): void } {
  let awake = Promise.resolve();
  let thaw = () => {};
  const wait =
    (method: (...args: unknown[]) => unknown) =>
    async (...args: unknown[]) => {
      await awake;
      return method(...args);
    };
  const methods = Object.entries(channel).map(([name, method]) => [name, wait(method as never)] as const);
  return {
    channel: Object.fromEntries(methods) as unknown as Channel, // the same methods under the same names
    freeze: () => (awake = new Promise((resolve) => (thaw = resolve))),
    thaw: () => thaw(),
  };
}

function* countOn(): Iterable<string> {
  for (let number = 1; number < 2_000; number++) yield `${number} `;
}

async function* fallSilent({ signal }: ScriptInput): AsyncIterable<string> {
  yield '1 ';
  await new Promise((resolve) => signal?.addEventListener('abort', resolve));
}

let sessions = 0;

describe.each(stores)('a producer on %s', (_, open) => {
  /** A run that is frozen after its first chunks until other processes have ended it. */
  async function frozen(script: Script) {
    const channels = open();
    const process = freezable(channels());
    const model = scriptedModel({ script, chunksPerSecond: 100 });
    const events: DurableChatEvent[] = [];
    const world = createWorld(process.channel, modelHandler(model), {
      leaseMs: 300,
      onEvent: (event) => events.push(event),
    });
    const store = channels();
    const other = createWorld(store, modelHandler(model));
    const sessionId = `zombie ${++sessions}`;
    const tab = openTab(other.client(), sessionId);
    await world.client().fetch('/api/chat', { method: 'POST', body: sendBody(sessionId, 'go') });
    await expect.poll(() => textOf(tab.chat.messages.at(-1))).toMatch(/^1 /);
    process.freeze();
    const read = async () => (await other.chat.session(sessionId).read()).messages;
    await expect.poll(async () => (await read()).length, { timeout: 10_000 }).toBe(2);
    const ended = (await read())[1];
    return { sessionId, store, process, model, events, world, tab, ended, read };
  }

  it.each([
    ['has more to say', countOn],
    ['has nothing to say', fallSilent],
  ])(
    'G6: one that %s writes nothing when it wakes after its lease, and aborts its model',
    async (_, script) => {
      const here = await frozen(script);
      const { sessionId, store } = here;
      const runId = here.events[0]!.runId;
      const before = await store.readRun(sessionId, runId, 0);
      expect(before.closure).toEqual({ reason: 'interrupted' });
      const log = await store.readLog(sessionId, '');
      expect(here.model.calls.map(({ aborted }) => aborted)).toEqual([false]);
      here.process.thaw();
      await expect
        .poll(() => here.model.calls.map(({ aborted }) => aborted), { timeout: 10_000 })
        .toEqual([true]);
      await here.world.settled();
      expect(await store.readRun(sessionId, runId, 0)).toEqual(before);
      // Its own end has the key of the existing one, and does not count.
      const added = (await store.readLog(sessionId, '')).slice(log.length);
      expect(added.map(({ key }) => key)).toEqual(added.map(() => `${runId} end`));
      expect((await here.read())[1]).toEqual(here.ended);
      expect(here.events.at(-1)).toMatchObject({ type: 'run-end', reason: 'interrupted', logged: true });
      await expect.poll(() => here.tab.chat.messages[1]).toEqual(here.ended);
      here.tab.close();
    },
  );

  it('a run that comes near its deadline ends itself in time, and keeps its part so far', async () => {
    const store = open()();
    const model = scriptedModel();
    const events: DurableChatEvent[] = [];
    const world = createWorld(store, modelHandler(model), {
      maxDurationMs: 3_000,
      onEvent: (event) => events.push(event),
    });
    const sessionId = `deadline ${++sessions}`;
    const tab = openTab(world.client(), sessionId);
    await tab.chat.sendMessage({ text: 'count to 2000 at 50/s' });
    await world.settled();
    expect(model.calls.map(({ aborted }) => aborted)).toEqual([true]);
    expect(events.at(-1)).toMatchObject({ reason: 'interrupted', cause: 'deadline', logged: true });
    const { messages } = await world.chat.session(sessionId).read();
    expect(textOf(messages[1])).toMatch(/^1 2 3 /);
    expect(messages[1]?.parts.at(-1)).toMatchObject({ state: 'done' });
    await expect.poll(() => tab.chat.messages).toEqual(messages);
    const ended = tab.session.getSnapshot().state?.ended.get(events[0]!.runId);
    expect(ended).toMatchObject({ reason: 'interrupted', cause: 'deadline' });
    // The next run works on it (G11).
    await tab.chat.sendMessage({ text: 'count to 3' });
    expect(textOf(tab.chat.messages[3])).toBe('1 2 3');
    tab.close();
  });

  it('a send that still waits at its deadline ends as interrupted, and its message stays ', async () => {
    const channels = open();
    const model = scriptedModel();
    const long = createWorld(channels(), modelHandler(model));
    const short = createWorld(channels(), modelHandler(model), { maxDurationMs: 1_000 });
    const sessionId = `deadline ${++sessions}`;
    const first = openTab(long.client(), sessionId);
    const sent = first.chat.sendMessage({ text: 'count to 2000 at 50/s' });
    await expect.poll(() => textOf(first.chat.messages.at(-1))).toMatch(/^1 /);
    const body = sendBody(sessionId, 'next');
    const response = await short.client().fetch('/api/chat', { method: 'POST', body });
    const chunks: UIMessageChunk[] = [];
    const feed = createSseParser(({ data }) => {
      if (data !== '[DONE]') chunks.push(JSON.parse(data) as UIMessageChunk);
    });
    feed(await response.text());
    expect(chunks).toEqual([]);
    await short.settled();
    const { messages, runs } = await long.chat.session(sessionId).read();
    expect(messages.at(-1)).toMatchObject({ id: 'user-next' });
    expect(runs.length).toBe(1);
    expect(model.calls.length).toBe(1);
    await first.stop();
    await sent;
    first.close();
  });
});
