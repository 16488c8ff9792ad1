// Two versions of the format meet in a store, in a request, or in a response. Unknown data counts as expired,
// or is refused with `version`. It is never misread, and never damaged.

import { readFileSync } from 'node:fs';
import type { UIMessage, UIMessageChunk } from 'ai';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { DurableSession } from '../../client/session.ts';
import type { LogEntry } from '../../protocol/entries.ts';
import type { Frame } from '../../protocol/frames.ts';
import { durableHeader, formatVersion } from '../../protocol/requests.ts';
import { readEvents } from '../../protocol/sse.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { openTab, textOf } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, type World } from '../fixtures/world.fixture.ts';
import { answerOf } from '../fixtures/answers.fixture.ts';

const { stores, server } = useStores();
const url = 'http://durable.test/api/chat';
const newer = formatVersion + 1;
const user = (id: string, text = id): UIMessage => ({ id, role: 'user', parts: [{ type: 'text', text }] });
const answer = (text: string): UIMessageChunk[] => answerOf(text);

const post = (world: World, id: string, ...messages: UIMessage[]) =>
  world.routes.POST(new Request(url, { method: 'POST', body: JSON.stringify({ id, messages }) }));
const get = (world: World, query: string) => world.routes.GET(new Request(`${url}?${query}`));
const remove = (world: World, query: string) =>
  world.routes.DELETE(new Request(`${url}?${query}`, { method: 'DELETE' }));
const idsOf = (messages: readonly UIMessage[]) => messages.map(({ id }) => id);
const versionOf = async (response: Response) => [
  response.status,
  ((await response.json()) as { error: { code: string } }).error.code,
];

/** The first frames of a subscription. */
async function framesOf(response: Response, count: number): Promise<Frame[]> {
  const reader = readEvents(response.body!).getReader();
  const frames: Frame[] = [];
  while (frames.length < count) frames.push(JSON.parse((await reader.read()).value!.data) as Frame);
  await reader.cancel();
  return frames;
}

/**
 * The store of a server of version 1: `before` has two answers, one half written, and a queued send; `gone` was deleted.
 */
const first = JSON.parse(
  readFileSync(new URL('../fixtures/store-of-version-1.json', import.meta.url), 'utf8'),
) as { cursor: string; streams: Record<string, [id: string, field: string, value: string][]> };
const [, openUpstash] = stores[1]!;

async function storeOfVersion1(
  name: string,
): Promise<{ channel: Channel; dump: () => Promise<unknown[][]> }> {
  const nameOf = (key: string) => key.replace(/\{(\w+)\}/, `{$1=20${name}}`);
  for (const [key, rows] of Object.entries(first.streams))
    for (const row of rows) await server().command('XADD', nameOf(key), ...row);
  return {
    channel: openUpstash()(),
    dump: async () =>
      Promise.all(
        Object.keys(first.streams)
          .filter((key) => key.includes('before'))
          .map(async (key) => (await server().command('XRANGE', nameOf(key), '-', '+')) as unknown[]),
      ),
  };
}

