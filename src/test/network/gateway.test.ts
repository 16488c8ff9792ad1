// Something responds in the place of the server: a proxy while the server is away, or a network that asks for a login.

import { afterEach, beforeEach, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import { createStorage } from '../fixtures/browser.fixture.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type World } from '../fixtures/world.fixture.ts';

let model: ScriptedModel;
let world: World;
let tabs: Tab[];
/** Responds to a POST or a DELETE in the place of the server; undefined: the server responds. */
let answer: () => Response | undefined;

beforeEach(() => {
  model = scriptedModel();
  world = createWorld(memoryChannel(), modelHandler(model));
  tabs = [];
  answer = () => undefined;
});
afterEach(async () => {
  for (const tab of tabs) tab.close();
  await world.settled();
});

async function open(init: Parameters<typeof openTab>[2] = {}): Promise<Tab> {
  const client = world.client();
  const { fetch } = client;
  const proxied: typeof fetch = async (input, init) =>
    (['POST', 'DELETE'].includes(init?.method ?? '') ? answer() : undefined) ?? fetch(input, init);
  const tab = openTab({ ...client, fetch: proxied }, 's', init);
  tabs.push(tab);
  await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
  return tab;
}

const users = async () =>
  (await world.chat.session('s').read()).messages.flatMap((one) => (one.role === 'user' ? textOf(one) : []));

it.each([502, 503, 504])(
  'G5: a send that is answered with %i is made again, and starts one run',
  async (status) => {
    const tab = await open();
    let failures = 3;
    answer = () => (failures-- > 0 ? new Response('<html>', { status }) : undefined);
    await tab.chat.sendMessage({ text: 'count to 3' });
    expect(tab.chat.error).toBeUndefined();
    await world.settled();
    expect(model.calls.length).toBe(1);
    expect(await users()).toEqual(['count to 3']);
  },
);

it('G5: two sends of which the first is lost arrive in their order', async () => {
  const tab = await open();
  let failures = 1;
  answer = () => (failures-- > 0 ? new Response('<html>', { status: 502 }) : undefined);
  const sends = ['count to 1', 'count to 2'].map((text) => tab.chat.sendMessage({ text }));
  await Promise.all(sends);
  await world.settled();
  expect(await users()).toEqual(['count to 1', 'count to 2']);
});

const loginPage = () => new Response('<html>Sign in', { headers: { 'content-type': 'text/html' } });

it('G5: a send that is answered with a login page and status 200 is made again, and starts one run', async () => {
  const tab = await open();
  let pages = 3;
  answer = () => (pages-- > 0 ? loginPage() : undefined);
  await tab.chat.sendMessage({ text: 'count to 3' });
  await world.settled();
  expect(tab.chat.error).toBeUndefined();
  expect(model.calls.length).toBe(1);
  expect(await users()).toEqual(['count to 3']);
});

it('G5: a send of an earlier page waits behind a login page that answers every request', async () => {
  const kept = createStorage();
  const first = await open({ outbox: kept });
  first.client.refuse = true;
  first.client.cut();
  void first.chat.sendMessage({ text: 'count to 3' });
  await expect.poll(() => kept.entries.size).toBe(1);
  first.close();
  const outbox = createStorage(kept.entries);
  const client = world.client();
  let posts = 0;
  let isCaptive = true;
  const captive: typeof fetch = async (input, init) => {
    if (init?.method === 'POST') posts++;
    return isCaptive ? loginPage() : client.fetch(input, init);
  };
  tabs.push(openTab({ ...client, fetch: captive }, 's', { outbox }));
  await expect.poll(() => posts).toBeGreaterThan(1);
  expect(outbox.entries.size).toBe(1);
  isCaptive = false;
  await expect.poll(users).toEqual(['count to 3']);
  await expect.poll(() => outbox.entries.size).toBe(0);
});

it('a stream without our header is an answer: the send is not made again', async () => {
  const tab = await open();
  let posts = 0;
  answer = () => {
    posts++;
    return new Response('data: [DONE]\n\n', { headers: { 'content-type': 'text/event-stream' } });
  };
  await tab.chat.sendMessage({ text: 'count to 3' });
  expect(posts).toBe(1);
  expect(tab.chat.status).toBe('ready');
});

it('a removal that is answered with a login page is not done', async () => {
  const tab = await open();
  await tab.chat.sendMessage({ text: 'count to 3' });
  await world.settled();
  answer = loginPage;
  await expect(tab.session.clear()).rejects.toMatchObject({ code: 'network' });
  expect(await users()).toEqual(['count to 3']);
});

it('our own 503 has a code: the send is refused, and stays, marked', async () => {
  const tab = await open();
  const error = { code: 'store_failed', message: 'The store does not answer.' };
  answer = () => Response.json({ error }, { status: 503, headers: { 'x-durable-chat': '1' } });
  await tab.chat.sendMessage({ text: 'count to 3' });
  expect(tab.chat.error).toMatchObject(error);
  await expect.poll(() => tab.session.getSnapshot().unsent).toMatchObject([{ status: 'refused', error }]);
});

it('answers stand below their questions while later sends are on their way', async () => {
  const tab = await open();
  let isAway = true;
  answer = () => (isAway ? new Response('<html>', { status: 502 }) : undefined);
  const seen = new Set<string>();
  const texts = Array.from({ length: 8 }, (_, index) => `count to ${index + 1}`);
  const sends = texts.map((text) => tab.chat.sendMessage({ text }));
  await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(texts);
  tab.core.store.subscribe(() => {
    const { messages } = tab.chat;
    for (const [index, one] of messages.entries()) {
      if (one.role !== 'assistant' || tab.chat.status === 'streaming') continue;
      const question = textOf(messages[index - 1]);
      if (!question.endsWith(textOf(one).split(' ').at(-1) ?? '')) seen.add(`${question}: ${textOf(one)}`);
    }
  });
  isAway = false;
  await Promise.all(sends);
  await world.settled();
  await expect.poll(() => tab.chat.messages.length).toBe(16);
  expect([...seen]).toEqual([]);
});
