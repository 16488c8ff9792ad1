// A stop concerns what was sent before it, and nothing else, however late its request or theirs reach the server.

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import { createLocks, stubPage } from '../fixtures/browser.fixture.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type Client, type World } from '../fixtures/world.fixture.ts';

let model: ScriptedModel;
let world: World;
let tabs: Tab[];

beforeEach(() => {
  model = scriptedModel();
  tabs = [];
  world = createWorld(memoryChannel(), modelHandler(model));
});
afterEach(async () => {
  for (const tab of tabs) tab.close();
  await world.settled();
  vi.unstubAllGlobals();
});

/** A client whose requests of one method wait until they are let go. */
function holding(method: string) {
  const client = world.client();
  let letGo = () => {};
  const released = new Promise<void>((resolve) => (letGo = resolve));
  const held: string[] = [];
  const { fetch } = client;
  const holdingFetch: typeof fetch = async (input, init) => {
    if ((init?.method ?? 'GET') === method) {
      held.push(method);
      await released;
    }
    return fetch(input, init);
  };
  return { client: { ...client, fetch: holdingFetch } satisfies Client, held, letGo: () => letGo() };
}

function open(client: Client): Tab {
  const tab = openTab(client, 's');
  tabs.push(tab);
  return tab;
}

it('G3: a message that is sent while the stop is on its way is answered', async () => {
  const { client, held, letGo } = holding('DELETE');
  const tab = open(client);
  await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
  void tab.chat.sendMessage({ text: 'count to 100000 at 100/s' });
  await expect.poll(() => textOf(tab.chat.messages.at(-1))).toContain('3');
  const stopped = tab.stop();
  const sent = tab.chat.sendMessage({ text: 'count to 5 at 100/s' });
  await expect.poll(() => held.length).toBe(1);
  expect(tab.session.getSnapshot().unsent).toMatchObject([{ status: 'waiting' }]);
  letGo();
  expect((await stopped).stopped).toHaveLength(1);
  await sent;
  await world.settled();
  const { messages } = await world.chat.session('s').read();
  expect(textOf(messages.at(-1))).toBe('1 2 3 4 5');
});

it('a message that is sent while a stop of an idle chat is on its way is answered', async () => {
  const { client, held, letGo } = holding('DELETE');
  const tab = open(client);
  await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
  await tab.chat.sendMessage({ text: 'count to 1' });
  await world.settled();
  const stopped = tab.stop();
  const sent = tab.chat.sendMessage({ text: 'count to 40 at 100/s' });
  await expect.poll(() => held.length).toBe(1);
  expect(tab.session.getSnapshot().unsent).toMatchObject([{ status: 'waiting' }]);
  letGo();
  await stopped;
  await sent;
  await world.settled();
  const { messages } = await world.chat.session('s').read();
  expect(textOf(messages.at(-1))).toMatch(/40$/);
});

it('a message that is sent after a stop in a chat that has not connected is answered', async () => {
  const { client, letGo } = holding('GET');
  const tab = open(client);
  void tab.chat.sendMessage({ text: 'count to 100000 at 100/s' });
  await expect.poll(() => tab.chat.status).toBe('submitted');
  void tab.stop().catch(() => {});
  const sent = tab.chat.sendMessage({ text: 'count to 5 at 100/s' });
  await expect.poll(() => tab.session.getSnapshot().unsent.at(-1)).toMatchObject({ status: 'waiting' });
  letGo();
  await sent;
  await world.settled();
  const { messages } = await world.chat.session('s').read();
  expect(messages.map(textOf)).toContain('1 2 3 4 5');
});

it('a send that is stopped while its second attempt waits for a connection is not posted, and takes none', async () => {
  const { request } = createLocks();
  let letGo = () => {};
  const answered = new Promise<void>((resolve) => (letGo = resolve));
  let posts = 0;
  let waiting = 0;
  const slowRequest = async (name: string, options: LockOptions, callback: LockGrantedCallback<unknown>) => {
    if (posts > 0 && name.endsWith('slot 3')) {
      waiting++;
      await answered;
    }
    return request(name, options, callback);
  };
  stubPage({ locks: { request: slowRequest as LockManager['request'] } }); // its overloads say no more
  const client = world.client();
  const { fetch } = client;
  const failing: typeof fetch = (input, init) => {
    if (init?.method !== 'POST') return fetch(input, init);
    posts++;
    return Promise.reject(new TypeError('fetch failed'));
  };
  const tab = open({ ...client, fetch: failing });
  await expect.poll(() => tab.session.getSnapshot().connection).toBe('connected');
  const sent = tab.chat.sendMessage({ text: 'count to 5' });
  await expect.poll(() => waiting).toBe(1);
  await tab.stop();
  letGo();
  await sent;
  const isFree = () => request('durable-chat slot 3', { ifAvailable: true }, (lock) => lock !== null);
  await expect.poll(isFree).toBe(true);
  expect(posts).toBe(1);
});
