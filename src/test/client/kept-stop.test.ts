// A stop is kept like a send: it waits for the network, goes out first, and its failure is reported.

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import { createStorage, stubPage } from '../fixtures/browser.fixture.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type Client, type World } from '../fixtures/world.fixture.ts';

let model: ScriptedModel;
let world: World;
let tabs: Tab[];
let mayStop: boolean;

beforeEach(() => {
  model = scriptedModel();
  mayStop = true;
  tabs = [];
  world = createWorld(memoryChannel(), modelHandler(model), {
    authorize: ({ action }) => action !== 'stop' || mayStop,
  });
});
afterEach(async () => {
  vi.unstubAllGlobals();
  for (const tab of tabs) tab.close();
  await world.chat.session('s').stop();
  await world.settled();
});

async function open(client: Client = world.client(), init: Parameters<typeof openTab>[2] = {}): Promise<Tab> {
  const tab = openTab(client, 's', init);
  tabs.push(tab);
  await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
  return tab;
}

/** A tab that reads a long answer. */
async function reading(init: Parameters<typeof openTab>[2] = {}): Promise<Tab> {
  const tab = await open(world.client(), init);
  void tab.chat.sendMessage({ text: 'count to 100000 at 100/s' });
  await expect.poll(() => textOf(tab.chat.messages.at(-1))).toContain('3');
  return tab;
}

const statuses = ({ session }: Tab) => session.getSnapshot().runs.map(({ status }) => status);
const methods = ({ client }: Tab) => client.requests.map(({ method }) => method);

it('G3: waits while there is no network, is shown, and is delivered before a later send when it is back', async () => {
  const page = stubPage();
  const tab = await reading();
  tab.client.refuse = true;
  page.goOffline();
  tab.client.cut();
  const stopped = tab.stop();
  await expect.poll(() => statuses(tab)).toEqual(['stopping']);
  await expect.poll(() => tab.chat.status).toBe('ready');
  const sent = tab.chat.sendMessage({ text: 'count to 2' });
  await expect.poll(() => tab.session.getSnapshot().unsent).toMatchObject([{ status: 'waiting' }]);
  const { length } = tab.client.requests;
  tab.client.refuse = false;
  page.goOnline();
  expect((await stopped).stopped).toHaveLength(1);
  await sent;
  const changes = methods(tab)
    .slice(length)
    .filter((method) => method !== 'GET');
  expect(changes).toEqual(['DELETE', 'POST']);
  await world.settled();
  expect(model.calls.map(({ aborted }) => aborted)).toEqual([true, false]);
});

it('G3: is delivered by the next page', async () => {
  const storage = createStorage();
  const before = await reading({ outbox: storage });
  before.client.refuse = true;
  before.client.cut();
  void before.stop();
  await expect.poll(() => storage.entries.size).toBe(1);
  const left = createStorage(storage.entries);
  before.close();
  const after = await open(world.client(), { outbox: left });
  await expect.poll(() => statuses(after)).toEqual([]);
  await world.settled();
  expect(model.calls.map(({ aborted }) => aborted)).toEqual([true]);
  expect(methods(after)).toContain('DELETE');
  await expect.poll(() => left.entries.size).toBe(0);
});

it('G3: is made again while a proxy answers 502', async () => {
  const tab = await reading();
  const { fetch } = tab.client;
  let failures = 0;
  const proxied: typeof fetch = (input, init) =>
    init?.method === 'DELETE' && failures++ < 3
      ? Promise.resolve(new Response('<html>Bad Gateway</html>', { status: 502 }))
      : fetch(input, init);
  Object.assign(tab.client, { fetch: proxied });
  const stopped = tab.stop();
  await expect.poll(() => statuses(tab)).toEqual(['stopping']);
  expect((await stopped).stopped).toHaveLength(1);
  expect(failures).toBe(4);
});

it('is reported when the server refuses it after all, and shows as running again', async () => {
  const errors: Error[] = [];
  const tab = await reading({ onError: (error) => void errors.push(error) });
  tab.client.refuse = true;
  tab.client.cut();
  const stopped = tab.stop();
  stopped.catch(() => {});
  await expect.poll(() => statuses(tab)).toEqual(['stopping']);
  mayStop = false;
  tab.client.refuse = false;
  await expect(stopped).rejects.toMatchObject({ code: 'forbidden' });
  expect(errors).toMatchObject([{ code: 'forbidden' }]);
  await expect.poll(() => statuses(tab)).toEqual(['running']);
});

it('needs no request for a run that ended meanwhile', async () => {
  const tab = await reading();
  const { fetch } = tab.client;
  let failures = 0;
  const broken: typeof fetch = (input, init) =>
    init?.method === 'DELETE' && ++failures > 0
      ? Promise.reject(new TypeError('fetch failed'))
      : fetch(input, init);
  Object.assign(tab.client, { fetch: broken });
  const stopped = tab.stop();
  await expect.poll(() => failures).toBeGreaterThan(1);
  await world.chat.session('s').stop();
  expect((await stopped).alreadyEnded).toHaveLength(1);
});
