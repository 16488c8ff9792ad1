// Changes that an app makes with `setMessages` travel with the next send. A list that was loaded elsewhere does not.

import type { UIMessage } from 'ai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import { createStorage } from '../fixtures/browser.fixture.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type World } from '../fixtures/world.fixture.ts';

let model: ScriptedModel;
let world: World;
let tabs: Tab[];
let maySend: boolean;

beforeEach(() => {
  model = scriptedModel();
  maySend = true;
  world = createWorld(memoryChannel(), modelHandler(model), {
    authorize: ({ action }) => action !== 'send' || maySend,
  });
  tabs = [];
});
afterEach(async () => {
  for (const tab of tabs) tab.close();
  await world.settled();
});

function open(id: string, init: Parameters<typeof openTab>[2] = {}): Tab {
  const tab = openTab(world.client(), id, init);
  tabs.push(tab);
  return tab;
}

const logged = async (id: string) => (await world.chat.session(id).read()).messages;
const prompt = () => JSON.stringify(model.calls.at(-1)?.prompt);

/** A chat of two user messages and their answers. */
async function talked(id = 's', init: Parameters<typeof openTab>[2] = {}): Promise<Tab> {
  const tab = open(id, init);
  await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
  await tab.chat.sendMessage({ text: 'count to 1' });
  await tab.chat.sendMessage({ text: 'count to 2' });
  await world.settled();
  await expect.poll(async () => tab.chat.messages.length === (await logged(id)).length).toBe(true);
  await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(['count to 1', '1', 'count to 2', '1 2']);
  return tab;
}

it('after setMessages([]), the model gets nothing of the old conversation', async () => {
  const tab = await talked();
  tab.chat.messages = [];
  await tab.chat.sendMessage({ text: 'count to 3' });
  await world.settled();
  expect((await logged('s')).map(textOf)).toEqual(['count to 3', '1 2 3']);
  expect(prompt()).not.toContain('count to 1');
  await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(['count to 3', '1 2 3']);
});

it('setMessages(slice) and sendMessage() remove the other messages for all viewers', async () => {
  const tab = await talked();
  const other = open('s');
  await expect.poll(() => other.chat.messages.length).toBe(4);
  tab.chat.messages = tab.chat.messages.slice(0, 2);
  await tab.chat.sendMessage({ text: 'count to 3' });
  await world.settled();
  const texts = ['count to 1', '1', 'count to 3', '1 2 3'];
  expect((await logged('s')).map(textOf)).toEqual(texts);
  for (const { chat } of [tab, other]) await expect.poll(() => chat.messages.map(textOf)).toEqual(texts);
});

it('setMessages(edited) and regenerate() is an edit', async () => {
  const tab = await talked();
  const { messages } = tab.chat;
  const edited: UIMessage = { ...messages[2]!, parts: [{ type: 'text', text: 'count to 4' }] };
  tab.chat.messages = [...messages.slice(0, 2), edited];
  await tab.chat.regenerate();
  await world.settled();
  const texts = ['count to 1', '1', 'count to 4', '1 2 3 4'];
  expect((await logged('s')).map(textOf)).toEqual(texts);
  await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(texts);
});

it('setMessages([edited]) of the first message is an edit as any other', async () => {
  const tab = await talked();
  const edited: UIMessage = { ...tab.chat.messages[0]!, parts: [{ type: 'text', text: 'count to 4' }] };
  tab.chat.messages = [edited];
  await tab.chat.sendMessage({ text: 'count to 3' });
  await world.settled();
  const texts = ['count to 4', 'count to 3', '1 2 3'];
  expect((await logged('s')).map(textOf)).toEqual(texts);
  await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(texts);
});

it('a list with only a greeting of the app clears the conversation', async () => {
  const tab = await talked();
  tab.chat.messages = [{ id: 'greeting', role: 'assistant', parts: [{ type: 'text', text: 'Hello' }] }];
  await tab.chat.sendMessage({ text: 'count to 3' });
  await world.settled();
  expect((await logged('s')).map(textOf)).toEqual(['count to 3', '1 2 3']);
  expect(prompt()).not.toContain('count to 1');
});

it('a list of another chat removes nothing', async () => {
  const tab = await talked();
  const next = await talked('next');
  tab.chat.messages = [...next.chat.messages];
  await tab.chat.sendMessage({ text: 'count to 3' });
  await world.settled();
  expect((await logged('s')).length).toBe(6);
  expect((await logged('next')).length).toBe(4);
});

