// The test kit, used as an app uses it.

import { afterEach, describe, expect, it } from 'vitest';
import { memoryChannel } from '../channel/memory.ts';
import { createChaos } from './chaos.ts';
import { dropAt } from './drop-at.ts';
import { scriptedModel } from './scripted-model.ts';
import { openTab, textOf, type Tab } from '../test/fixtures/tab.fixture.ts';
import { createWorld, modelHandler, sendBody } from '../test/fixtures/world.fixture.ts';
import { numbers } from '../test/fixtures/answers.fixture.ts';

const tabs: Tab[] = [];
afterEach(() => {
  for (const tab of tabs.splice(0)) tab.close();
});

function setUp() {
  const store = memoryChannel();
  const chaos = createChaos(store);
  const model = scriptedModel({ chunksPerSecond: 100 });
  const options = { leaseMs: 400, flushIntervalMs: 5 };
  const world = createWorld(chaos.channel, modelHandler(model), options);
  const other = createWorld(store, modelHandler(scriptedModel({ chunksPerSecond: 100 })), options);
  const open = (on: typeof world) => {
    const tab = openTab(on.client(), 'chaos');
    tabs.push(tab);
    return tab;
  };
  return { chaos, model, world, other, open };
}

describe('killProducer', () => {
  it('what was stored stays, and another instance ends the run as interrupted', async () => {
    const { chaos, world, other, open } = setUp();
    const viewer = open(other);
    void open(world).chat.sendMessage({ text: 'count to 1000' });
    await expect.poll(() => textOf(viewer.chat.messages.at(-1))).toContain('7');
    chaos.killProducer();
    await expect.poll(() => viewer.session.getSnapshot().runs, { timeout: 10_000 }).toEqual([]);
    expect([...viewer.session.getSnapshot().state!.ended.values()]).toMatchObject([
      { reason: 'interrupted' },
    ]);
    const { messages } = await other.chat.session('chaos').read();
    expect(textOf(messages[1])).toMatch(/^1 2 3 4 5 6 7/);
    await expect.poll(() => viewer.chat.messages).toEqual(messages);
  });
});

describe('freeze', () => {
  it('longer than the lease: the producer that wakes aborts its model, and changes nothing', async () => {
    const { chaos, model, world, other, open } = setUp();
    const viewer = open(other);
    const sender = open(world);
    void sender.chat.sendMessage({ text: 'count to 1000' });
    await expect.poll(() => textOf(viewer.chat.messages.at(-1))).toContain('7');
    const thaw = chaos.freeze();
    await expect.poll(() => viewer.session.getSnapshot().runs, { timeout: 10_000 }).toEqual([]);
    const { messages } = await other.chat.session('chaos').read();
    expect(model.calls[0]?.aborted).toBe(false);
    thaw();
    await expect.poll(() => model.calls[0]?.aborted, { timeout: 10_000 }).toBe(true);
    await world.settled();
    expect((await other.chat.session('chaos').read()).messages).toEqual(messages);
    for (const tab of [viewer, sender])
      await expect.poll(() => tab.chat.messages, { timeout: 10_000 }).toEqual(messages);
  });

  it('shorter than the lease: the answer continues', async () => {
    const { chaos, world, open } = setUp();
    const sender = open(world);
    const sent = sender.chat.sendMessage({ text: 'count to 30' });
    await expect.poll(() => textOf(sender.chat.messages.at(-1))).toContain('7');
    chaos.freeze()();
    await sent;
    await world.settled();
    expect((await world.chat.session('chaos').read()).messages.map(textOf)).toEqual([
      'count to 30',
      numbers(30),
    ]);
  });
});

