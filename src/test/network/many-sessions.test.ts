// Several sessions in one page, or in the tabs of one browser, over one connection, with real routes and the real client.

import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { createLocks, stubPage } from '../fixtures/browser.fixture.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, sendBody, type Client, type World } from '../fixtures/world.fixture.ts';

afterEach(() => vi.unstubAllGlobals());

const count = (n: number) => Array.from({ length: n }, (_, index) => String(index + 1)).join(' ');
const ids = Array.from({ length: 8 }, (_, index) => `chat-${index}`);

function open(client: Client, id: string): Tab {
  const tab = openTab(client, id);
  onTestFinished(() => tab.close());
  return tab;
}

/** The ids of the GETs. */
function asked(client: Client): string[][] {
  return client.requests
    .filter(({ method }) => method === 'GET')
    .map(({ url }) => new URL(url, 'http://durable.test').searchParams.getAll('id'));
}

async function expectAnswered(world: World, tabs: readonly Tab[]): Promise<void> {
  const sent = tabs.map(({ chat }) => chat.sendMessage({ text: 'count to 60 at 100/s' }));
  for (const { chat } of tabs) await expect.poll(() => textOf(chat.messages.at(-1))).toContain('20');
  await Promise.all(sent);
  await world.settled();
  for (const { chat, session } of tabs) {
    const { messages } = await world.chat.session(session.id).read();
    expect(messages.map(textOf)).toEqual(['count to 60 at 100/s', count(60)]);
    await expect.poll(() => chat.messages).toEqual(messages);
    await expect.poll(() => chat.status).toBe('ready');
  }
}

describe.each([['with Web Locks', () => stubPage({ locks: createLocks() })]])(
  'eight chats on one page, %s',
  (_, stub) => {
    it('use one GET, and all answer at the same time', async () => {
      stub();
      const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
      const client = world.client();
      const tabs = ids.map((id) => open(client, id));
      for (const { session } of tabs)
        await expect.poll(() => session.getSnapshot().connection).toBe('connected');
      await expect.poll(() => client.open).toBe(1);
      expect(asked(client).at(-1)?.toSorted()).toEqual(ids);
      await expectAnswered(world, tabs);
      await expect.poll(() => client.open).toBe(1);
    });

    it('G1: lose nothing when one closes, another one opens, and the connection breaks', async () => {
      stub();
      const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
      const client = world.client();
      const tabs = ids.slice(0, 5).map((id) => open(client, id));
      for (const { session } of tabs)
        await expect.poll(() => session.getSnapshot().connection).toBe('connected');
      // Sent by another client: everything has to come over the shared connection.
      const { fetch } = world.client();
      for (const { session } of tabs)
        await fetch('/api/chat', { method: 'POST', body: sendBody(session.id, 'count to 150 at 100/s') });
      for (const { chat } of tabs) await expect.poll(() => textOf(chat.messages.at(-1))).toContain('20');
      tabs.shift()!.close();
      const joined = open(client, 'chat-7');
      await expect.poll(() => joined.session.getSnapshot().connection).toBe('connected');
      for (const { chat } of tabs) await expect.poll(() => textOf(chat.messages.at(-1))).toContain('80');
      client.cut();
      await world.settled();
      for (const { chat } of tabs)
        await expect.poll(() => chat.messages.map(textOf)).toEqual(['count to 150 at 100/s', count(150)]);
      await expect.poll(() => client.open).toBe(1);
      expect(
        asked(client)
          .findLast(({ length }) => length > 1)
          ?.sort(),
      ).toEqual(['chat-1', 'chat-2', 'chat-3', 'chat-4', 'chat-7']);
    });
  },
);

it('eight tabs with eight chats use one GET, also after its tab is closed', async () => {
  stubPage({ locks: createLocks() });
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
  const tabs = ids.map((id) => open(world.client(), id));
  const connections = () => tabs.reduce((sum, { client }) => sum + client.open, 0);
  for (const { session } of tabs) await expect.poll(() => session.getSnapshot().connection).toBe('connected');
  await expect.poll(connections).toBe(1);
  const leader = tabs.findIndex(({ client }) => client.open === 1);
  tabs[leader]!.close();
  const others = tabs.filter((_, index) => index !== leader);
  await expect.poll(() => others.reduce((sum, { client }) => sum + client.open, 0)).toBe(1);
  await expectAnswered(world, others);
  await expect.poll(connections).toBe(1);
});

it('G10: a refused session is closed, and the others on its connection continue', async () => {
  stubPage({ locks: createLocks() });
  const denied = new Set(['chat-1']);
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel()), {
    authorize: ({ sessionId }) => !denied.has(sessionId),
    reauthorizeMs: 50,
  });
  const client = world.client();
  const [first, refused, last] = ids.slice(0, 3).map((id) => open(client, id));
  await expect.poll(() => refused!.session.getSnapshot().connection).toBe('closed');
  expect(refused!.session.getSnapshot().error?.code).toBe('forbidden');
  for (const { session } of [first!, last!])
    await expect.poll(() => session.getSnapshot().connection).toBe('connected');
  // The permission of another one is withdrawn while it is watched.
  const shown = new Set<string>();
  onTestFinished(first!.session.subscribe(() => void shown.add(first!.session.getSnapshot().connection)));
  const askedAlone = () => asked(client).filter((one) => one.join() === 'chat-2').length;
  const aloneBefore = askedAlone();
  denied.add('chat-2');
  await expect.poll(() => last!.session.getSnapshot().connection).toBe('closed');
  const before = asked(client).length;
  await expectAnswered(world, [first!]);
  expect([...shown]).toEqual(['connected']);
  // The client asked once more, and that answer was final.
  expect(askedAlone()).toBe(aloneBefore + 1);
  expect(asked(client).length).toBe(before);
});

it('after a refusal the sessions continue with new headers, over one connection', async () => {
  stubPage({ locks: createLocks() });
  let valid = 'one';
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel()), {
    authorize: ({ request }) => request.headers.get('authorization') === valid,
    reauthorizeMs: 50,
  });
  const client = world.client();
  const tabs = ids.slice(0, 3).map((id) => {
    const tab = openTab(client, id, { headers: () => ({ authorization: valid }) });
    onTestFinished(() => tab.close());
    return tab;
  });
  for (const { session } of tabs) await expect.poll(() => session.getSnapshot().connection).toBe('connected');
  await expect.poll(() => client.open).toBe(1);
  const before = asked(client).length;
  const shown = new Set<string>();
  for (const { session } of tabs)
    onTestFinished(session.subscribe(() => void shown.add(session.getSnapshot().connection)));
  valid = 'two';
  await expect
    .poll(() => asked(client).slice(before).flat())
    .toEqual(expect.arrayContaining(ids.slice(0, 3)));
  await expect.poll(() => client.open).toBe(1);
  await expectAnswered(world, tabs);
  expect([...shown]).toEqual(['connected']);
});

it('a session that is authorized only alone has its own connection', async () => {
  stubPage({ locks: createLocks() });
  // An app whose fetch differs in a way that the client cannot see.
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel()), {
    authorize: ({ request, sessionId }) =>
      sessionId !== 'chat-1' || new URL(request.url).searchParams.getAll('id').length < 2,
  });
  const client = world.client();
  const [first, alone] = ids.slice(0, 2).map((id) => open(client, id));
  for (const { session } of [first!, alone!])
    await expect.poll(() => session.getSnapshot().connection).toBe('connected');
  await expect.poll(() => client.open).toBe(2);
  const before = asked(client).length;
  await expectAnswered(world, [first!, alone!]);
  expect(asked(client).length).toBe(before);
});