describe('after a refused send', () => {
  /** A tab with a change that was refused with its send. */
  async function refused(set: (messages: UIMessage[]) => UIMessage[], init?: Parameters<typeof openTab>[2]) {
    const tab = await talked('s', init);
    tab.chat.messages = set(tab.chat.messages);
    maySend = false;
    await tab.chat.sendMessage({ text: 'count to 3' });
    await expect.poll(() => tab.session.getSnapshot().unsent).toMatchObject([{ status: 'refused' }]);
    maySend = true;
    return tab;
  }
  const afterOf = async ({ chat }: Tab, texts: string[]) => {
    await world.settled();
    expect((await logged('s')).map(textOf)).toEqual(texts);
    await expect.poll(() => chat.messages.map(textOf)).toEqual(texts);
  };

  it('the list stays as it was set, and the retry takes the change to the session', async () => {
    const tab = await refused(() => []);
    expect(tab.chat.messages.map(textOf)).toEqual(['count to 3']);
    await tab.chat.regenerate();
    await afterOf(tab, ['count to 3', '1 2 3']);
    expect(prompt()).not.toContain('count to 1');
  });

  it('another message takes it as well', async () => {
    const tab = await refused((messages) => messages.slice(0, 2));
    await tab.session.deleteMessage(tab.chat.messages.at(-1)!.id);
    expect(tab.chat.messages.map(textOf)).toEqual(['count to 1', '1']);
    await tab.chat.sendMessage({ text: 'count to 4' });
    await afterOf(tab, ['count to 1', '1', 'count to 4', '1 2 3 4']);
  });

  it('a removal that follows does not undo it', async () => {
    const tab = await refused((messages) => messages.filter((_, index) => index !== 1));
    tab.chat.messages = tab.chat.messages.slice(1);
    await tab.chat.regenerate();
    await afterOf(tab, ['count to 2', '1 2', 'count to 3', '1 2 3']);
  });

  it('a refused regeneration keeps its edit', async () => {
    const tab = await talked();
    const [first, second, third] = tab.chat.messages;
    const edited: UIMessage = { ...third!, parts: [{ type: 'text', text: 'count to 4' }] };
    tab.chat.messages = [first!, second!, edited];
    maySend = false;
    await tab.chat.regenerate();
    await expect.poll(() => tab.session.getSnapshot().state?.order.length).toBe(4);
    maySend = true;
    await tab.chat.regenerate();
    await afterOf(tab, ['count to 1', '1', 'count to 4', '1 2 3 4']);
  });

  it.each([
    ['the retry of the next page takes it', false],
    ['a later send has taken it, and the next page does not make it again', true],
  ])('%s', async (_, isTaken) => {
    const outbox = createStorage();
    const tab = await refused(([first, second]) => [first!, second!], { outbox });
    if (isTaken) {
      await tab.chat.sendMessage({ text: 'count to 5' });
      await world.settled();
    }
    const left = createStorage(outbox.entries);
    tab.close();
    expect([...left.entries.values()].join('').includes('removed')).toBe(!isTaken);
    const after = open('s', { outbox: left });
    await expect.poll(() => after.session.getSnapshot().unsent).toMatchObject([{ status: 'refused' }]);
    const { messageId } = after.session.getSnapshot().unsent[0]!;
    await after.chat.regenerate({ messageId });
    const before = ['count to 1', '1', ...(isTaken ? ['count to 5', '1 2 3 4 5'] : [])];
    await afterOf(after, [...before, 'count to 3', '1 2 3']);
  });
});

it('a removal in the middle removes only that message, and the list stays as it was set until the send', async () => {
  const tab = await talked();
  tab.chat.messages = tab.chat.messages.filter((_, index) => index !== 1);
  const other = open('s');
  await expect.poll(() => other.chat.messages.length).toBe(4);
  await other.chat.sendMessage({ text: 'count to 3' });
  await world.settled();
  await expect
    .poll(() => tab.chat.messages.map(textOf))
    .toEqual(['count to 1', 'count to 2', '1 2', 'count to 3', '1 2 3']);
  await tab.chat.sendMessage({ text: 'count to 4' });
  await world.settled();
  expect((await logged('s')).map(textOf)).toEqual([
    'count to 1',
    'count to 2',
    '1 2',
    'count to 3',
    '1 2 3',
    'count to 4',
    '1 2 3 4',
  ]);
});

