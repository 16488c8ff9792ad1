// G3: a stop reaches the model in any process, and all tabs and the log keep the same part.

import type { UIMessage } from 'ai';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { memoryChannel } from '../../channel/memory.ts';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import type { DurableChatOptions } from '../../index.ts';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type World } from '../fixtures/world.fixture.ts';

function createServer(
  channel: Channel,
  model: ScriptedModel,
  options: Omit<DurableChatOptions, 'channel'> = {},
): World {
  return createWorld(channel, modelHandler(model), options);
}

const { stores, server } = useStores();

let count = 0;

describe.each(stores)('stop on %s, with two server instances', (name, open) => {
  const tabs: Tab[] = [];
  const on = (world: World, id: string) => {
    const tab = openTab(world.client(), id);
    tabs.push(tab);
    return tab;
  };
  afterEach(() => {
    for (const tab of tabs.splice(0)) tab.close();
    server().faults.clear();
  });

  function setUp() {
    const store = open();
    const model = scriptedModel();
    return {
      id: `${name} ${++count}`,
      model,
      producer: createServer(store(), model, { leaseMs: 1_500 }),
      other: createServer(store(), model),
    };
  }

  async function agree(worlds: World[], id: string, all: Tab[]): Promise<UIMessage[]> {
    for (const world of worlds) await world.settled();
    const { messages, runs } = await worlds[0]!.chat.session(id).read();
    expect(runs).toEqual([]);
    for (const tab of all) {
      await expect.poll(() => tab.chat.messages, { timeout: 5_000 }).toEqual(messages);
      await expect.poll(() => tab.chat.status, { timeout: 5_000 }).toBe('ready');
    }
    return messages;
  }

  it.each(['sender', 'another tab on another instance'])('G3: from %s', async (from) => {
    const { id, model, producer, other } = setUp();
    const sender = on(producer, id);
    const second = on(other, id);
    const sent = sender.chat.sendMessage({ text: 'count to 1000 at 100/s' });
    await expect.poll(() => textOf(second.chat.messages.at(-1))).toContain('5');
    const receipt = await (from === 'sender' ? sender : second).stop();
    expect(receipt).toMatchObject({ stopped: [{}], alreadyEnded: [], pending: [] });
    expect(model.calls.map(({ aborted }) => aborted)).toEqual([true]);
    await sent;
    const messages = await agree([producer, other], id, [sender, second]);
    expect(textOf(messages[1])).toMatch(/^1 2 3 4 5/);
    expect(messages[1]?.parts.at(-1)).toMatchObject({ state: 'done' });
  });

  it.each([0, 1])(
    'isAbort is true in the tab that stopped (%s); every tab gets how the run ended',
    async (by) => {
      const { id, producer, other } = setUp();
      const aborts: [tab: number, isAbort: boolean][] = [];
      const both = [producer, other].map((world, index) => {
        const tab = openTab(world.client(), id, {
          onFinish: ({ isAbort }) => void aborts.push([index, isAbort]),
        });
        tabs.push(tab);
        return tab;
      });
      void both[0]!.chat.sendMessage({ text: 'count to 1000 at 100/s' });
      await expect.poll(() => textOf(both[1]!.chat.messages.at(-1))).toContain('5');
      await both[by]!.stop();
      await agree([producer, other], id, both);
      await expect.poll(() => aborts.toSorted()).toEqual([0, 1].map((tab) => [tab, tab === by]));
      for (const { session } of both) {
        const ended = [...(session.getSnapshot().state?.ended.values() ?? [])];
        expect(ended.map(({ reason }) => reason)).toEqual(['stop']);
      }
    },
  );

  it('G3: after a reload of the sender', async () => {
    const { id, model, producer, other } = setUp();
    const sender = on(producer, id);
    const second = on(other, id);
    void sender.chat.sendMessage({ text: 'count to 1000 at 100/s' });
    await expect.poll(() => textOf(sender.chat.messages.at(-1))).toContain('5');
    sender.close();
    const reloaded = on(other, id);
    await expect.poll(() => textOf(reloaded.chat.messages.at(-1))).toContain('5');
    expect((await reloaded.stop()).stopped.length).toBe(1);
    expect(model.calls[0]?.aborted).toBe(true);
    await agree([producer, other], id, [reloaded, second]);
  });

  it('G3: before the first token', async () => {
    const { id, producer, other } = setUp();
    const silent = scriptedModel({
      // oxlint-disable-next-line require-yield -- a model that never emits a part
      async *script({ signal }) {
        await new Promise((_, reject) =>
          signal?.addEventListener('abort', () => reject(signal.reason as Error)),
        );
      },
    });
    const store = open();
    const slow = createServer(name === 'memory' ? store() : store(), silent, { leaseMs: 1_500 });
    const sender = on(slow, id);
    const sent = sender.chat.sendMessage({ text: 'say nothing' });
    await expect.poll(() => silent.calls.length).toBe(1);
    expect(sender.chat.status).toBe('submitted');
    expect((await sender.stop()).stopped.length).toBe(1);
    expect(silent.calls[0]?.aborted).toBe(true);
    await sent;
    const messages = await agree([slow], id, [sender]);
    expect(messages.map(({ role }) => role)).toEqual(['user']);
    expect([producer, other].length).toBe(2);
  });

  it('G3: at the moment of the send, when the run is not known yet', async () => {
    const { id, model, producer } = setUp();
    const sender = on(producer, id);
    const sent = sender.chat.sendMessage({ text: 'count to 1000 at 100/s' });
    await expect.poll(() => sender.core.sending).toBe(true);
    await sender.stop();
    await sent;
    await agree([producer], id, [sender]);
    expect(model.calls.every(({ finished }) => !finished)).toBe(true);
    expect(model.calls.every(({ emitted }) => emitted < 900)).toBe(true);
  });

  it('G3: twice at once and once more', async () => {
    const { id, producer, other } = setUp();
    const sender = on(producer, id);
    const second = on(other, id);
    const sent = sender.chat.sendMessage({ text: 'count to 1000 at 100/s' });
    await expect.poll(() => textOf(second.chat.messages.at(-1))).toContain('5');
    const receipts = await Promise.all([sender.stop(), second.stop()]);
    for (const receipt of receipts) expect(receipt.pending).toEqual([]);
    expect(receipts.flatMap(({ stopped }) => stopped).length).toBeGreaterThan(0);
    expect(await second.stop()).toEqual({ stopped: [], alreadyEnded: [], pending: [] });
    const { runId } = receipts.flatMap(({ stopped }) => stopped)[0]!;
    expect(await second.session.stop({ runId })).toEqual({ stopped: [], alreadyEnded: [runId], pending: [] });
    await sent;
    await agree([producer, other], id, [sender, second]);
  });

  it('the next run reads the kept part (G11)', async () => {
    const { id, model, producer, other } = setUp();
    const sender = on(producer, id);
    const second = on(other, id);
    const sent = sender.chat.sendMessage({ text: 'count to 1000 at 100/s' });
    await expect.poll(() => textOf(second.chat.messages.at(-1))).toContain('5');
    await second.stop();
    await sent;
    const kept = textOf((await agree([producer, other], id, [sender, second]))[1]);
    await second.chat.sendMessage({ text: 'count to 3' });
    const messages = await agree([producer, other], id, [sender, second]);
    expect(messages.map(textOf)).toEqual(['count to 1000 at 100/s', kept, 'count to 3', '1 2 3']);
    expect(JSON.stringify(model.calls[1]?.prompt)).toContain(kept);
  });
});

