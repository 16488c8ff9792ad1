// A server that refuses requests for a while, or does not answer: the refused sends, and everything after them.

import type { UIMessage } from 'ai';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { createStorage } from '../fixtures/browser.fixture.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type World } from '../fixtures/world.fixture.ts';

let world: World;
let tabs: Tab[];
let allow: (action: string) => boolean | Response;
const rejections: unknown[] = [];
const onRejection = (reason: unknown) => void rejections.push(reason);

beforeEach(() => {
  allow = () => true;
  tabs = [];
  world = createWorld(memoryChannel(), modelHandler(scriptedModel()), {
    authorize: ({ action }) => allow(action),
  });
  process.on('unhandledRejection', onRejection);
});
afterEach(async () => {
  allow = () => true;
  for (const tab of tabs) tab.close();
  // Some tests never have a session.
  await world.chat
    .session('s')
    .stop()
    .catch(() => {});
  await world.settled();
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', onRejection);
  expect(rejections.splice(0)).toEqual([]);
});

async function open(init: Parameters<typeof openTab>[2] = {}): Promise<Tab> {
  const tab = openTab(world.client(), 's', init);
  tabs.push(tab);
  await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
  return tab;
}
const connectionOf = ({ session }: Tab) => session.getSnapshot().connection;
const logged = async () => (await world.chat.session('s').read()).messages;
const slowDown = (action: string) => action !== 'send' || new Response('Slow down.', { status: 429 });

/** What the chat shows, without the messages that were refused. */
const shown = ({ chat, session }: Tab) => {
  const refused = session.getSnapshot().unsent.map(({ messageId }) => messageId);
  return chat.messages.filter(({ id }) => !refused.includes(id));
};

it('G4: a message that was refused stays in its place, marked, until it is removed', async () => {
  const tab = await open();
  await tab.chat.sendMessage({ text: 'count to 2' });
  allow = slowDown;
  await tab.chat.sendMessage({ text: 'count to 3' });
  expect(tab.chat.status).toBe('error');
  expect(tab.chat.messages.map(textOf)).toEqual(['count to 2', '1 2', 'count to 3']);
  const { id } = tab.chat.messages[2]!;
  await expect
    .poll(() => tab.session.getSnapshot().unsent)
    .toMatchObject([{ messageId: id, status: 'refused', error: { message: 'Slow down.' } }]);
  allow = () => true;
  await tab.chat.sendMessage({ text: 'count to 4' });
  await world.settled();
  await expect.poll(() => shown(tab)).toEqual(await logged());
  expect(tab.chat.messages.map(textOf)).toEqual(['count to 2', '1 2', 'count to 3', 'count to 4', '1 2 3 4']);
  await tab.chat.regenerate();
  await world.settled();
  expect((await logged()).map(textOf)).toEqual(['count to 2', '1 2', 'count to 4', '1 2 3 4']);
  await tab.session.deleteMessage(id);
  expect(tab.session.getSnapshot().unsent).toEqual([]);
  await expect.poll(() => tab.chat.messages).toEqual(await logged());
});

it('G4: a message that was refused, and that later ones follow, can be sent again', async () => {
  const tab = await open();
  await tab.chat.sendMessage({ text: 'count to 2' });
  allow = slowDown;
  await tab.chat.sendMessage({ text: 'count to 3' });
  allow = () => true;
  await tab.chat.sendMessage({ text: 'count to 4' });
  await tab.chat.regenerate({ messageId: tab.chat.messages[2]!.id });
  await world.settled();
  const texts = ['count to 2', '1 2', 'count to 4', '1 2 3 4', 'count to 3', '1 2 3'];
  expect((await logged()).map(textOf)).toEqual(texts);
  await expect.poll(() => tab.chat.messages).toEqual(await logged());
  expect(tab.session.getSnapshot().unsent).toEqual([]);
});

