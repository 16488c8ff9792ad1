// A send that the chat has accepted is posted, whatever happens to the page, its connections and its tabs meanwhile.

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { createLocks, createStorage, stubPage } from '../fixtures/browser.fixture.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type Client, type World } from '../fixtures/world.fixture.ts';

let world: World;
let tabs: Tab[];
let allow: (action: string) => boolean;

beforeEach(() => {
  tabs = [];
  allow = () => true;
  world = createWorld(memoryChannel(), modelHandler(scriptedModel()), {
    authorize: ({ action }) => allow(action),
  });
});
afterEach(async () => {
  for (const tab of tabs) tab.close();
  await world.settled();
  vi.unstubAllGlobals();
});

async function open(client: Client = world.client(), init: Parameters<typeof openTab>[2] = {}): Promise<Tab> {
  const tab = openTab(client, 's', init);
  tabs.push(tab);
  await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
  return tab;
}

/** A client whose POSTs wait until they are let go. */
function holdingPosts() {
  const client = world.client();
  const { fetch } = client;
  let letGo = () => {};
  const released = new Promise<void>((resolve) => (letGo = resolve));
  let held = 0;
  const holding: typeof fetch = async (input, init) => {
    if (init?.method === 'POST') {
      held++;
      await released;
    }
    return fetch(input, init);
  };
  return { client: { ...client, fetch: holding }, held: () => held, letGo: () => letGo() };
}

const logged = async () => (await world.chat.session('s').read()).messages.map(textOf);

it("although a listener of the app throws, and the app gets the listener's error", async () => {
  const tab = await open();
  const reports: unknown[] = [];
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => reports.push(error));
  const off = tab.session.subscribe(() => {
    throw new Error('of the app');
  });
  const sent = [tab.chat.sendMessage({ text: 'count to 1' }), tab.chat.sendMessage({ text: 'count to 2' })];
  await Promise.all(sent);
  off();
  await new Promise((resolve) => setImmediate(resolve));
  process.removeAllListeners('uncaughtException');
  for (const one of others) process.on('uncaughtException', one);
  await world.settled();
  expect(await logged()).toEqual(['count to 1', '1', 'count to 2', '1 2']);
  expect(reports[0]).toMatchObject({ message: 'of the app' });
});

it('although the browser does not answer about a connection for it', async () => {
  const locks = createLocks();
  let isSilent = false;
  stubPage({
    locks: {
      request: ((name: string, ...rest: [LockOptions, LockGrantedCallback<unknown>]) =>
        isSilent && name.includes('slot')
          ? new Promise(() => {})
          : locks.request(name, ...rest)) as LockManager['request'], // its overloads say no more
    },
  });
  const tab = await open();
  await expect.poll(() => tab.session.getSnapshot().connection).toBe('connected');
  isSilent = true;
  await tab.chat.sendMessage({ text: 'count to 1' });
  await tab.chat.sendMessage({ text: 'count to 2' });
  await world.settled();
  expect(await logged()).toEqual(['count to 1', '1', 'count to 2', '1 2']);
});

it("although the leading tab closes before a follower's POST has its response", async () => {
  stubPage({ locks: createLocks() });
  const first = await open();
  await expect.poll(() => first.client.open).toBe(1);
  const { client, held, letGo } = holdingPosts();
  const follower = await open(client);
  await expect.poll(() => follower.session.getSnapshot().connection).toBe('connected');
  const sent = [
    follower.chat.sendMessage({ text: 'count to 40 at 200/s' }),
    follower.chat.sendMessage({ text: 'count to 2' }),
  ];
  await expect.poll(held).toBe(1);
  first.close();
  letGo();
  await Promise.all(sent);
  await world.settled();
  const texts = await logged();
  expect(texts.filter((_, index) => index % 2 === 0)).toEqual(['count to 40 at 200/s', 'count to 2']);
  await expect.poll(() => follower.chat.messages.map(textOf)).toEqual(texts);
});

it('although its chat is left while an earlier send has no response', async () => {
  const { client, held, letGo } = holdingPosts();
  const tab = await open(client);
  void tab.chat.sendMessage({ text: 'count to 1' });
  void tab.chat.sendMessage({ text: 'count to 2' });
  await expect.poll(held).toBe(1);
  tab.close();
  letGo();
  await expect.poll(logged).toEqual(['count to 1', '1', 'count to 2', '1 2']);
});

it('although the subscription is refused while it waits for the network', async () => {
  const tab = await open();
  tab.client.refuse = true;
  tab.client.cut();
  const sent = tab.chat.sendMessage({ text: 'count to 2' });
  await expect.poll(() => tab.session.getSnapshot().unsent).toMatchObject([{ status: 'waiting' }]);
  allow = (action) => action !== 'read';
  tab.client.refuse = false;
  await sent;
  await world.settled();
  expect(await logged()).toEqual(['count to 2', '1 2']);
});

