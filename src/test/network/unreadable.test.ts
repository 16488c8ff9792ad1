// A tab whose first subscription is refused: it can stop its own runs, and it does not take the route for one without
// sessions.

import { afterEach, describe, expect, it, vi } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type Client, type World } from '../fixtures/world.fixture.ts';

const tabs: Tab[] = [];
const worlds: World[] = [];
afterEach(async () => {
  for (const tab of tabs.splice(0)) tab.close();
  for (const world of worlds.splice(0)) {
    await world.chat
      .session('s')
      .stop()
      .catch(() => {}); // some tests never get as far as a session
    await world.settled();
  }
});

function open(client: Client): Tab {
  const tab = openTab(client, 's');
  tabs.push(tab);
  return tab;
}

interface Route {
  readonly model: ScriptedModel;
  readonly world: World;
  readonly client: Client;
}

/** A POST is held until `deliver` is called, and arrives even if its sender has left. */
function delaying(client: Client) {
  const { fetch } = client;
  let deliver: () => void = () => {};
  let posts = 0;
  const delivered = new Promise<void>((resolve) => (deliver = resolve));
  const late: typeof fetch = async (input, init) => {
    if (init?.method !== 'POST') return fetch(input, init);
    posts++;
    await delivered;
    const { signal, ...rest } = init;
    const response = await fetch(input, rest);
    signal?.throwIfAborted();
    return response;
  };
  return { client: { ...client, fetch: late }, deliver: () => deliver(), posts: () => posts };
}

/** A stop of a send without a response counts once the send arrives. */
async function expectStopped(
  tab: Tab,
  late: ReturnType<typeof delaying>,
  model: ScriptedModel,
): Promise<void> {
  const sent = tab.chat.sendMessage({ text: 'count to 100000 at 100/s' });
  await expect.poll(() => late.posts()).toBe(1);
  const stopped = tab.stop();
  await new Promise((resolve) => setImmediate(resolve));
  late.deliver();
  expect((await stopped).stopped).toHaveLength(1);
  await sent;
  expect(model.calls.every(({ finished }) => !finished)).toBe(true);
}

/** A durable route whose GET is refused, by its `authorize` or by a server in front of it. */
function refusing(read: () => boolean | null | Response, by: 'authorize' | 'a proxy' = 'authorize'): Route {
  const model = scriptedModel();
  const world = createWorld(memoryChannel(), modelHandler(model), {
    authorize: ({ action }) => by === 'a proxy' || action !== 'read' || read(),
  });
  worlds.push(world);
  const client = world.client();
  const { fetch } = client;
  const proxied: typeof fetch = async (input, init) => {
    const refusal = (init?.method ?? 'GET') === 'GET' && read();
    return refusal instanceof Response ? refusal : fetch(input, init);
  };
  return { model, world, client: by === 'a proxy' ? { ...client, fetch: proxied } : client };
}

const answering = (status: number) => () => new Response('No.', { status });
const refusals = [
  ['authorize: false', () => refusing(() => false)],
  ['authorize: null', () => refusing(() => null)],
  ...[400, 403, 404, 405, 410, 451].map(
    (status) => [`authorize: a ${status} of its own`, () => refusing(answering(status))] as const,
  ),
  ...[401, 403, 410, 451].map(
    (status) => [`a proxy: ${status}`, () => refusing(answering(status), 'a proxy')] as const,
  ),
] as const;

describe.each(refusals)('a tab that may send and stop but not read (%s)', (_, route) => {
  const refused = (tab: Tab) => expect.poll(() => tab.session.getSnapshot().connection).toBe('closed');

  it('G3: stops its own run, and gets the receipt', async () => {
    const { model, client } = route();
    const tab = open(client);
    await refused(tab);
    expect(tab.isPlain()).toBe(false);
    const sent = tab.chat.sendMessage({ text: 'count to 100000 at 100/s' });
    await expect.poll(() => textOf(tab.chat.messages.at(-1))).toContain('2');
    expect((await tab.stop()).stopped).toHaveLength(1);
    await sent;
    expect(model.calls.map(({ aborted }) => aborted)).toEqual([true]);
  });

  it('G3: stops a send that has no answer yet', async () => {
    const { model, client } = route();
    const late = delaying(client);
    const tab = open(late.client);
    await refused(tab);
    await expectStopped(tab, late, model);
  });

  it('resumes nothing', async () => {
    const { client } = route();
    const tab = open(client);
    await refused(tab);
    await tab.chat.resumeStream();
    expect(client.requests.filter(({ url }) => url.includes('/stream'))).toEqual([]);
    expect(tab.chat.status).toBe('ready');
  });
});

it('a tab that may stop but not read stops the runs of other tabs', async () => {
  const { model, world, client } = refusing(() => false);
  void world.client().fetch('/api/chat', {
    method: 'POST',
    body: JSON.stringify({
      id: 's',
      messages: [{ id: 'u', role: 'user', parts: [{ type: 'text', text: 'count to 100000 at 100/s' }] }],
    }),
  });
  await expect.poll(() => model.calls.length).toBe(1);
  const tab = open(client);
  expect((await tab.stop()).stopped).toHaveLength(1);
  expect(model.calls.map(({ aborted }) => aborted)).toEqual([true]);
});