it('G4: an edit that was refused keeps its text, and hides nothing that the session has', async () => {
  const tab = await open();
  await tab.chat.sendMessage({ text: 'count to 2' });
  await world.settled();
  await expect.poll(() => tab.chat.messages).toEqual(await logged());
  allow = slowDown;
  const { id } = tab.chat.messages[0]!;
  await tab.chat.sendMessage({ text: 'count to 3', messageId: id });
  await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(['count to 3', '1 2']);
  expect(tab.session.getSnapshot().unsent).toMatchObject([{ messageId: id, status: 'refused' }]);
  await tab.session.deleteMessage(id);
  await expect.poll(() => tab.chat.messages).toEqual(await logged());
  expect((await logged()).map(textOf)).toEqual(['count to 2', '1 2']);
});

it('G4: what was refused is shown again, marked, after a reload', async () => {
  const storage = createStorage();
  const tab = await open({ outbox: storage });
  await tab.chat.sendMessage({ text: 'count to 2' });
  allow = slowDown;
  await tab.chat.sendMessage({ text: 'count to 3' });
  await expect.poll(() => storage.entries.size).toBe(1);
  tab.close();
  allow = () => true;
  const reloaded = await open({ outbox: storage });
  await expect.poll(() => reloaded.chat.messages.map(textOf)).toEqual(['count to 2', '1 2', 'count to 3']);
  const messageId = reloaded.chat.messages[2]!.id;
  expect(reloaded.session.getSnapshot().unsent).toMatchObject([{ messageId, status: 'refused' }]);
  await reloaded.chat.regenerate();
  await world.settled();
  expect((await logged()).map(textOf)).toEqual(['count to 2', '1 2', 'count to 3', '1 2 3']);
  await expect.poll(() => storage.entries.size).toBe(0);
});

it.each([
  ['that has no outbox', { outbox: false }, false],
  ['that has not connected yet', {}, true],
] as const)('G4: a refused message stays too in a chat %s', async (_, init, isEarly) => {
  const client = world.client();
  let connect = () => {};
  const connected = new Promise<void>((resolve) => (connect = resolve));
  const tab = openTab(
    {
      ...client,
      fetch: async (input, request) => {
        if (request?.method !== 'POST') await connected;
        return client.fetch(input, request);
      },
    },
    's',
    init,
  );
  tabs.push(tab);
  if (!isEarly) {
    connect();
    await expect.poll(() => connectionOf(tab)).toBe('connected');
  }
  allow = slowDown;
  await tab.chat.sendMessage({ text: 'count to 3' });
  expect(tab.chat.messages.map(textOf)).toEqual(['count to 3']);
  connect();
  await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
  allow = () => true;
  await tab.chat.sendMessage({ text: 'count to 4' });
  await world.settled();
  expect((await logged()).map(textOf)).toEqual(['count to 4', '1 2 3 4']);
  await expect.poll(() => shown(tab)).toEqual(await logged());
  expect(tab.chat.messages.map(textOf)).toEqual(['count to 3', 'count to 4', '1 2 3 4']);
});

it.each([
  ['of the SDK', undefined],
  ['{ id, message }', (id: string, last: UIMessage) => ({ id, message: last })],
  ['{ id, messages: [message] }', (id: string, last: UIMessage) => ({ id, messages: [last] })],
])('a refused message can be sent again, with a body %s', async (_, bodyOf) => {
  const tab = await open(
    bodyOf && {
      prepareSendMessagesRequest: ({ id, messages }) => ({ body: bodyOf(id, messages.at(-1)!) }),
    },
  );
  await tab.chat.sendMessage({ text: 'count to 2' });
  allow = slowDown;
  await tab.chat.sendMessage({ text: 'count to 3' });
  allow = () => true;
  await tab.chat.regenerate();
  await world.settled();
  expect((await logged()).map(textOf)).toEqual(['count to 2', '1 2', 'count to 3', '1 2 3']);
});