it('G3: a stop whose wake-up is lost is found on the lease', async () => {
  const model = scriptedModel();
  const id = 'lost word';
  const channel = () => upstashChannel({ url: server().url, token: server().token });
  const producer = createServer(channel(), model, { leaseMs: 1_500 });
  const other = createServer(channel(), model);
  const sender = openTab(producer.client(), id);
  const sent = sender.chat.sendMessage({ text: 'count to 1000 at 50/s' });
  await expect.poll(() => textOf(sender.chat.messages.at(-1))).toContain('5');
  const clear = server().faults.inject(
    { kind: 'drop-publish' },
    { match: ({ commands }) => JSON.stringify(commands).includes('run-stop') },
  );
  const { stopped, pending } = await other.chat.session(id).stop();
  clear();
  expect([...stopped, ...pending].length).toBe(1);
  await expect.poll(() => model.calls[0]?.aborted, { timeout: 5_000 }).toBe(true);
  await sent;
  await producer.settled();
  expect((await other.chat.session(id).read()).runs).toEqual([]);
  sender.close();
});

it('G3: the signal outlives the garbage collection of the request', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const signals: AbortSignal[] = [];
  const world = createWorld(memoryChannel(), (request) => {
    signals.push(request.signal);
    return new ReadableStream({ start: (controller) => controller.enqueue({ type: 'start' }) });
  });
  const tabs = Array.from({ length: 50 }, (_, index) => openTab(world.client(), `collected ${index}`));
  for (const tab of tabs) void tab.chat.sendMessage({ text: 'hello' });
  await expect.poll(() => signals.length).toBe(tabs.length);
  for (let round = 0; round < 5; round++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const abortable = tabs.map(async (tab) => (await tab.session.stop()).stopped.length);
  await expect.poll(() => signals.filter(({ aborted }) => aborted).length).toBe(tabs.length);
  await Promise.all(abortable);
  for (const tab of tabs) tab.close();
});

