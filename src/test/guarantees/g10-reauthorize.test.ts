// G10: a connected viewer whose permission is withdrawn stops receiving frames.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { createDurableChat, type AuthorizeInput, type DurableChatOptions } from '../../index.ts';
import type { Frame, WireFrame } from '../../protocol/frames.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { readWire, type Wire } from '../fixtures/wire.fixture.ts';
import { chunkHandler, createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';

const { stores } = useStores();
const url = 'http://durable.test/api/chat';
const said: UIMessageChunk[] = [{ type: 'start' }, { type: 'text-start', id: '0' }, { type: 'finish' }];
const everyMs = 20;

const types = (frames: readonly Frame[]) => frames.map(({ type }) => type);
const last = (wire: Wire): WireFrame | undefined => wire.frames.at(-1);
const get = (world: World, query: string, headers: Record<string, string> = {}) =>
  world.routes.GET(new Request(`${url}?${query}`, { headers }));
const send = async (world: World, id: string, text: string) =>
  (await world.routes.POST(new Request(url, { method: 'POST', body: sendBody(id, text) }))).text();

/** What `fetch` of another service gives when its connection breaks. */
function brokenOff(): Response {
  const pull = (controller: ReadableStreamDefaultController) => controller.error(new Error('broke off'));
  return new Response(new ReadableStream({ pull }), { status: 403 });
}

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(10_000)) });
}

/** A world whose read permissions the test changes. */
function open(options: Partial<DurableChatOptions> = {}, channel = memoryChannel()) {
  const asked: AuthorizeInput[] = [];
  const may: { read: () => unknown } = { read: () => true };
  const errors: unknown[] = [];
  const world = createWorld(
    channel,
    chunkHandler(() => said),
    {
      reauthorizeMs: everyMs,
      onError: (error) => errors.push(error),
      authorize: (input) => {
        if (input.action !== 'read') return true;
        asked.push(input);
        return may.read() as true; // also what JavaScript callers return
      },
      ...options,
    },
  );
  const askedFor = (id: string) => asked.filter(({ sessionId }) => sessionId === id).length;
  return { world, asked, askedFor, may, errors };
}

describe.each(stores)(
  'G10: a permission that is withdrawn while a viewer is connected, on %s',
  (name, openStore) => {
    it.each([
      ['false', () => false, 'forbidden'],
      ['null', () => null, 'unauthorized'],
      ['a Response', () => new Response('pay', { status: 429 }), 'too_many'],
      ['a Response whose body breaks off', () => brokenOff(), 'forbidden'],
      [
        'a Response whose body does not end',
        () => new Response(new ReadableStream(), { status: 403 }),
        'forbidden',
      ],
      ['a Response with a long body', () => new Response(endless(), { status: 403 }), 'forbidden'],
      ['a Response that is thrown', () => Promise.reject(new Response(null, { status: 403 })), 'forbidden'],
      [
        "a framework's own answer",
        () => Promise.reject(Object.assign(new Error('redirect'), { digest: 'x' })),
        'forbidden',
      ],
    ])('ends the connection with a `refused` frame (%s)', async (_, refuse, code) => {
      const { world, may, askedFor } = open({ limits: { viewersPerSession: 1 } }, openStore()());
      const id = `${name} ${code} ${_}`;
      const wire = readWire(await get(world, new URLSearchParams({ id }).toString()));
      await expect.poll(() => askedFor(id)).toBeGreaterThan(2);
      may.read = refuse;
      await expect.poll(() => wire.ended).toBe(true);
      expect(last(wire)).toEqual({ type: 'refused', error: { code, message: expect.any(String) as string } });
      expect(wire.events.at(-1)!.id).toBeUndefined();
      // It no longer counts as a viewer, and authorize is no longer called for it.
      may.read = () => true;
      const again = readWire(await get(world, new URLSearchParams({ id }).toString()));
      await expect.poll(() => types(again.frames)).toEqual(['snapshot']);
      await again.close();
      const count = askedFor(id);
      await new Promise((resolve) => setTimeout(resolve, 3 * everyMs));
      expect(askedFor(id)).toBe(count);
      await world.settled();
    });

    it('ends only that session of several, and later frames of it are not sent', async () => {
      const channelOf = openStore();
      const here = open({}, channelOf());
      const [a, b] = [`${name} a`, `${name} b`];
      let mayRead = true;
      const { world } = open(
        { authorize: ({ sessionId, action }) => action !== 'read' || sessionId !== a || mayRead },
        channelOf(),
      );
      const wire = readWire(
        await get(
          world,
          new URLSearchParams([
            ['id', a],
            ['id', b],
          ]).toString(),
        ),
      );
      await expect.poll(() => types(wire.frames)).toEqual(['snapshot', 'snapshot']);
      mayRead = false;
      await expect.poll(() => types(wire.of(a))).toEqual(['snapshot', 'refused']);
      await Promise.all([send(here.world, a, 'secret'), send(here.world, b, 'public')]);
      await expect.poll(() => types(wire.of(b)).at(-1)).toBe('run-end');
      expect(JSON.stringify(wire.frames)).not.toContain('secret');
      expect(types(wire.of(a))).toEqual(['snapshot', 'refused']);
      await wire.close();
    });
  },
);