it('a stop rejects if a server in front of the route refused the subscription', async () => {
  const { client } = refusing(answering(403), 'a proxy');
  const tab = open(client);
  await expect(tab.stop()).rejects.toMatchObject({ code: 'forbidden', status: 403 });
  // The route may have no sessions, and its DELETE may have another meaning.
  expect(client.requests.map(({ method }) => method)).not.toContain('DELETE');
});

it('G3: a send without a response is stopped once it is a run, while the subscription fails again and again', async () => {
  const { model, client } = refusing(answering(503), 'a proxy');
  const tab = open(client);
  await expect.poll(() => tab.session.getSnapshot().connection).toBe('reconnecting');
  const sent = tab.chat.sendMessage({ text: 'count to 100000 at 100/s' });
  await expect.poll(() => tab.core.sending).toBe(true);
  expect((await tab.stop()).stopped).toHaveLength(1);
  await sent;
  expect(model.calls.every(({ finished }) => !finished)).toBe(true);
});

it('G3: a send without a response is stopped once it is a run, after reading is no longer allowed', async () => {
  let isAllowed = true;
  const { model, client } = refusing(() => isAllowed || new Response(null, { status: 403 }));
  const late = delaying(client);
  const tab = open(late.client);
  await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
  isAllowed = false;
  client.cut();
  await expect.poll(() => tab.session.getSnapshot().connection).toBe('closed');
  await expectStopped(tab, late, model);
});

describe.each([
  ['may read', () => refusing(() => true)],
  ['may not read', () => refusing(() => false)],
  ['a proxy refuses to subscribe', () => refusing(answering(403), 'a proxy')],
])('a stop of a send without a response for more than 10 s, in a tab that %s', (_, route) => {
  afterEach(() => vi.useRealTimers());

  it('G3: rejects, and stops the send as soon as it is a run', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
    const { world, client } = route();
    const late = delaying(client);
    const tab = open(late.client);
    await expect
      .poll(() => tab.session.getSnapshot())
      .toSatisfy(({ state, connection }) => state !== undefined || connection === 'closed');
    const sent = tab.chat.sendMessage({ text: 'count to 100000 at 100/s' });
    await expect.poll(() => late.posts()).toBe(1);
    const stopped = tab.stop();
    stopped.catch(() => {});
    await vi.advanceTimersByTimeAsync(10_500);
    await expect(stopped).rejects.toMatchObject({ name: 'DurableChatError' });
    late.deliver();
    await sent;
    const session = world.chat.session('s');
    await expect.poll(async () => (await session.read()).messages.length).toBeGreaterThan(0);
    await expect.poll(async () => (await session.read()).runs, { timeout: 5_000 }).toEqual([]);
  });
});

describe('a route without sessions', () => {
  /** It answers POST when `answer` is called, and records an abort. */
  function plain(get: () => Response) {
    const requests: { method: string; url: string }[] = [];
    let aborted = false;
    const fetch_: typeof fetch = async (input, init) => {
      const method = init?.method ?? 'GET';
      // This client passes a path.
      requests.push({ method, url: input as string });
      if (method === 'GET') return get();
      return new Promise((_, reject) => {
        init?.signal?.addEventListener('abort', () => {
          aborted = true;
          reject(init.signal!.reason as Error);
        });
      });
    };
    const { client } = refusing(() => true);
    return { client: { ...client, fetch: fetch_ }, requests, isAborted: () => aborted };
  }

  it.each([
    [400, () => new Response('Which chat?', { status: 400 })],
    [404, () => new Response('Not found', { status: 404 })],
    [405, () => new Response(null, { status: 405 })],
    [422, () => Response.json({ detail: [] }, { status: 422 })],
    [204, () => new Response(null, { status: 204 })],
    ['a page', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
  ])(
    'that answers GET with %s gets no DELETE, and the client leaves its response at once',
    async (_, get) => {
      const { client, requests, isAborted } = plain(get);
      const tab = open(client);
      await expect.poll(() => tab.isPlain()).toBe(true);
      expect(await tab.stop()).toEqual({ stopped: [], alreadyEnded: [], pending: [] });
      const sent = tab.chat.sendMessage({ text: 'hello' });
      await expect.poll(() => requests.map(({ method }) => method)).toContain('POST');
      expect(await tab.stop()).toEqual({ stopped: [], alreadyEnded: [], pending: [] });
      await sent;
      expect(isAborted()).toBe(true);
      expect(tab.chat.status).toBe('ready');
      await tab.chat.resumeStream();
      expect(requests.at(-1)?.url).toMatch(/\/s\/stream$/);
      expect(requests.map(({ method }) => method)).not.toContain('DELETE');
    },
  );
});
