import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import { openTab, textOf } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type World } from '../fixtures/world.fixture.ts';

const count = (n: number) => Array.from({ length: n }, (_, index) => String(index + 1)).join(' ');

describe('client on memory', () => {
  let model: ScriptedModel;
  let world: World;
  const tabs: { close(): void }[] = [];
  const tab = (id: string) => {
    const opened = openTab(world.client(), id);
    tabs.push(opened);
    return opened;
  };
  beforeEach(() => {
    model = scriptedModel();
    world = createWorld(memoryChannel(), modelHandler(model));
  });
  afterEach(async () => {
    for (const opened of tabs.splice(0)) opened.close();
    await world.settled();
  });

  it('answers, and a second tab shows the answer live and ends equal (G4)', async () => {
    const a = tab('s');
    const b = tab('s');
    await expect.poll(() => b.session.getSnapshot().state).toBeDefined();
    const sent = a.chat.sendMessage({ text: 'count to 300 at 200/s' });
    await expect.poll(() => textOf(b.chat.messages.at(-1))).toContain('5');
    expect(b.chat.status).toBe('streaming');
    await sent;
    await world.settled();
    await expect.poll(() => textOf(b.chat.messages.at(-1))).toBe(count(300));
    await expect.poll(() => [a.chat.status, b.chat.status]).toEqual(['ready', 'ready']);
    await expect.poll(() => a.chat.messages).toEqual(b.chat.messages);
    const { messages } = await world.chat.session('s').read();
    expect(a.chat.messages).toEqual(messages);
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant']);
  });

  it('G1: continues when the POST and the subscription break', async () => {
    const a = tab('s');
    const sent = a.chat.sendMessage({ text: 'count to 100 at 200/s' });
    await expect.poll(() => textOf(a.chat.messages.at(-1))).toContain('10');
    a.client.cut();
    await sent;
    expect(textOf(a.chat.messages.at(-1))).toBe(count(100));
    expect(model.calls.length).toBe(1);
  });

  it('G3: stop from another tab keeps the partial answer', async () => {
    const a = tab('s');
    const b = tab('s');
    const sent = a.chat.sendMessage({ text: 'count to 1000 at 100/s' });
    await expect.poll(() => textOf(b.chat.messages.at(-1))).toContain('5');
    const receipt = await b.stop();
    await sent;
    expect(receipt.stopped.length).toBe(1);
    expect(model.calls[0]!.aborted).toBe(true);
    await expect.poll(() => [a.chat.status, b.chat.status]).toEqual(['ready', 'ready']);
    await expect.poll(() => a.chat.messages).toEqual(b.chat.messages);
    expect(textOf(a.chat.messages.at(-1))).toMatch(/^1 2 3 4 5/);
  });

  it('G2: a tab that closes and opens again finds the run still active', async () => {
    const a = tab('s');
    void a.chat.sendMessage({ text: 'count to 60 at 100/s' });
    await expect.poll(() => textOf(a.chat.messages.at(-1))).toContain('5');
    a.close();
    const b = tab('s');
    await expect.poll(() => textOf(b.chat.messages.at(-1))).toContain('10');
    expect(b.chat.status).toBe('streaming');
    await expect.poll(() => b.chat.status).toBe('ready');
    expect(textOf(b.chat.messages.at(-1))).toBe(count(60));
    expect(model.calls[0]!.aborted).toBe(false);
  });

  it('G2: sends without a response end in a tab that closes, and their runs go on', async () => {
    const client = world.client();
    let letGo = () => {};
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const a = openTab(
      {
        ...client,
        async fetch(input, init) {
          const response = await client.fetch(input, init);
          if (init?.method === 'POST') await held;
          return response;
        },
      },
      's',
    );
    tabs.push(a);
    await expect.poll(() => a.session.getSnapshot().state).toBeDefined();
    // The SDK's chat aborts only the newer one.
    const sent = [a.chat.sendMessage({ text: 'count to 3' }), a.chat.sendMessage({ text: 'count to 2' })];
    await expect.poll(() => client.requests.some(({ method }) => method === 'POST')).toBe(true);
    a.close();
    letGo();
    await Promise.all(sent);
    await world.settled();
    const { messages } = await world.chat.session('s').read();
    expect(messages.map(textOf)).toEqual(['count to 3', '1 2 3', 'count to 2', '1 2']);
  });

  it('two tabs that send at once get answers one after the other, and both show both', async () => {
    const a = tab('s');
    const b = tab('s');
    await Promise.all([
      a.chat.sendMessage({ text: 'count to 20 at 200/s' }),
      b.chat.sendMessage({ text: 'count to 21 at 200/s' }),
    ]);
    await world.settled();
    await expect.poll(() => a.chat.messages.length).toBe(4);
    const { messages } = await world.chat.session('s').read();
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
    await expect.poll(() => a.chat.messages).toEqual(messages);
    await expect.poll(() => b.chat.messages).toEqual(messages);
    await expect.poll(() => [a.chat.status, b.chat.status]).toEqual(['ready', 'ready']);
    expect(
      a.chat.messages
        .filter(({ role }) => role === 'assistant')
        .map(textOf)
        .sort(),
    ).toEqual([count(20), count(21)]);
  });

  it('regenerates', async () => {
    const a = tab('s');
    const b = tab('s');
    await a.chat.sendMessage({ text: 'count to 3' });
    await world.settled();
    await expect.poll(() => b.chat.messages.length).toBe(2);
    const before = a.chat.messages[1]!.id;
    await b.chat.regenerate();
    await world.settled();
    await expect.poll(() => a.chat.messages).toEqual(b.chat.messages);
    expect(a.chat.messages.length).toBe(2);
    expect(a.chat.messages[1]!.id).not.toBe(before);
    await b.chat.regenerate();
    await world.settled();
    expect(model.calls.length).toBe(3);
  });
});