describe('G10: a permission that is checked again', () => {
  it('is not ended by an error, which goes to onError', async () => {
    const { world, may, askedFor, errors } = open();
    const wire = readWire(await get(world, 'id=s'));
    const away = [
      () => Promise.reject(new Error('the database is away')),
      () => {
        throw new Error('the database is away');
      },
      () => new Response('gateway', { status: 502 }),
    ];
    for (const read of away) {
      may.read = read;
      const [before, told] = [askedFor('s'), errors.length];
      await expect.poll(() => askedFor('s')).toBeGreaterThan(before + 2);
      expect(errors.length).toBeGreaterThan(told);
    }
    await send(world, 's', 'hello');
    await expect.poll(() => last(wire)?.type).toBe('run-end');
    may.read = () => false;
    await expect.poll(() => last(wire)?.type).toBe('refused');
    expect(types(wire.frames).filter((type) => type === 'refused')).toHaveLength(1);
  });

  it('stays while authorize does not answer, and there is one call at a time', async () => {
    const { world, may, askedFor } = open();
    const wire = readWire(await get(world, 'id=s'));
    let answer: (allowed: boolean) => void = () => {};
    may.read = () => new Promise((resolve) => (answer = resolve));
    await expect.poll(() => askedFor('s')).toBe(2);
    await send(world, 's', 'one');
    await expect.poll(() => last(wire)?.type).toBe('run-end');
    await new Promise((resolve) => setTimeout(resolve, 5 * everyMs));
    expect(askedFor('s')).toBe(2);
    answer(false);
    await expect.poll(() => last(wire)?.type).toBe('refused');
  });

  it('is checked with the request of its viewer, in the context of that request', async () => {
    const user = new AsyncLocalStorage<string>();
    const seen: (readonly [string | undefined, string | null])[] = [];
    const { world } = open({
      authorize: ({ request }) => seen.push([user.getStore(), request.headers.get('x-user')]) > 0,
    });
    // The viewers share the session, and therefore its timers.
    const connect = (name: string) => user.run(name, () => get(world, 'id=s&id=t', { 'x-user': name }));
    const wires = (await Promise.all(['ann', 'bob'].map(connect))).map((response) => readWire(response));
    await user.run('eve', () => send(world, 's', 'hello'));
    const count = (name: string) => seen.filter(([, header]) => header === name).length;
    for (const name of ['ann', 'bob']) await expect.poll(() => count(name)).toBeGreaterThan(6);
    const viewers = seen.filter(([, header]) => header !== null);
    expect(viewers.every(([context, header]) => context === header)).toBe(true);
    await Promise.all(wires.map((wire) => wire.close()));
  });

  it('holds back what was read before the refusal and waits for a slow reader', async () => {
    const { world, may, askedFor } = open();
    const reader = (await get(world, 'id=a&id=b')).body!.getReader();
    // One snapshot is on its way then, and the other one waits for it to be read.
    await reader.read();
    for (const id of ['a', 'b']) await expect.poll(() => askedFor(id)).toBeGreaterThan(3);
    may.read = () => false;
    const counts = ['a', 'b'].map(askedFor);
    for (const [index, id] of ['a', 'b'].entries()) {
      await expect.poll(() => askedFor(id)).toBe(counts[index]! + 1);
    }
    let text = '';
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      text += new TextDecoder().decode(read.value);
    }
    expect(text.match(/"type":"\w+"/g)).toEqual(
      ['snapshot', 'refused', 'refused'].map((type) => `"type":"${type}"`),
    );
  });

  it('ends the connection once all of its sessions are refused', async () => {
    const { world, may } = open();
    const wire = readWire(await get(world, 'id=a&id=b&id=c'));
    await expect.poll(() => types(wire.frames)).toEqual(['snapshot', 'snapshot', 'snapshot']);
    may.read = () => false;
    await expect.poll(() => wire.ended).toBe(true);
    for (const id of ['a', 'b', 'c']) expect(types(wire.of(id))).toEqual(['snapshot', 'refused']);
  });

  it('is never checked again with Infinity; other intervals must be over 0', async () => {
    const { world, asked } = open({ reauthorizeMs: Infinity });
    const wire = readWire(await get(world, 'id=s'));
    await expect.poll(() => types(wire.frames)).toEqual(['snapshot']);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(asked).toHaveLength(1);
    await wire.close();
    for (const reauthorizeMs of [0, -1, NaN]) {
      const create = () => createDurableChat({ channel: memoryChannel(), reauthorizeMs });
      expect(create).toThrow(expect.objectContaining({ code: 'config' }));
    }
  });
});
