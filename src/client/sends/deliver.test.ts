import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { createStorage, stubPage } from '../../test/fixtures/browser.fixture.ts';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import { openTab, textOf, type Tab } from '../../test/fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type World } from '../../test/fixtures/world.fixture.ts';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));

let model: ScriptedModel;
let world: World;
let tabs: Tab[];
beforeEach(() => {
  model = scriptedModel();
  world = createWorld(memoryChannel(), modelHandler(model));
  tabs = [];
});
afterEach(async () => {
  vi.unstubAllGlobals();
  for (const tab of tabs) {
    tab.core.deliveries.giveUp();
    tab.close();
  }
  await world.settled();
});

type Init = Parameters<typeof openTab>[2];

async function open(id: string, init: Init = {}): Promise<Tab> {
  const tab = openTab(world.client(), id, init);
  tabs.push(tab);
  await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
  return tab;
}

/** The page is gone, and so are its requests. The next page reads its storage. */
function reload(tab: Tab, storage: ReturnType<typeof createStorage>): ReturnType<typeof createStorage> {
  const left = createStorage(storage.entries);
  tab.client.refuse = true;
  tab.core.deliveries.giveUp();
  tab.close();
  return left;
}

const posts = ({ client }: Tab) => client.requests.filter(({ method }) => method === 'POST').length;
const texts = async (id: string) => (await world.chat.session(id).read()).messages.map(textOf);

