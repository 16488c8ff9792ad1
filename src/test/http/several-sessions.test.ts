// Several sessions on one GET: each one works as if it were alone.

import type { UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import type { DurableChatOptions } from '../../index.ts';
import { encodeCursor } from '../../protocol/cursor.ts';
import type { ErrorBody } from '../../protocol/errors.ts';
import type { Frame, WireFrame } from '../../protocol/frames.ts';
import { applyFrame } from '../../protocol/fold.ts';
import { emptySession, messagesOf } from '../../protocol/session-state.ts';
import { createRandom } from '../fixtures/random.fixture.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { readWire, type Wire } from '../fixtures/wire.fixture.ts';
import { chunkHandler, createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';
import { expectExact } from '../fixtures/frames.fixture.ts';

const { stores } = useStores();
const url = 'http://durable.test/api/chat';

const delta = (text: string): UIMessageChunk => ({ type: 'text-delta', id: '0', delta: text });
const said = (...texts: string[]): UIMessageChunk[] => [
  { type: 'start' },
  { type: 'text-start', id: '0' },
  ...texts.map(delta),
  { type: 'text-end', id: '0' },
  { type: 'finish' },
];

/** The query of a GET. `after` has the cursors of the sessions that have one. */
function queryOf(ids: readonly string[], after?: ReadonlyMap<string, string>): string {
  const query = new URLSearchParams(ids.map((id) => ['id', id]));
  if (after) for (const id of ids) query.append('after', after.get(id) ?? '');
  return query.toString();
}

const get = (world: World, query: string, init?: RequestInit) =>
  world.routes.GET(new Request(`${url}?${query}`, init));
const send = async (world: World, id: string, text: string) =>
  (await world.routes.POST(new Request(url, { method: 'POST', body: sendBody(id, text) }))).text();

const codesIn = (frames: readonly WireFrame[]) =>
  frames.flatMap((frame) => (frame.type === 'refused' ? frame.error.code : []));
const types = (frames: readonly Frame[]) => frames.map(({ type }) => type);

let count = 0;
const names = (...all: string[]) => all.map((name) => `${name} ${++count}`);

describe.each(stores)('several sessions on one connection, on %s', (_, open) => {
  const worldOf = (channel = open()()) =>
    createWorld(
      channel,
      chunkHandler(async function* () {
        for (const chunk of said('one ', 'two ', 'three')) {
          yield chunk;
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      }),
    );

  it.each([1, 2])(
    'G1, G4: each one is complete and exact, over connections that break anywhere (seed %i)',
    async (seed) => {
      const random = createRandom(seed);
      const channelOf = open();
      const here = worldOf(channelOf());
      const elsewhere = worldOf(channelOf());
      const ids = names('a', 'b', 'c');
      const cursors = new Map<string, string>();
      const seen = new Map(ids.map((id) => [id, [] as WireFrame[]]));
      const sends = (async () => {
        for (let turn = 0; turn < 4; turn++) {
          await Promise.all(
            ids.filter(() => random.chance(0.6)).map((id) => send(here, id, `${id} says ${turn}`)),
          );
        }
        await Promise.all(ids.map((id) => send(here, id, `${id} says last`)));
        await here.settled();
      })();
      /** Only frames before a cursor count as received. */
      const take = (wire: Wire) => {
        const group = new Map<string, WireFrame[]>();
        for (const {
          frame: { sessionId = '', ...frame },
          id,
        } of wire.events) {
          const frames = [...(group.get(sessionId) ?? []), frame as WireFrame]; // without its name it is a frame
          group.set(sessionId, id === undefined ? frames : []);
          if (id === undefined) continue;
          cursors.set(sessionId, id);
          seen.get(sessionId)!.push(...frames);
        }
      };
      const isWhole = (id: string) =>
        JSON.stringify(seen.get(id)).includes(`${id} says last`) && seen.get(id)!.at(-1)?.type === 'run-end';
      while (!ids.every(isWhole)) {
        const wire = readWire(await get(random.pick([here, elsewhere]), queryOf(ids, cursors)));
        expect(wire.status).toBe(200);
        const enough = random.int(1, 12);
        await Promise.race([
          expect.poll(() => wire.events.length, { interval: 5 }).toBeGreaterThanOrEqual(enough),
          new Promise((resolve) => setTimeout(resolve, 500)),
        ]);
        await wire.close();
        take(wire);
      }
      await sends;
      for (const id of ids) {
        expectExact(seen.get(id)!);
        const { messages } = await here.chat.session(id).read();
        expect(messagesOf(seen.get(id)!.reduce(applyFrame, emptySession))).toEqual(messages);
      }
    },
  );

  it('one that is deleted while it is watched begins again, and the others continue', async () => {
    const channelOf = open();
    const here = worldOf(channelOf());
    const ids = names('kept', 'gone');
    const [kept = '', gone = ''] = ids;
    await Promise.all(ids.map((id) => send(here, id, 'hello')));
    await here.settled();
    const wire = readWire(await get(worldOf(channelOf()), queryOf(ids)));
    await expect.poll(() => wire.frames.length).toBe(2);
    await here.chat.session(gone).delete();
    await expect.poll(() => types(wire.of(gone))).toEqual(['snapshot', 'reset', 'snapshot']);
    expect(wire.of(gone).at(-1)).toMatchObject({ messages: [] });
    await send(here, kept, 'again');
    await expect.poll(() => types(wire.of(kept)).at(-1)).toBe('run-end');
    expect(types(wire.of(kept))).not.toContain('reset');
    expect(types(wire.of(gone))).toHaveLength(3);
    await wire.close();
  });
});

describe('a session among several', () => {
  const worldOf = (options: Omit<DurableChatOptions, 'channel'>, channel = memoryChannel()) =>
    createWorld(
      channel,
      chunkHandler(() => said('fine')),
      options,
    );

  it('that cannot be opened is refused in a frame, and does not delay the others', async () => {
    const errors: unknown[] = [];
    const store = memoryChannel();
    const world = worldOf(
      {
        limits: { viewersPerSession: 1 },
        onError: (error, { sessionId }) => errors.push([sessionId, (error as Error).message]),
        authorize: async ({ sessionId }) => {
          if (sessionId === 'never') return new Promise<never>(() => {});
          if (sessionId === 'thrown') throw new Error('the database is away');
          if (sessionId === 'answered') return new Response('pay first', { status: 429 });
          return sessionId === 'nobody' ? null : sessionId !== 'forbidden';
        },
      },
      {
        ...store,
        readLog: async (id, ...rest) =>
          id === 'unread' ? Promise.reject(new Error('no store')) : store.readLog(id, ...rest),
      },
    );
    const full = readWire(await get(world, 'id=full'));
    await expect.poll(() => full.frames.length).toBe(1);
    const ids = ['never', 'forbidden', 'nobody', 'thrown', 'answered', 'unread', 'cursor', 'full', 'fine'];
    const after = new Map([['cursor', encodeCursor('fine', { log: '', runs: {} })]]);
    const wire = readWire(await get(world, queryOf(ids, after)));
    expect(wire.status).toBe(200);
    await expect.poll(() => types(wire.of('fine'))).toEqual(['snapshot']);
    await send(world, 'fine', 'hello');
    await expect.poll(() => types(wire.of('fine')).at(-1)).toBe('run-end');
    await expect.poll(() => codesIn(wire.of('unread'))).toHaveLength(1);
    const codes = Object.fromEntries(ids.map((id) => [id, codesIn(wire.of(id)).join()]));
    expect(codes).toEqual({
      never: '',
      forbidden: 'forbidden',
      nobody: 'unauthorized',
      thrown: 'handler_failed',
      answered: 'too_many',
      unread: expect.stringMatching(/^(store|handler)_failed$/) as string,
      cursor: 'invalid_cursor',
      full: 'too_many',
      fine: '',
    });
    expect(JSON.stringify(wire.frames)).not.toMatch(/database|no store/);
    expect(errors).toContainEqual(['thrown', 'the database is away']);
    // Each of them has sent its last frame.
    for (const id of ids.slice(1, -1)) expect(types(wire.of(id))).toEqual(['refused']);
    await wire.close();
    await full.close();
  });

  it('that fails later is refused in a frame; a connection of its own just ends', async () => {
    let isAway = false;
    const world = worldOf({
      loadMessages: () => {
        if (isAway) throw new Error('the database is away');
        return [];
      },
    });
    await send(world, 'a', 'hello');
    await world.settled();
    const [alone, both] = [readWire(await get(world, 'id=a')), readWire(await get(world, 'id=a&id=b'))];
    await expect.poll(() => types(alone.frames)).toEqual(['snapshot']);
    await expect.poll(() => types(both.frames)).toEqual(['snapshot', 'snapshot']);
    isAway = true;
    // What the app keeps is asked for.
    await world.chat.session('a').delete();
    await expect.poll(() => alone.ended).toBe(true);
    expect(types(alone.frames)).toEqual(['snapshot', 'reset']);
    await expect.poll(() => types(both.of('a'))).toEqual(['snapshot', 'reset', 'refused']);
    expect(codesIn(both.of('a'))).toEqual(['handler_failed']);
    isAway = false;
    await send(world, 'b', 'hello');
    await expect.poll(() => types(both.of('b')).at(-1)).toBe('run-end');
    await both.close();
  });

  it('gives the status of the first one if none can be opened', async () => {
    const world = worldOf({
      authorize: async ({ sessionId }) => {
        // The first one takes the longest.
        if (sessionId === 'a') await new Promise((resolve) => setTimeout(resolve, 20));
        return sessionId === 'a' ? null : new Response('pay first', { status: 402 });
      },
    });
    const refused = await get(world, 'id=a&id=b');
    expect([refused.status, ((await refused.json()) as ErrorBody).error.code]).toEqual([401, 'unauthorized']);
    const paid = await get(world, 'id=b&id=a');
    expect([paid.status, await paid.text()]).toEqual([402, 'pay first']);
    expect((await get(world, 'id=a&id=b', { method: 'HEAD' })).status).toBe(401);
    expect((await get(world, 'id=b&id=a', { method: 'HEAD' })).status).toBe(402);
  });

  it('releases the store and its place among the viewers when the connection ends', async () => {
    const world = worldOf({ limits: { viewersPerSession: 1 } });
    for (let times = 0; times < 3; times++) {
      const wire = readWire(await get(world, 'id=a&id=b&id=c'));
      await expect.poll(() => types(wire.frames)).toEqual(['snapshot', 'snapshot', 'snapshot']);
      await wire.close();
    }
    const leave = new AbortController();
    leave.abort();
    expect(await (await get(world, 'id=a&id=b', { signal: leave.signal })).text()).not.toContain('data:');
    const wire = readWire(await get(world, 'id=a&id=b'));
    await expect.poll(() => codesIn(wire.frames).length + wire.frames.length).toBe(2);
    expect(types(wire.frames)).toEqual(['snapshot', 'snapshot']);
    await wire.close();
  });

  it('is read at the speed of its reader: a slow one gets fewer frames, with the whole text', async () => {
    const channel = memoryChannel();
    const world = worldOf({}, channel);
    const ids = ['a', 'b', 'c'];
    let open = () => {};
    const held = new Promise<void>((resolve) => (open = resolve));
    const wire: Wire = readWire(await get(world, queryOf(ids)), async () => {
      if (wire && wire.frames.length >= ids.length) await held;
    });
    const fast = readWire(await get(world, queryOf(ids)));
    for (const viewer of [wire, fast]) {
      await expect.poll(() => types(viewer.frames)).toEqual(['snapshot', 'snapshot', 'snapshot']);
    }
    for (const id of ids) {
      const start = {
        type: 'run-start',
        runId: `r${id}`,
        messageId: 'm',
        trigger: 'submit-message',
        at: 0,
      } as const;
      const lease = { type: 'take', runId: start.runId, ms: 60_000 } as const;
      await channel.append(id, { key: 'start', frames: [start] }, { lease });
    }
    const chunks = said(...Array.from({ length: 500 }, (_, index) => `${index} `));
    for (const [index, chunk] of chunks.entries()) {
      for (const id of ids) await channel.write(id, `r${id}`, index, [chunk]);
    }
    const textOf = (frames: readonly Frame[]) =>
      frames.flatMap((frame) => (frame.type === 'chunks' ? frame.chunks : []));
    // The server has the whole answer.
    for (const id of ids) await expect.poll(() => textOf(fast.of(id))).toEqual(chunks);
    open();
    for (const id of ids) {
      await expect.poll(() => textOf(wire.of(id))).toEqual(chunks);
      expect(types(wire.of(id)).filter((type) => type === 'chunks').length).toBeLessThan(5);
    }
    await Promise.all([wire.close(), fast.close()]);
  });

  it('32 sessions on one connection make Node emit no warning', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => void warnings.push(warning);
    process.on('warning', note);
    try {
      const ids = names(...Array.from({ length: 32 }, () => 'quiet'));
      const wire = readWire(await get(worldOf({}), queryOf(ids)));
      await expect.poll(() => types(wire.frames)).toEqual(ids.map(() => 'snapshot'));
      await wire.close();
      // Node emits a warning in a later turn.
      await new Promise((resolve) => setImmediate(resolve));
      expect(warnings).toEqual([]);
    } finally {
      process.off('warning', note);
    }
  });
});
