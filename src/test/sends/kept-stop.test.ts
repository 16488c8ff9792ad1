// A stop is kept like a send: it waits for the network, goes out first, and its failure is reported.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
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

it('G3: is made again while a proxy responds with 502', async () => {
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

describe('a stop while a send is under way', () => {
  const endings = ({ session }: Tab) =>
    [...(session.getSnapshot().state?.ended.values() ?? [])].map(({ reason }) => reason);

  /** A tab whose first DELETE fails, and whose POST goes out when `post` is called. */
  async function holding(fail: () => Promise<Response>) {
    const client = world.client();
    const { fetch } = client;
    let post = () => {};
    const isPosted = new Promise<void>((resolve) => (post = resolve));
    let posts = 0;
    let deletes = 0;
    const flaky: typeof fetch = async (input, init) => {
      if (init?.method === 'DELETE' && deletes++ === 0) return fail();
      if (init?.method === 'POST' && posts++ === 0) await isPosted;
      return fetch(input, init);
    };
    const tab = await open({ ...client, fetch: flaky });
    const sent = tab.chat.sendMessage({ text: 'count to 100000 at 100/s' });
    await expect.poll(() => posts).toBe(1);
    return { tab, sent, post: () => post(), deletes: () => deletes };
  }

  it.each([
    ['on the network', () => Promise.reject<Response>(new TypeError('fetch failed'))],
    ['with 503', () => Promise.resolve(new Response('<html>', { status: 503 }))],
  ])('G3: stops the run of the send although its first request fails %s', async (_, fail) => {
    const { tab, sent, post, deletes } = await holding(fail);
    const stopped = tab.stop();
    await expect.poll(deletes).toBe(1);
    post();
    expect((await stopped).stopped).toHaveLength(1);
    await sent;
    await world.settled();
    await expect.poll(() => endings(tab)).toEqual(['stop']);
  });

  /** A tab that loses its network with `lose`. Then no response reaches it, and its POSTs reach the server or not. */
  async function losing(outbox: ReturnType<typeof createStorage>) {
    const client = world.client();
    const { fetch } = client;
    let lost: 'posts reach' | 'nothing reaches' | undefined;
    const lossy: typeof fetch = (input, init) => {
      if (!lost) return fetch(input, init);
      if (init?.method !== 'POST') return Promise.reject(new TypeError('fetch failed'));
      if (lost === 'posts reach') void fetch(input, { ...init, signal: null });
      return new Promise(() => {});
    };
    const tab = await open({ ...client, fetch: lossy }, { outbox });
    return { tab, lose: (reaches: boolean) => void (lost = reaches ? 'posts reach' : 'nothing reaches') };
  }

  /** A tab without a network, except that its POSTs can reach the server. No response reaches it. */
  async function unanswered(reaches: boolean, outbox: ReturnType<typeof createStorage>) {
    const { tab, lose } = await losing(outbox);
    await tab.chat.sendMessage({ text: 'count to 1' });
    lose(reaches);
    void tab.chat.sendMessage({ text: 'count to 100000 at 100/s' });
    await expect.poll(() => outbox.entries.size).toBe(1);
    if (reaches) await expect.poll(() => model.calls.length).toBe(2);
    tab.stop().catch(() => {});
    const stored = () => [...outbox.entries.values()].join('');
    await expect.poll(stored, { timeout: 2_000 }).not.toContain('100/s');
    const left = createStorage(outbox.entries);
    tab.close();
    return left;
  }

  it('G3: the next page stops the run of a regeneration that reached the server', async () => {
    const outbox = createStorage();
    const { tab, lose } = await losing(outbox);
    const sent = tab.chat.sendMessage({ text: 'count to 100000 at 100/s' });
    await expect.poll(() => textOf(tab.chat.messages.at(-1))).toContain('3');
    await tab.stop();
    await sent;
    lose(true);
    tab.client.cut();
    void tab.chat.regenerate();
    await expect.poll(() => outbox.entries.size).toBe(1);
    await expect.poll(() => model.calls.length).toBe(2);
    tab.stop().catch(() => {});
    const kept = () => [...outbox.entries.values()].join('');
    await expect.poll(kept, { timeout: 2_000 }).not.toContain('100/s');
    const left = createStorage(outbox.entries);
    tab.close();
    const after = await open(world.client(), { outbox: left });
    await expect.poll(() => endings(after)).toEqual(['stop', 'stop']);
    await world.settled();
    expect(model.calls.map(({ aborted }) => aborted)).toEqual([true, true]);
    await expect.poll(() => left.entries.size).toBe(0);
  });

  it('G3: the next page makes a stop that has no response', async () => {
    const outbox = createStorage();
    const client = world.client();
    const { fetch } = client;
    const silent: typeof fetch = (input, init) =>
      init?.method === 'DELETE' ? new Promise(() => {}) : fetch(input, init);
    const tab = await open({ ...client, fetch: silent }, { outbox });
    void tab.chat.sendMessage({ text: 'count to 100000 at 100/s' });
    await expect.poll(() => textOf(tab.chat.messages.at(-1))).toContain('3');
    tab.stop().catch(() => {});
    const left = createStorage(outbox.entries);
    tab.close();
    const after = await open(world.client(), { outbox: left });
    await expect.poll(() => endings(after)).toEqual(['stop']);
    await expect.poll(() => left.entries.size).toBe(0);
  });

  it('G3: the next page does not send the message', async () => {
    const outbox = await unanswered(false, createStorage());
    const after = await open(world.client(), { outbox });
    await expect.poll(() => outbox.entries.size).toBe(0);
    await expect.poll(() => after.chat.messages.map(textOf)).toEqual(['count to 1', '1']);
    expect(methods(after)).not.toContain('POST');
  });

  it('G3: the next page stops the run of a send that reached the server', async () => {
    const outbox = await unanswered(true, createStorage());
    const after = await open(world.client(), { outbox });
    await expect.poll(() => endings(after)).toEqual(['finish', 'stop']);
    await world.settled();
    expect(model.calls.map(({ aborted }) => aborted)).toEqual([false, true]);
    await expect.poll(() => outbox.entries.size).toBe(0);
  });
});