describe('a log of the previous version', () => {
  it('counts as expired, and is neither changed, nor ended, nor continued', async () => {
    const { channel, dump } = await storeOfVersion1('read');
    const world = createWorld(
      channel,
      chunkHandler(() => answer('new')),
    );
    const id = 'before read';
    const before = await dump();
    const [snapshot] = await framesOf(await get(world, `id=${id}`), 1);
    expect(snapshot).toMatchObject({ type: 'snapshot', messages: [], runs: [], ended: [] });
    expect(snapshot).not.toHaveProperty('begun');
    expect(await world.chat.session(id).read()).toEqual({ messages: [], runs: [] });
    await expect(world.chat.session(id).stop()).rejects.toMatchObject({ code: 'not_found' });
    expect(await dump()).toEqual(before);
  });

  it('a send begins the session again, with the messages of its client', async () => {
    const { channel, dump } = await storeOfVersion1('send');
    const world = createWorld(
      channel,
      chunkHandler(() => answer('new')),
    );
    const id = 'before send';
    const before = await dump();
    await (await post(world, id, user('old'), user('new'))).text();
    await world.settled();
    const { messages } = await world.chat.session(id).read();
    expect(idsOf(messages).slice(0, 2)).toEqual(['old', 'new']);
    expect(messages).toHaveLength(3);
    // The runs that were active then block nothing, and expire.
    const [log = [], ...runs] = await dump();
    expect([log.slice(0, before[0]!.length), ...runs]).toEqual(before);
  });

  it('its cursor gets a reset, and a request of its page gets an error', async () => {
    const { channel } = await storeOfVersion1('cursor');
    const world = createWorld(
      channel,
      chunkHandler(() => answer('new')),
    );
    const query = `id=before cursor&after=${first.cursor}`;
    expect(await framesOf(await get(world, `${query}&wire=${formatVersion}`), 2)).toMatchObject([
      { type: 'reset' },
      { type: 'snapshot', messages: [] },
    ]);
    expect(await versionOf(await get(world, query))).toEqual([400, 'version']);
  });

  it('its deletion is remembered, and a new deletion removes its chunks too', async () => {
    const { channel, dump } = await storeOfVersion1('delete');
    const world = createWorld(
      channel,
      chunkHandler(() => answer('new')),
    );
    await (await post(world, 'gone delete', user('secret'), user('new'))).text();
    expect(idsOf((await world.chat.session('gone delete').read()).messages)[0]).toBe('new');
    await world.settled();
    await world.chat.session('before delete').delete();
    expect(JSON.stringify(await dump())).not.toContain('answer');
  });
});

it('a run whose chunks or ending are of an unknown form is refused, not misread', async () => {
  const channel = openUpstash()();
  for (const [runId, id, value] of [
    ['chunks', '1-0', { packed: 'text' }],
    ['ending', '9007199254740991-0', { reason: 'paused' }],
  ] as const) {
    await channel.append('forms', { key: runId, frames: [] }, {});
    await server().command('XADD', `dc:{forms}:run:${runId}`, id, 'v', `!${JSON.stringify(value)}`);
    await expect(channel.readRun('forms', runId, 0)).rejects.toMatchObject({ code: 'version', status: 503 });
  }
  await expect(channel.close('forms', 'ending', { reason: 'stop' })).rejects.toMatchObject({
    code: 'version',
  });
});