describe('a send that fails at the network', () => {
  it('G5: is repeated until it has a response, and starts one run', async () => {
    const tab = await open('lost');
    let lost = 0;
    tab.client.lose = (method) => method === 'POST' && lost++ < 3;
    await tab.chat.sendMessage({ text: 'count to 5' });
    expect(posts(tab)).toBe(4);
    await world.settled();
    expect(model.calls.length).toBe(1);
    await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(['count to 5', '1 2 3 4 5']);
    expect(tab.chat.status).toBe('ready');
    expect(tab.chat.error).toBeUndefined();
  });

  it('keeps no listener of its failed attempts', async () => {
    const add = vi.spyOn(AbortSignal.prototype, 'addEventListener');
    const remove = vi.spyOn(AbortSignal.prototype, 'removeEventListener');
    onTestFinished(() => void vi.restoreAllMocks());
    const tab = await open('listeners');
    let lost = 0;
    tab.client.lose = (method) => method === 'POST' && lost++ < 20;
    await tab.chat.sendMessage({ text: 'count to 5' });
    const listeners = new Map<unknown, number>();
    for (const signal of add.mock.contexts) listeners.set(signal, (listeners.get(signal) ?? 0) + 1);
    for (const signal of remove.mock.contexts) listeners.set(signal, (listeners.get(signal) ?? 0) - 1);
    expect(posts(tab)).toBe(21);
    expect(Math.max(...listeners.values())).toBeLessThan(10);
  });

  it('G5: a regeneration and an edit keep their key in all attempts', async () => {
    const tab = await open('again');
    await tab.chat.sendMessage({ text: 'count to 5' });
    let lost = 0;
    tab.client.lose = (method) => method === 'POST' && lost++ % 3 < 2;
    await tab.chat.regenerate();
    await world.settled();
    expect(model.calls.length).toBe(2);
    const messageId = tab.chat.messages[0]!.id;
    await tab.chat.sendMessage({ text: 'count to 6', messageId });
    await world.settled();
    expect(model.calls.length).toBe(3);
    expect(posts(tab)).toBe(7);
    await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(['count to 6', '1 2 3 4 5 6']);
  });

  it('waits on the screen while there is no network, and is delivered in order when it is back', async () => {
    const page = stubPage();
    const tab = await open('offline');
    const other = await open('offline');
    tab.client.refuse = true;
    page.goOffline();
    await expect.poll(() => tab.session.getSnapshot().connection).toBe('offline');
    const sends = ['count to 1', 'count to 2', 'count to 3'].map((text) => tab.chat.sendMessage({ text }));
    await expect
      .poll(() => tab.chat.messages.map(textOf))
      .toEqual(['count to 1', 'count to 2', 'count to 3']);
    expect(tab.chat.status).toBe('submitted');
    // At most one attempt each: a later send waits for the one before it, and that one for the network.
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(posts(tab)).toBeLessThanOrEqual(3);
    tab.client.refuse = false;
    page.goOnline();
    await Promise.all(sends);
    await world.settled();
    const log = await texts('offline');
    expect(log.filter((_, index) => index % 2 === 0)).toEqual(['count to 1', 'count to 2', 'count to 3']);
    for (const { chat } of [tab, other]) await expect.poll(() => chat.messages.map(textOf)).toEqual(log);
    expect(tab.session.getSnapshot().connection).toBe('connected');
  });

  it('the changes of other tabs are shown while it waits', async () => {
    const tab = await open('meanwhile');
    const other = await open('meanwhile');
    tab.client.lose = (method) => method === 'POST';
    const fetched = tab.client.fetch;
    // The sends fail at the network, and the subscription stays connected.
    tab.client.lose = () => false;
    let reachable = false;
    Object.assign(tab.client, {
      fetch: ((input, init) => {
        if (init?.method === 'POST' && !reachable) return Promise.reject(new TypeError('Failed to fetch'));
        return fetched(input, init);
      }) satisfies typeof fetch,
    });
    const sent = tab.chat.sendMessage({ text: 'count to 3' });
    await other.chat.sendMessage({ text: 'count to 4' });
    await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(['count to 4', '1 2 3 4', 'count to 3']);
    reachable = true;
    await sent;
    await world.settled();
    const log = ['count to 4', '1 2 3 4', 'count to 3', '1 2 3'];
    await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(log);
    await expect.poll(() => other.chat.messages.map(textOf)).toEqual(log);
  });

  it('is cancelled by stop', async () => {
    const storage = createStorage();
    const tab = await open('stopped', { outbox: storage });
    tab.client.refuse = true;
    const sends = ['one', 'two'].map((text) => tab.chat.sendMessage({ text }));
    await expect.poll(() => posts(tab)).toBeGreaterThan(4);
    expect(storage.entries.size).toBe(1);
    expect(await tab.stop()).toEqual({ stopped: [], alreadyEnded: [], pending: [] });
    await Promise.all(sends);
    expect(tab.chat.status).toBe('ready');
    expect(tab.chat.error).toBeUndefined();
    expect(storage.entries.size).toBe(0);
    tab.client.refuse = false;
    await expect.poll(() => tab.session.getSnapshot().connection).toBe('connected');
    expect(await texts('stopped')).toEqual([]);
    await tab.chat.sendMessage({ text: 'count to 2' });
    await world.settled();
    expect(await texts('stopped')).toEqual(['count to 2', '1 2']);
  });

  it('is cancelled by stop also after other users of the chat have left', async () => {
    const storage = createStorage();
    const left = await open('left', { outbox: storage });
    await left.chat.sendMessage({ text: 'count to 1' });
    left.client.refuse = true;
    void left.chat.sendMessage({ text: 'count to 2' });
    await expect.poll(() => storage.entries.size).toBe(1);
    left.close();
    const client = world.client();
    client.lose = (method) => {
      if (method === 'POST') throw new TypeError('fetch failed');
      return false;
    };
    const back = openTab(client, 'left', { outbox: storage });
    tabs.push(back);
    await expect.poll(() => back.chat.messages.map(textOf)).toContain('count to 2');
    await back.stop();
    expect(storage.entries.size).toBe(0);
    left.client.refuse = false;
    client.lose = () => false;
    await expect.poll(() => left.core.deliveries.isEmpty).toBe(true);
    expect(await texts('left')).toEqual(['count to 1', '1']);
  });

  it('G3: is cancelled by a stop in a page that has not reached the server yet', async () => {
    const storage = createStorage();
    const before = await open('unreached', { outbox: storage });
    before.client.refuse = true;
    void before.chat.sendMessage({ text: 'count to 2' });
    await expect.poll(() => storage.entries.size).toBe(1);
    const left = reload(before, storage);
    const client = world.client();
    client.refuse = true;
    const after = openTab(client, 'unreached', { outbox: left });
    tabs.push(after);
    await expect.poll(() => after.chat.messages.map(textOf)).toEqual(['count to 2']);
    await expect.poll(() => posts(after)).toBeGreaterThan(1);
    await after.stop();
    await expect.poll(() => left.entries.size).toBe(0);
    expect(after.core.deliveries.isEmpty).toBe(true);
    client.refuse = false;
    await expect.poll(() => after.session.getSnapshot().connection).toBe('connected');
    expect(await texts('unreached')).toEqual([]);
  });

  it('is an error at once with outbox: false', async () => {
    const tab = await open('none', { outbox: false });
    tab.client.refuse = true;
    await tab.chat.sendMessage({ text: 'count to 2' });
    expect(posts(tab)).toBe(1);
    expect(tab.chat.status).toBe('error');
  });

  it('is an error at once if the response is one, whatever the network did before', async () => {
    world = createWorld(memoryChannel(), () => new Response('No credit.', { status: 402 }));
    const tab = await open('refused');
    let lost = 0;
    tab.client.lose = (method) => method === 'POST' && lost++ < 1;
    await tab.chat.sendMessage({ text: 'count to 2' });
    expect(tab.chat.status).toBe('error');
    expect(posts(tab)).toBeLessThanOrEqual(2);
  });
});