it('G3: a stop that the producer has not confirmed within 5 s is pending, and shows as stopping in every tab', async () => {
  const world = createWorld(
    memoryChannel(),
    () => new ReadableStream({ start: (controller) => controller.enqueue({ type: 'start' }) }),
    { stopGraceMs: 8_000 },
  );
  const [tab, other] = [openTab(world.client(), 'deaf'), openTab(world.client(), 'deaf')];
  const sent = tab.chat.sendMessage({ text: 'hello' });
  await expect.poll(() => other.session.getSnapshot().runs.map(({ status }) => status)).toEqual(['running']);
  const receipt = tab.stop();
  await expect.poll(() => other.session.getSnapshot().runs.map(({ status }) => status)).toEqual(['stopping']);
  expect(await receipt).toMatchObject({ stopped: [], alreadyEnded: [], pending: [expect.any(String)] });
  await sent;
  await world.settled();
  await expect.poll(() => other.session.getSnapshot().runs).toEqual([]);
  for (const one of [tab, other]) one.close();
});

it('G3: a stop does not wait for a handler that ignores its signal', async () => {
  const world = createWorld(
    memoryChannel(),
    () =>
      new ReadableStream({
        start(controller) {
          controller.enqueue({ type: 'text-start', id: 't' });
          controller.enqueue({ type: 'text-delta', id: 't', delta: 'deaf' });
        },
      }),
    { stopGraceMs: 50 },
  );
  const tab = openTab(world.client(), 'deaf');
  const sent = tab.chat.sendMessage({ text: 'hello' });
  await expect.poll(() => textOf(tab.chat.messages.at(-1))).toBe('deaf');
  expect((await tab.stop()).stopped.length).toBe(1);
  await sent;
  await world.settled();
  await expect.poll(() => tab.chat.messages.at(-1)?.parts).toMatchObject([{ text: 'deaf', state: 'done' }]);
  tab.close();
});

it('a stop whose answer breaks off is made again', async () => {
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
  const client = world.client();
  const tab = openTab(client, 'broken');
  const sent = tab.chat.sendMessage({ text: 'count to 1000' });
  await expect.poll(() => textOf(tab.chat.messages.at(-1))).toContain('2');
  let isFirst = true;
  client.limit = (method) => {
    if (method !== 'DELETE' || !isFirst) return undefined;
    isFirst = false;
    return 5;
  };
  const runId = tab.session.getSnapshot().runs[0]?.runId;
  expect(await tab.session.stop()).toEqual({ stopped: [], alreadyEnded: [runId], pending: [] });
  await sent;
  tab.close();
});