it('G3: Stop reaches the server from a tab whose subscription was refused', async () => {
  const tab = await open();
  void tab.chat.sendMessage({ text: 'count to 100000' });
  await expect.poll(() => tab.chat.status).toBe('streaming');
  allow = (action) => action !== 'read';
  tab.client.cut();
  await expect.poll(() => connectionOf(tab)).toBe('closed');
  allow = () => true;
  expect((await tab.stop()).stopped.length).toBe(1);
});

it('after a refused subscription, the next accepted send connects again', async () => {
  const tab = await open();
  allow = () => false;
  tab.client.cut();
  await expect.poll(() => connectionOf(tab)).toBe('closed');
  allow = () => true;
  await tab.chat.sendMessage({ text: 'count to 2' });
  await expect.poll(() => connectionOf(tab)).toBe('connected');
  const other = await open();
  await other.chat.sendMessage({ text: 'count to 3' });
  await world.settled();
  await expect.poll(() => tab.chat.messages.map(textOf)).toEqual((await logged()).map(textOf));
});

it('one HTML page instead of the stream does not end the subscription', async () => {
  const tab = await open();
  const { client } = tab;
  const { fetch } = client;
  let pages = 1;
  Object.assign(client, {
    fetch: ((input, init) =>
      (init?.method ?? 'GET') === 'GET' && pages-- > 0
        ? Promise.resolve(new Response('<html>', { headers: { 'content-type': 'text/html' } }))
        : fetch(input, init)) satisfies typeof fetch,
  });
  const { length } = client.requests;
  client.cut();
  await expect.poll(() => client.requests.length).toBeGreaterThan(length);
  await expect.poll(() => connectionOf(tab)).toBe('connected');
});

it('a failed Stop that is not awaited is an error of the chat, and no unhandled rejection', async () => {
  const errors: string[] = [];
  const tab = await open({ onError: ({ message }) => void errors.push(message) });
  tab.client.refuse = true;
  void tab.stop();
  await expect
    .poll(() => errors)
    .toEqual(['The server could not be reached. Check the connection, then try again.']);
  await expect(tab.stop()).rejects.toMatchObject({ code: 'network' });
  tab.client.refuse = false;
});

it('Stop does not wait forever for a send that hangs', async () => {
  const tab = await open();
  const { client } = tab;
  const { fetch } = client;
  Object.assign(client, {
    fetch: ((input, init) =>
      init?.method === 'POST' ? new Promise(() => {}) : fetch(input, init)) satisfies typeof fetch,
  });
  const sent = tab.chat.sendMessage({ text: 'count to 1' });
  await expect.poll(() => tab.chat.status).toBe('submitted');
  await tab.stop().catch(() => {});
  await sent;
  expect(tab.chat.status).not.toBe('submitted');
});

it('regenerate() after a refused send sends it again, also if another viewer has written since', async () => {
  const [tab, other] = [await open(), await open()];
  await tab.chat.sendMessage({ text: 'count to 2' });
  allow = slowDown;
  await tab.chat.sendMessage({ text: 'count to 3' });
  allow = () => true;
  await other.chat.sendMessage({ text: 'count to 4' });
  await world.settled();
  const shownTexts = ['count to 2', '1 2', 'count to 3', 'count to 4', '1 2 3 4'];
  await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(shownTexts);
  expect(tab.chat.status).toBe('error');
  await tab.chat.regenerate();
  await world.settled();
  const texts = ['count to 2', '1 2', 'count to 4', '1 2 3 4', 'count to 3', '1 2 3'];
  expect((await logged()).map(textOf)).toEqual(texts);
  await expect.poll(() => tab.chat.messages).toEqual(await logged());
  // The chat has no error now, so it is the last answer that is regenerated.
  await tab.chat.regenerate();
  await world.settled();
  expect((await logged()).map(textOf)).toEqual(texts);
  expect(tab.session.getSnapshot().unsent).toEqual([]);
});