describe('storeFaults', () => {
  it('concern the named calls, the given number of times, in order', async () => {
    const { channel, storeFaults } = createChaos(memoryChannel());
    const write = (from: number) => channel.write('s', 'run', from, [{ type: 'start' }]);
    storeFaults({ kind: 'refuse' }, { times: 1, on: ['write'] });
    storeFaults({ kind: 'lose-reply' }, { times: 1, on: ['write'] });
    expect(await channel.readRun('s', 'run', 0)).toEqual({ chunks: [] });
    await expect(write(0)).rejects.toMatchObject({ code: 'store_failed' });
    expect(await channel.readRun('s', 'run', 0)).toEqual({ chunks: [] });
    await expect(write(0)).rejects.toMatchObject({ code: 'store_failed' });
    expect((await channel.readRun('s', 'run', 0)).chunks.length).toBe(1);
    expect(await write(1)).toBe('stored');
    const heal = storeFaults({ kind: 'hang' });
    const hung = write(2);
    heal();
    await expect(hung).rejects.toMatchObject({ code: 'store_failed' });
    expect((await channel.readRun('s', 'run', 0)).chunks.length).toBe(2);
  });

  it('hold: fails at once, and applies once it is removed or its time has passed', async () => {
    const { channel, storeFaults } = createChaos(memoryChannel());
    const write = (from: number) => channel.write('s', 'run', from, [{ type: 'start' }]);
    const count = async () => (await channel.readRun('s', 'run', 0)).chunks.length;
    const match = (_session: unknown, _run: unknown, from: unknown) => from === 1;
    const release = storeFaults({ kind: 'hold' }, { on: ['write'], match });
    await write(0);
    await expect(write(1)).rejects.toMatchObject({ code: 'store_failed' });
    expect(await count()).toBe(1);
    release();
    await expect.poll(count).toBe(2);
    storeFaults({ kind: 'hold', ms: 20 }, { times: 1, on: ['write'] });
    await expect(write(2)).rejects.toMatchObject({ code: 'store_failed' });
    await expect.poll(count).toBe(3);
    expect(await write(3)).toBe('stored');
  });

  it('stale: reads return nothing new, and nothing seems to be gone', async () => {
    const { channel, storeFaults } = createChaos(memoryChannel());
    const append = (key: string) => channel.append('s', { key, frames: [] }, { after: '' });
    await append('one');
    const [one, two] = await append('two');
    await channel.write('s', 'run', 0, [{ type: 'start' }]);
    const catchUp = storeFaults({ kind: 'stale' });
    expect(await channel.readLog('s', '')).toEqual([]);
    expect(await channel.readLog('s', one!.id)).toEqual([one]);
    expect(await channel.readRun('s', 'run', 0)).toEqual({ chunks: [] });
    expect((await append('three')).length).toBe(3);
    catchUp();
    expect((await channel.readLog('s', one!.id)).slice(0, 2)).toEqual([one, two]);
    expect((await channel.readRun('s', 'run', 0)).chunks.length).toBe(1);
  });

  it('G8: an answer survives lost replies and a store that fails', async () => {
    const { chaos, world, open } = setUp();
    const sender = open(world);
    chaos.storeFaults({ kind: 'lose-reply' }, { times: 3, on: ['write'] });
    chaos.storeFaults({ kind: 'delay', ms: 30 }, { times: 3, on: ['write'] });
    await sender.chat.sendMessage({ text: 'count to 30' });
    await world.settled();
    expect(textOf((await world.chat.session('chaos').read()).messages[1])).toBe(numbers(30));
  });
});

describe('dropAt', () => {
  it('breaks a response after the given number of bytes', async () => {
    const { world } = setUp();
    const text = async (bytes: number | undefined) => {
      const post = dropAt(() => bytes, world.client().fetch);
      const response = await post('/api/chat', { method: 'POST', body: sendBody('chaos', 'count to 3') });
      let read = 0;
      const reader = response.body!.getReader();
      for (;;) {
        const next = await reader.read().catch(() => 'broken' as const);
        if (next === 'broken' || next.done) return [read, next === 'broken' ? 'broken' : 'whole'];
        read += next.value.byteLength;
      }
    };
    const [all] = await text(undefined);
    expect(await text(undefined)).toEqual([all, 'whole']);
    expect(await text(0)).toEqual([0, 'broken']);
    expect(await text(100)).toEqual([100, 'broken']);
    expect(await text(Number(all) - 1)).toEqual([Number(all) - 1, 'broken']);
    expect(await text(Number(all))).toEqual([all, 'whole']);
  });

  it('G1: a viewer gets every chunk although each of its connections breaks', async () => {
    const { world, open } = setUp();
    const client = world.client();
    let drops = 0;
    const broken = openTab({ ...client, fetch: dropAt(() => 400 + 100 * drops++, client.fetch) }, 'chaos');
    tabs.push(broken);
    await open(world).chat.sendMessage({ text: 'count to 40' });
    await expect.poll(() => textOf(broken.chat.messages.at(-1)), { timeout: 10_000 }).toBe(numbers(40));
    expect(drops).toBeGreaterThan(2);
  });
});