it('although an earlier send is refused, or one run is stopped, while it waits', async () => {
  const { client, held, letGo } = holdingPosts();
  const tab = await open(client);
  void tab.chat.sendMessage({ text: 'count to 1' });
  const sent = tab.chat.sendMessage({ text: 'count to 2' });
  await expect.poll(held).toBe(1);
  await tab.session.stop({ runId: 'unknown' }).catch(() => {});
  let isFirst = true;
  allow = (action) => action !== 'send' || !isFirst || (isFirst = false);
  letGo();
  await sent;
  await world.settled();
  expect(await logged()).toEqual(['count to 2', '1 2']);
});

it('although the page is reloaded before the browser has a connection for its subscription', async () => {
  const outbox = createStorage();
  const before = await open(world.client(), { outbox });
  before.client.refuse = true;
  before.client.cut();
  void before.chat.sendMessage({ text: 'count to 2' });
  await expect.poll(() => outbox.entries.size).toBe(1);
  const left = createStorage(outbox.entries);
  before.close();
  const client = world.client();
  const { fetch } = client;
  const waiting: typeof fetch = (input, init) =>
    init?.method === 'POST' ? fetch(input, init) : new Promise(() => {});
  const after = openTab({ ...client, fetch: waiting }, 's', { outbox: left });
  tabs.push(after);
  await expect.poll(logged, { timeout: 15_000 }).toEqual(['count to 2', '1 2']);
});

/** A client whose requests with such a method wait until `connect` is called. */
function waitingClient(waits: (method: string | undefined) => boolean): {
  client: Client;
  connect: () => void;
} {
  const client = world.client();
  let connect = () => {};
  const connected = new Promise<void>((resolve) => (connect = resolve));
  const waiting: typeof fetch = async (input, init) => {
    if (waits(init?.method)) await connected;
    return client.fetch(input, init);
  };
  return { client: { ...client, fetch: waiting }, connect: () => connect() };
}

it.each(['after it connects', 'although it never connects'])(
  'G5: a send of a new page is posted behind those of the page before, %s',
  async (when) => {
    const outbox = createStorage();
    const before = await open(world.client(), { outbox });
    await before.chat.sendMessage({ text: 'count to 1' });
    before.client.refuse = true;
    before.client.cut();
    void before.chat.sendMessage({ text: 'count to 2' });
    void before.chat.sendMessage({ text: 'count to 3' });
    await expect.poll(() => [...outbox.entries.values()].join()).toContain('count to 3');
    const left = createStorage(outbox.entries);
    before.close();
    const { client, connect } = waitingClient((method) => method !== 'POST');
    const after = openTab(client, 's', { outbox: left });
    tabs.push(after);
    await Promise.resolve();
    void after.chat.sendMessage({ text: 'count to 4' });
    await expect.poll(() => after.session.getSnapshot().unsent).toMatchObject([{ status: 'waiting' }]);
    expect(after.chat.messages.map(textOf)).toEqual(['count to 4']);
    if (when === 'after it connects') connect();
    const asked = async () => (await logged()).filter((text) => text.startsWith('count'));
    const all = [1, 2, 3, 4].map((count) => `count to ${count}`);
    await expect.poll(asked, { timeout: 15_000 }).toEqual(all);
    connect();
    await world.settled();
    const texts = await logged();
    await expect.poll(() => after.chat.messages.map(textOf)).toEqual(texts);
    expect(left.entries.size).toBe(0);
  },
);

it('G5: a send that is stopped while it waits for the page before is not posted', async () => {
  const outbox = createStorage();
  const before = await open(world.client(), { outbox });
  before.client.refuse = true;
  before.client.cut();
  void before.chat.sendMessage({ text: 'count to 1' });
  await expect.poll(() => outbox.entries.size).toBe(1);
  const left = createStorage(outbox.entries);
  before.close();
  const { client, connect } = waitingClient(() => true);
  const after = openTab(client, 's', { outbox: left });
  tabs.push(after);
  const sent = after.chat.sendMessage({ text: 'count to 2' });
  await expect.poll(() => after.session.getSnapshot().unsent).toMatchObject([{ status: 'waiting' }]);
  void after.chat.stop();
  await sent;
  connect();
  await expect.poll(() => after.session.getSnapshot().state).toBeDefined();
  await expect.poll(() => left.entries.size).toBe(0);
  await world.settled();
  expect(await logged()).not.toContain('count to 2');
});