it('an older list from a database removes nothing', async () => {
  const tab = await talked();
  const loaded = structuredClone(tab.chat.messages.slice(0, 2));
  tab.chat.messages = loaded;
  await tab.chat.sendMessage({ text: 'count to 3' });
  await world.settled();
  expect((await logged('s')).map(textOf)).toEqual([
    'count to 1',
    '1',
    'count to 2',
    '1 2',
    'count to 3',
    '1 2 3',
  ]);
});

it('setMessages([]) on a chat switch removes nothing, neither in the old chat nor in the next one', async () => {
  const tab = await talked();
  const next = await talked('next');
  tab.close();
  next.close();
  // The effect of a component that shows another chat: before its first snapshot.
  tab.chat.messages = [];
  const back = open('s');
  back.chat.messages = [];
  await expect.poll(() => back.session.getSnapshot().state).toBeDefined();
  await back.chat.sendMessage({ text: 'count to 3' });
  await world.settled();
  expect((await logged('s')).length).toBe(6);
  expect((await logged('next')).length).toBe(4);
});

it('a second removal also removes what came after the first one', async () => {
  const tab = await talked();
  const other = open('s');
  await expect.poll(() => other.chat.messages.length).toBe(4);
  tab.chat.messages = tab.chat.messages.slice(1);
  await other.chat.sendMessage({ text: 'count to 6' });
  await world.settled();
  await expect.poll(() => textOf(tab.chat.messages.at(-1))).toBe('1 2 3 4 5 6');
  await expect.poll(() => tab.session.getSnapshot().runs).toEqual([]);
  tab.chat.messages = tab.chat.messages.slice(0, 3);
  await tab.chat.sendMessage({ text: 'count to 3' });
  await world.settled();
  expect((await logged('s')).map(textOf)).toEqual(['1', 'count to 2', '1 2', 'count to 3', '1 2 3']);
});

it('an edit that is undone while a removal waits changes nothing', async () => {
  const tab = await talked();
  tab.chat.messages = tab.chat.messages.filter((_, index) => index !== 1);
  const trimmed = tab.chat.messages;
  const edited: UIMessage = { ...trimmed[1]!, parts: [{ type: 'text', text: 'count to 9' }] };
  tab.chat.messages = trimmed.with(1, edited);
  tab.chat.messages = trimmed;
  await tab.chat.sendMessage({ text: 'count to 3' });
  await world.settled();
  expect((await logged('s')).map(textOf)).toEqual(['count to 1', 'count to 2', '1 2', 'count to 3', '1 2 3']);
});

describe('after a reload', () => {
  /** Makes a send without a network, and opens the next page after `meanwhile`. */
  async function reloaded(make: (tab: Tab) => void, meanwhile = async () => {}): Promise<Tab> {
    const outbox = createStorage();
    const tab = await talked('s', { outbox });
    tab.client.refuse = true;
    tab.client.cut();
    make(tab);
    await expect.poll(() => outbox.entries.size).toBe(1);
    const left = createStorage(outbox.entries);
    tab.close();
    await meanwhile();
    const after = open('s', { outbox: left });
    await expect.poll(() => left.entries.size).toBe(0);
    await world.settled();
    return after;
  }
  const shows = async ({ chat }: Tab, texts: string[]) => {
    expect((await logged('s')).map(textOf)).toEqual(texts);
    await expect.poll(() => chat.messages.map(textOf)).toEqual(texts);
  };

  it('a waiting send still removes the messages', async () => {
    const tab = await reloaded(({ chat }) => {
      chat.messages = [];
      void chat.sendMessage({ text: 'count to 3' });
      void chat.sendMessage({ text: 'count to 4' });
    });
    await shows(tab, ['count to 3', '1 2 3', 'count to 4', '1 2 3 4']);
  });

  it('a waiting regeneration still edits its question', async () => {
    const tab = await reloaded(({ chat }) => {
      const [first, second, third] = chat.messages;
      const edited: UIMessage = { ...third!, parts: [{ type: 'text', text: 'count to 4' }] };
      chat.messages = [first!, second!, edited];
      void chat.regenerate();
    });
    await shows(tab, ['count to 1', '1', 'count to 4', '1 2 3 4']);
  });

  it('a waiting regeneration is of its own question, also if the session has grown', async () => {
    await reloaded(
      ({ chat }) => void chat.regenerate(),
      async () => {
        const other = open('s');
        await expect.poll(() => other.chat.messages.length).toBe(4);
        await other.chat.sendMessage({ text: 'count to 6' });
        await world.settled();
      },
    );
    const asked = model.calls.at(-1)?.prompt.filter(({ role }) => role === 'user') ?? [];
    expect(JSON.stringify(asked.at(-1))).toContain('count to 2');
  });
});