describe('a reload between a send and its answer', () => {
  it('G5: shows the message again, and delivers it once', async () => {
    const storage = createStorage();
    const before = await open('reload', { outbox: storage, headers: { authorization: 'secret' } });
    before.client.refuse = true;
    const options = { body: { tone: 'kind' }, headers: { 'x-more': 'secret' } };
    void before.chat.sendMessage({ text: 'count to 2' }, options);
    void before.chat.sendMessage({ text: 'count to 3' });
    await expect.poll(() => posts(before)).toBeGreaterThan(2);
    expect([...storage.entries.values()].join()).not.toContain('secret');
    expect([...storage.entries.values()].join()).toContain('kind');
    const ids = before.chat.messages.map(({ id }) => id);

    const left = reload(before, storage);
    const client = world.client();
    const { fetch } = client;
    let late = false;
    const after = openTab(
      {
        ...client,
        async fetch(input, init) {
          // On a slow network, the second send would arrive first.
          const isFirst = init?.method === 'POST' && !late;
          late ||= isFirst;
          if (isFirst) await new Promise((resolve) => setTimeout(resolve, 200));
          return fetch(input, init);
        },
      },
      'reload',
      { outbox: left },
    );
    tabs.push(after);
    await expect.poll(() => after.chat.messages.length).toBe(4);
    await expect.poll(() => after.chat.status).toBe('ready');
    const { messages } = await world.chat.session('reload').read();
    expect(after.chat.messages).toEqual(messages);
    expect(messages.filter(({ role }) => role === 'user').map(({ id }) => id)).toEqual(ids);
    expect(messages.filter(({ role }) => role === 'user').map(textOf)).toEqual(['count to 2', 'count to 3']);
    expect(posts(after)).toBe(2);
    expect(left.entries.size).toBe(0);
  });

  it('G5: a message that the server has already is not sent again', async () => {
    const storage = createStorage();
    const before = await open('taken', { outbox: storage });
    before.client.lose = (method) => method === 'POST';
    void before.chat.sendMessage({ text: 'count to 3' });
    await expect.poll(async () => (await texts('taken')).length).toBe(2);
    const after = await open('taken', { outbox: reload(before, storage) });
    await expect.poll(() => after.chat.messages.map(textOf)).toEqual(['count to 3', '1 2 3']);
    expect(posts(after)).toBe(0);
    expect(model.calls.length).toBe(1);
  });

  it('G5: a regeneration becomes one run', async () => {
    const storage = createStorage();
    const before = await open('regenerate', { outbox: storage });
    await before.chat.sendMessage({ text: 'count to 3' });
    await world.settled();
    const first = before.chat.messages[1]!.id;
    before.client.lose = (method) => method === 'POST';
    void before.chat.regenerate();
    await expect.poll(() => model.calls.length).toBe(2);
    await world.settled();
    const after = await open('regenerate', { outbox: reload(before, storage) });
    await expect.poll(() => posts(after)).toBe(1);
    await expect.poll(() => after.chat.status).toBe('ready');
    await world.settled();
    const { messages } = await world.chat.session('regenerate').read();
    await expect.poll(() => after.chat.messages).toEqual(messages);
    expect(messages[1]!.id).not.toBe(first);
    expect(model.calls.length).toBe(2);
  });

  it('shows the message while there is still no network', async () => {
    const page = stubPage();
    const storage = createStorage();
    const before = await open('away', { outbox: storage });
    before.client.refuse = true;
    page.goOffline();
    void before.chat.sendMessage({ text: 'count to 3' });
    await expect.poll(() => storage.entries.size).toBe(1);
    const client = world.client();
    client.refuse = true;
    const after = openTab(client, 'away', { outbox: reload(before, storage) });
    tabs.push(after);
    await expect.poll(() => after.chat.messages.map(textOf)).toEqual(['count to 3']);
    expect(after.chat.status).toBe('submitted');
    expect(after.session.getSnapshot().connection).toBe('offline');
    client.refuse = false;
    page.goOnline();
    await expect.poll(() => after.chat.messages.map(textOf)).toEqual(['count to 3', '1 2 3']);
    await expect.poll(() => after.chat.status).toBe('ready');
  });
});