describe.each(stores)('two builds on one store: %s', (name, open) => {
  /** The same build with the next version, which can read this one. */
  function nextBuild(channel: Channel): Channel {
    const read = (entries: LogEntry[]) =>
      entries.map((entry) => (entry.v === newer ? { ...entry, v: formatVersion } : entry));
    return {
      ...channel,
      append: async (id, entry, options) =>
        read(await channel.append(id, { ...entry, v: newer } as typeof entry, options)),
      readLog: async (...args) => read(await channel.readLog(...args)),
      reserve: async (...args) => {
        const reserved = await channel.reserve(...args);
        return { ...reserved, entries: read(reserved.entries) };
      },
    };
  }

  function deploy(id: string) {
    const channelOf = open();
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const old = createWorld(
      channelOf(),
      chunkHandler(async function* () {
        yield* answer('old').slice(0, 3);
        await released;
        yield* answer('old').slice(3);
      }),
      { leaseMs: 1_000 },
    );
    const next = createWorld(
      nextBuild(channelOf()),
      chunkHandler(() => answer('next')),
      { leaseMs: 1_000 },
    );
    onTestFinished(async () => {
      release();
      await Promise.all([old.settled(), next.settled()]);
    });
    return { id: `${id} ${name}`, old, next, release, channel: channelOf() };
  }

  it('the older build refuses the session, writes nothing into it, and ends its own runs', async () => {
    const { id, old, next, release, channel } = deploy('refused');
    await post(old, id, user('u1'));
    const viewer = readEvents((await get(old, `id=${id}`)).body!).getReader();
    const queued = await post(next, id, user('u2'));
    // The viewer's connection ends, and it reconnects to the next server.
    while (!(await viewer.read()).done);
    const refused = [503, 'version'];
    expect(await versionOf(await get(old, `id=${id}`))).toEqual(refused);
    const { length } = await channel.readLog(id, '');
    expect(await versionOf(await post(old, id, user('u3')))).toEqual(refused);
    for (const durable of ['stop', 'clear', 'delete-message&messageId=u1'])
      expect(await versionOf(await remove(old, `id=${id}&durable=${durable}`))).toEqual(refused);
    const session = old.chat.session(id);
    await expect(session.read()).rejects.toMatchObject({ code: 'version' });
    await expect(session.delete()).rejects.toMatchObject({ code: 'version' });
    expect(await channel.readLog(id, '')).toHaveLength(length);
    release();
    await queued.text();
    await next.settled();
    const { messages, runs } = await next.chat.session(id).read();
    expect(messages.map(({ parts }) => parts.find((part) => part.type === 'text')?.text)).toEqual([
      'u1',
      'old',
      'u2',
      'next',
    ]);
    expect(runs).toEqual([]);
  });

  it('the older build delivers no message into its answer, and marks none as reported', async () => {
    const { channel } = deploy('steered');
    const id = `steered too ${name}`;
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const reported: string[] = [];
    const taken: number[] = [];
    const old = createWorld(
      channel,
      (_, { run }) =>
        new ReadableStream({
          async start(controller) {
            controller.enqueue({ type: 'start' });
            await released;
            taken.push((await run.takeMessages()).length);
            controller.close();
          },
        }),
      {
        whenBusy: 'steer',
        onMessage: async ({ message }) => {
          reported.push(message.id);
          await released;
        },
      },
    );
    const streams = [await post(old, id, user('u1')), await post(old, id, user('u2'))];
    await expect.poll(() => reported).toEqual(['u1', 'u2']);
    await channel.append(id, { key: 'x', frames: [], v: newer } as never, {}); // an entry of the newer build
    const { length } = await channel.readLog(id, '');
    // The viewers of the session's process are the first to know.
    await expect.poll(async () => (await get(old, `id=${id}`)).status).toBe(503);
    release();
    await Promise.all(streams.map((stream) => stream.text()));
    await old.settled();
    expect(taken).toEqual([0]);
    const written = (await channel.readLog(id, '')).slice(length);
    expect(written.map(({ key }) => key.replace(/^\S+ /, ''))).toEqual(['end', 'end']);
  });

  it('a send to the older build that meets an entry of the newer build is undone, and can be repeated', async () => {
    const { id, next, channel } = deploy('meeting');
    const meeting: Channel = {
      ...channel,
      async append(sessionId, entry, options) {
        if (entry.key.endsWith(' start')) await nextBuild(channel).append(id, { key: 'x', frames: [] }, {});
        return channel.append(sessionId, entry, options);
      },
    };
    const old = createWorld(
      meeting,
      chunkHandler(() => answer('old')),
    );
    expect(await versionOf(await post(old, id, user('u1')))).toEqual([503, 'version']);
    await old.settled();
    await (await post(next, id, user('u1'))).text();
    await next.settled();
    const { messages, runs } = await next.chat.session(id).read();
    expect([messages.map(({ role }) => role), runs]).toEqual([['user', 'assistant'], []]);
  });

  it('the older build does not end a run whose producer it cannot follow', async () => {
    const { id, old, channel } = deploy('dead');
    await (await post(old, `${id} other`, user('u1'))).body?.cancel();
    const start = {
      type: 'run-start',
      runId: 'dead',
      messageId: 'a',
      trigger: 'submit-message',
      at: 0,
    } as const;
    await channel.append(id, { key: 'u', frames: [{ type: 'message', message: user('u1') }] }, {});
    await channel.append(id, { key: 'dead start', frames: [start] }, {});
    const held = await get(old, `id=${id}`);
    await channel.append(id, { key: 'x', frames: [], v: newer } as never, {});
    await expect(old.chat.session(id).stop({ runId: 'dead' })).rejects.toMatchObject({ code: 'version' });
    await expect.poll(async () => (await get(old, `id=${id}`)).status).toBe(503);
    await held.text();
    expect((await channel.readLog(id, '')).map(({ key }) => key)).toEqual(['u', 'dead start', 'x']);
  });
});