it.each([
  '{}',
  'null',
  '[null]',
  '[{}]',
  '[{"message":{"id":"x","role":"user"},"trigger":"submit-message"}]',
  '[{"message":{"id":"x","role":"user","parts":[null]},"trigger":"submit-message"}]',
  '[{"message":{"id":"x","role":"user","parts":[]},"trigger":"submit-message","changes":{"removed":[],"edited":[{}]}}]',
  '"x"',
  '{',
])('G12: a storage that holds %s is as good as empty', async (text) => {
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown) => void rejections.push(reason);
  process.on('unhandledRejection', onRejection);
  onTestFinished(() => void process.off('unhandledRejection', onRejection));
  const storage = createStorage([['durable-chat outbox /api/chat damaged', text]]);
  const tab = await open('damaged', { outbox: storage });
  await tab.chat.sendMessage({ text: 'count to 2' });
  await world.settled();
  expect(tab.chat.error).toBeUndefined();
  expect(await texts('damaged')).toEqual(['count to 2', '1 2']);
  await new Promise((resolve) => setImmediate(resolve));
  expect(rejections).toEqual([]);
});

it('G12: intact entries of a storage are sent, also next to damaged ones', async () => {
  const message = { id: 'm1', role: 'user', parts: [{ type: 'text', text: 'count to 2' }] };
  const trigger = 'submit-message';
  const noHeader = { message: { ...message, id: 'm0' }, trigger, key: 'a\nb' };
  const kept = [null, noHeader, { message, trigger }, { message, trigger: 'other' }];
  const storage = createStorage([['durable-chat outbox /api/chat beside', JSON.stringify(kept)]]);
  const tab = await open('beside', { outbox: storage });
  await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(['count to 2', '1 2']);
  await expect.poll(() => storage.entries.size).toBe(0);
});

it(`G5: every message arrives once, in order, whatever the network does (seed ${seed})`, async () => {
  let runs = 0;
  const fate = fc.constantFrom('arrives', 'refused', 'lost', 'reload');
  await fc.assert(
    fc.asyncProperty(fc.array(fate, { maxLength: 12 }), async (fates) => {
      const id = `fate ${++runs}`;
      const sent = [1, 2, 3, 4].map((n) => `count to ${n}`);
      let storage = createStorage();
      const init = () => ({ outbox: storage });
      let tab = await open(id, init());
      let turn = 0;
      const due = { reload: false };
      const spoil = (one: Tab) => {
        one.client.lose = (method) => {
          if (method !== 'POST') return false;
          const next = fates[turn++];
          if (next === 'reload') due.reload = true;
          if (next === 'refused') throw new TypeError('fetch failed');
          return next === 'lost' || next === 'reload';
        };
      };
      spoil(tab);
      for (const text of sent) {
        void tab.chat.sendMessage({ text });
        await new Promise((resolve) => setImmediate(resolve));
        if (!due.reload) continue;
        due.reload = false;
        storage = reload(tab, storage);
        tab = await open(id, init());
        spoil(tab);
      }
      await expect.poll(() => storage.entries.size, { timeout: 10_000 }).toBe(0);
      await world.settled();
      await expect.poll(() => tab.core.deliveries.isEmpty).toBe(true);
      const { messages } = await world.chat.session(id).read();
      expect(messages.filter(({ role }) => role === 'user').map(textOf)).toEqual(sent);
      await expect.poll(() => tab.chat.messages, { timeout: 10_000 }).toEqual(messages);
    }),
    { seed, numRuns: 40, endOnFailure: true },
  );
}, 120_000);