describe('a page and a server of two versions', () => {
  const [, openMemory] = stores[0]!;

  function connect(change: (request: string, response: Response) => [string, Response]) {
    const world = createWorld(
      openMemory()(),
      chunkHandler(() => answer('hi')),
    );
    const client = world.client();
    const session = new DurableSession({
      id: 's',
      api: '/api/chat',
      outbox: false,
      retryDelay: () => 1,
      fetch: async (input, init) => {
        const asked = new Response();
        const [changed] = change(input as string, asked);
        return change('', await client.fetch(changed, init))[1];
      },
    });
    onTestFinished(session.open());
    return { world, session };
  }

  it('a page that is older than the server gets a final error that asks for a reload', async () => {
    const { session } = connect((request, response) => [request.replace(/wire=\d+/, 'wire=1'), response]);
    await expect.poll(() => session.getSnapshot()).toMatchObject({ connection: 'closed' });
    expect(session.getSnapshot().error).toMatchObject({ code: 'version', status: 400 });
    expect(session.getSnapshot().error?.message).toContain('Reload');
  });

  it('a page that is newer than the server retries until the deploy reaches the server', async () => {
    let isDeployed = false;
    let asked = 0;
    const { session } = connect((request, response) => {
      if (request !== '') asked++;
      return [isDeployed ? request : request.replace(/wire=\d+/, `wire=${newer}`), response];
    });
    await expect.poll(() => asked).toBeGreaterThan(2);
    expect(session.getSnapshot()).toMatchObject({ state: undefined, error: undefined });
    isDeployed = true;
    await expect.poll(() => session.getSnapshot().connection).toBe('connected');
  });

  it('a page does not read a response of another version', async () => {
    let isDeployed = false;
    let read = 0;
    const { session } = connect((request, response) => {
      if (request !== '' || isDeployed || !response.headers.has(durableHeader)) return [request, response];
      read++;
      const headers = new Headers(response.headers);
      headers.set(durableHeader, String(newer));
      return [request, new Response(response.body, { status: response.status, headers })];
    });
    await expect.poll(() => read).toBeGreaterThan(2);
    expect(session.getSnapshot().state).toBeUndefined();
    isDeployed = true;
    await expect.poll(() => session.getSnapshot().connection).toBe('connected');
  });

  it('a page reads no answer of another version to a send: the session brings it', async () => {
    const world = createWorld(
      openMemory()(),
      chunkHandler(() => answer('hi')),
    );
    const client = world.client();
    const tab = openTab(
      {
        ...client,
        async fetch(input, init) {
          const response = await client.fetch(input, init);
          if (init?.method !== 'POST') return response;
          const headers = new Headers(response.headers);
          headers.set(durableHeader, String(newer));
          return new Response((await response.text()).replaceAll('hi', 'misread'), { headers });
        },
      },
      's',
    );
    onTestFinished(() => tab.close());
    await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
    const shown = new Set<string>();
    tab.session.subscribe(() => shown.add(textOf(tab.chat.messages.at(-1))));
    await tab.chat.sendMessage({ text: 'hello' });
    expect(tab.chat.messages.map(textOf)).toEqual(['hello', 'hi']);
    expect([...shown].join()).not.toContain('misread');
  });

  it('a stop of version 1, which this version would take for all runs, stops none', async () => {
    const world = createWorld(
      openMemory()(),
      chunkHandler(() => answer('hi')),
    );
    expect(await versionOf(await remove(world, 'id=s&durable=stop&run=r'))).toEqual([400, 'version']);
    for (const [wire, status] of [
      ['1', 400],
      ['', 400],
      ['x', 400],
      [String(newer), 503],
    ] as const)
      expect(await versionOf(await remove(world, `id=s&durable=stop&wire=${wire}`))).toEqual([
        status,
        'version',
      ]);
  });
});
