import type { UIMessageChunk } from 'ai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { memoryChannel } from '../../channel/memory.ts';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import type { Runtime } from '../../lib/runtime.ts';
import { encodeCursor } from '../../protocol/cursor.ts';
import type { Frame, LogFrame, SnapshotFrame } from '../../protocol/frames.ts';
import { createSseParser, type SseEvent } from '../../protocol/sse.ts';
import { foldChunks } from '../../test/fixtures/chunks.fixture.ts';
import { createRandom } from '../../test/fixtures/random.fixture.ts';
import { simulatedTime } from '../../test/fixtures/simulated-time.fixture.ts';
import { createWorld, sendBody, type World } from '../../test/fixtures/world.fixture.ts';
import { startUpstashServer, type FaultRequest, type UpstashServer } from '../../testing/upstash-server.ts';
import { expectExact, start } from '../../test/fixtures/frames.fixture.ts';

const url = 'http://durable.test/api/chat';
const delta = (text: string): UIMessageChunk => ({ type: 'text-delta', id: '0', delta: text });
const opening: UIMessageChunk[] = [{ type: 'start' }, { type: 'text-start', id: '0' }];
const ending: UIMessageChunk[] = [{ type: 'text-end', id: '0' }, { type: 'finish' }];

let server: UpstashServer;
beforeAll(async () => {
  server = await startUpstashServer();
});
afterAll(() => server.close());
afterEach(() => server.faults.clear());

const stores: Record<string, () => Channel> = {
  memory: memoryChannel,
  upstash: () => upstashChannel({ url: server.url, token: server.token }),
};

let sessions = 0;
/** A world whose handler emits what the test pushes, until the test finishes it. */
function open(channel: Channel, options: { flushIntervalMs?: number } = {}, runtime?: Runtime) {
  const pushes: ((...chunks: UIMessageChunk[]) => void)[] = [];
  const finishes: (() => void)[] = [];
  const world = createWorld(
    channel,
    (request) =>
      new ReadableStream<UIMessageChunk>({
        start(controller) {
          let over = false;
          const close = () => {
            if (!over) controller.close();
            over = true;
          };
          request.signal.addEventListener('abort', close);
          pushes.push((...chunks) => {
            for (const chunk of chunks) controller.enqueue(chunk);
          });
          finishes.push(close);
        },
      }),
    options,
    runtime,
  );
  const sessionId = `view ${++sessions}`;
  return {
    world,
    sessionId,
    send: (text: string) =>
      world.routes.POST(new Request(url, { method: 'POST', body: sendBody(sessionId, text) })),
    async say(run: number, ...chunks: UIMessageChunk[]) {
      await expect.poll(() => pushes.length).toBeGreaterThan(run);
      pushes[run]!(...chunks);
    },
    async finish(run: number) {
      await this.say(run, ...ending);
      finishes[run]!();
    },
  };
}

interface Watch {
  readonly events: SseEvent[];
  readonly frames: Frame[];
  readonly bytes: number;
  readonly status: number;
  close(): Promise<void>;
}

/** A viewer over the real route. */
async function watch(world: World, sessionId: string, after?: string): Promise<Watch> {
  const query = new URLSearchParams({ id: sessionId, ...(after !== undefined && { after }) });
  const response = await world.routes.GET(new Request(`${url}?${query.toString()}`));
  const reader = response.body!.getReader();
  const events: SseEvent[] = [];
  const frames: Frame[] = [];
  let bytes = 0;
  const decoder = new TextDecoder();
  const feed = createSseParser((event) => {
    events.push(event);
    frames.push(JSON.parse(event.data) as Frame);
  });
  void (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      bytes += value.byteLength;
      feed(decoder.decode(value, { stream: true }));
    }
  })();
  return {
    events,
    frames,
    get bytes() {
      return bytes;
    },
    status: response.status,
    close: () => reader.cancel(),
  };
}

/**
 * What a viewer received, independent of batches: the log's frames in order, and each run's chunks by number. The order
 * between frames and chunks is not guaranteed, except for the end of a run, see `expectExact`.
 */
function seenIn(frames: readonly Frame[]): {
  log: Frame[];
  chunks: Record<string, [number, UIMessageChunk][]>;
} {
  const chunks: Record<string, [number, UIMessageChunk][]> = {};
  for (const frame of frames) {
    if (frame.type !== 'chunks') continue;
    const known = (chunks[frame.runId] ??= []);
    for (const [index, chunk] of frame.chunks.entries()) known.push([frame.from + index, chunk]);
  }
  return { log: frames.filter(({ type }) => type !== 'chunks'), chunks };
}

const countOf = (frames: readonly Frame[]) => Object.values(seenIn(frames).chunks).flat().length;
const textOf = (frames: readonly Frame[]) =>
  frames
    .flatMap((frame) => (frame.type === 'chunks' ? frame.chunks : []))
    .map((chunk) => (chunk.type === 'text-delta' ? chunk.delta : ''))
    .join('');
const has = (frames: readonly Frame[], type: Frame['type']) => frames.some((frame) => frame.type === type);

describe.each(Object.keys(stores))('viewer on %s', (store) => {
  const channelOf = () => stores[store]!();

  it('G1: resumes from every cursor of a session with exactly the rest, on another server', async () => {
    const channel = channelOf();
    const here = open(channel);
    const live = await watch(here.world, here.sessionId);
    const first = await here.send('one');
    await here.say(0, ...opening);
    const second = await here.send('two');
    const third = await here.send('three');
    for (let index = 0; index < 12; index++) {
      await here.say(0, delta(`${index} `));
      const count = index + 3;
      await expect.poll(() => countOf(live.frames)).toBe(count);
    }
    await here.world.routes.DELETE(
      new Request(
        `${url}?id=${encodeURIComponent(here.sessionId)}&durable=stop&runId=${third.headers.get('x-durable-run')}`,
        { method: 'DELETE' },
      ),
    );
    await here.finish(0);
    await here.say(1, ...opening, delta('b'));
    await here.finish(1);
    await Promise.all([first.text(), second.text(), third.text()]);
    await here.world.settled();
    // The last frame of the session, so that a resume with too many frames is detected.
    const last: LogFrame = { type: 'message', message: { id: 'last', role: 'user', parts: [] } };
    await channel.append(here.sessionId, { key: 'last', frames: [last] }, {});
    const over = (frames: readonly Frame[]) => JSON.stringify(frames.at(-1)) === JSON.stringify(last);
    await expect.poll(() => over(live.frames)).toBe(true);
    await live.close();
    expectExact(live.frames);

    const elsewhere = open(channel);
    let tried = 0;
    for (const [index, event] of live.events.entries()) {
      if (event.id === undefined) continue;
      tried++;
      const rest = live.frames.slice(index + 1);
      if (rest.length === 0) continue;
      const resumed = await watch(elsewhere.world, here.sessionId, event.id);
      await expect.poll(() => over(resumed.frames)).toBe(true);
      await resumed.close();
      expect(seenIn(resumed.frames)).toEqual(seenIn(rest));
    }
    expect(tried).toBeGreaterThan(20);
  });

  it('G1: resumes during a run from every cursor, and gets the rest live', async () => {
    const here = open(channelOf());
    const live = await watch(here.world, here.sessionId);
    const response = await here.send('one');
    await here.say(0, ...opening, delta('a'));
    await expect.poll(() => textOf(live.frames)).toBe('a');
    await here.say(0, delta('b'));
    await expect.poll(() => textOf(live.frames)).toBe('ab');
    const cursors = live.events.flatMap(({ id }, index) => (id === undefined ? [] : [[id, index] as const]));
    const resumed = await Promise.all(cursors.map(([id]) => watch(here.world, here.sessionId, id)));
    await here.say(0, delta('c'));
    await here.finish(0);
    await response.text();
    for (const [place, viewer] of resumed.entries()) {
      await expect.poll(() => has(viewer.frames, 'run-end')).toBe(true);
      const [, index] = cursors[place]!;
      await expect.poll(() => has(live.frames, 'run-end')).toBe(true);
      expect(seenIn(viewer.frames)).toEqual(seenIn(live.frames.slice(index + 1)));
      await viewer.close();
    }
    await live.close();
  });

  it('G7: shows no chunk that the log does not hold', async () => {
    const channel = channelOf();
    let release: () => void = () => {};
    let held: Promise<void> | undefined;
    const here = open({
      ...channel,
      write: async (...args) => {
        await held;
        return channel.write(...args);
      },
    });
    const live = await watch(here.world, here.sessionId);
    held = new Promise((resolve) => (release = resolve));
    const response = await here.send('one');
    const sender = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    await here.say(0, ...opening, delta('secret'));
    // The sender can be ahead. A subscriber never is.
    let told = '';
    while (!told.includes('secret')) told += (await sender.read()).value;
    await expect.poll(() => has(live.frames, 'run-start')).toBe(true);
    const late = await watch(here.world, here.sessionId);
    await expect.poll(() => late.frames.length).toBe(1);
    for (const viewer of [live, late]) {
      expect(has(viewer.frames, 'chunks')).toBe(false);
      expect(JSON.stringify(viewer.frames)).not.toContain('secret');
    }
    expect((late.frames[0] as SnapshotFrame).runs).toMatchObject([{ count: 0, chunks: [] }]);
    release();
    for (const viewer of [live, late]) {
      await expect.poll(() => textOf(viewer.frames)).toBe('secret');
      await viewer.close();
    }
    await here.finish(0);
    await sender.cancel();
    await here.world.settled();
  });

  it('G9: joining a running answer of 10,000 deltas costs what its text costs', async () => {
    const here = open(channelOf());
    const response = await here.send('one');
    const texts = Array.from({ length: 10_000 }, (_, index) => `word${index} `);
    await here.say(0, ...opening, ...texts.map(delta));
    const text = texts.join('');
    const elsewhere = here.world;
    await expect
      .poll(
        async () => {
          const viewer = await watch(elsewhere, here.sessionId);
          // Chunks may have come after it already.
          await expect.poll(() => viewer.frames.length).toBeGreaterThan(0);
          await viewer.close();
          return (viewer.frames[0] as SnapshotFrame).runs[0]?.count;
        },
        { timeout: 10_000 },
      )
      .toBe(10_002);
    const viewer = await watch(elsewhere, here.sessionId);
    await expect.poll(() => viewer.frames.length).toBe(1);
    expect(viewer.bytes).toBeLessThanOrEqual(1.2 * text.length + 2_048);
    const message = await foldChunks((viewer.frames[0] as SnapshotFrame).runs[0]!.chunks);
    expect(message!.parts).toMatchObject([{ type: 'text', text }]);
    // The stream continues after the snapshot.
    await here.say(0, delta('more'));
    await expect.poll(() => textOf(viewer.frames)).toBe('more');
    expectExact(viewer.frames);
    await viewer.close();
    await here.finish(0);
    await response.body!.cancel();
    await here.world.settled();
  });

  it('a cursor that the store does not know gets a reset and a snapshot', async () => {
    const here = open(channelOf());
    for (const log of ['12345-6', '99999999999999-0']) {
      const viewer = await watch(
        here.world,
        here.sessionId,
        encodeCursor(here.sessionId, { log, runs: { r: 5 } }),
      );
      await expect.poll(() => viewer.frames.map(({ type }) => type)).toEqual(['reset', 'snapshot']);
      expect(viewer.status).toBe(200);
      await viewer.close();
    }
  });
});

describe('viewer and its store', () => {
  it('a cursor from before the store was emptied gets a reset, and the next answer is shown', async () => {
    const here = open(stores['upstash']!());
    const live = await watch(here.world, here.sessionId);
    const response = await here.send('one');
    await here.say(0, ...opening, delta('gone'));
    await here.finish(0);
    await response.text();
    await expect.poll(() => has(live.frames, 'run-end')).toBe(true);
    await live.close();
    const cursors = live.events.flatMap(({ id }) => id ?? []).slice(1);
    await here.world.settled();
    await server.command('FLUSHALL');
    for (const cursor of cursors) {
      const elsewhere = open(stores['upstash']!());
      const viewer = await watch(elsewhere.world, here.sessionId, cursor);
      await expect.poll(() => viewer.frames.map(({ type }) => type)).toEqual(['reset', 'snapshot']);
      expect(viewer.frames[1]).toMatchObject({ messages: [], runs: [] });
      await viewer.close();
    }
  });

  // A joining viewer must not read the chunks of ended runs.
  it('G9: joining costs the same number of requests after many answers as after few', async () => {
    const costOf = async (answers: number) => {
      const here = open(stores['upstash']!());
      for (let index = 0; index < answers; index++) {
        const response = await here.send(`question ${index}`);
        await here.say(index, ...opening, delta('x'));
        await here.finish(index);
        await response.text();
        await here.world.settled();
      }
      // Through its own client, so that the writer's requests are not counted.
      const channel = stores['upstash']!();
      let requests = 0;
      const counted = Object.fromEntries(
        Object.entries(channel).map(([name, method]) => [
          name,
          (...args: unknown[]) => {
            requests++;
            return (method as (...all: unknown[]) => unknown)(...args);
          },
        ]),
      ) as unknown as Channel; // the same methods under the same names
      const viewer = await watch(open(counted).world, here.sessionId);
      await expect.poll(() => viewer.frames.length).toBe(1);
      expect((viewer.frames[0] as SnapshotFrame).messages.length).toBe(2 * answers);
      await viewer.close();
      return requests;
    };
    expect(await costOf(20)).toBe(await costOf(2));
  });

  it.each([
    ['every wake-up is lost', { kind: 'drop-publish' }],
    ['every wake-up comes twice', { kind: 'duplicate-publish' }],
  ] as const)('G1: the text is complete and exact when %s', async (_, fault) => {
    const here = open(stores['upstash']!());
    const response = await here.send('one');
    const live = await watch(here.world, here.sessionId);
    const elsewhere = await watch(open(stores['upstash']!()).world, here.sessionId);
    for (const viewer of [live, elsewhere]) await expect.poll(() => viewer.frames.length).toBe(1);
    server.faults.inject(fault);
    await here.say(0, ...opening);
    for (let index = 0; index < 5; index++) await here.say(0, delta(`${index} `));
    await here.finish(0);
    await response.text();
    await here.world.settled();
    for (const viewer of [live, elsewhere]) {
      await expect.poll(() => has(viewer.frames, 'run-end'), { timeout: 25_000 }).toBe(true);
      expect(textOf(viewer.frames)).toBe('0 1 2 3 4 ');
      expectExact(viewer.frames);
      await viewer.close();
    }
  });

  it.each(['end', 'reset', 'silence'] as const)(
    'G1: the text is complete and exact when the subscription dies (%s), twice',
    async (how) => {
      const here = open(stores['upstash']!());
      const elsewhere = open(stores['upstash']!());
      const live = await watch(elsewhere.world, here.sessionId);
      const response = await here.send('one');
      await here.say(0, ...opening, delta('a'));
      await expect.poll(() => textOf(live.frames)).toBe('a');
      for (const text of ['b', 'c']) {
        server.faults.dropSubscriptions(how);
        await here.say(0, delta(text));
        await expect.poll(() => textOf(live.frames), { timeout: 10_000 }).toContain(text);
      }
      await here.finish(0);
      await response.text();
      await expect.poll(() => has(live.frames, 'run-end'), { timeout: 10_000 }).toBe(true);
      expect(textOf(live.frames)).toBe('abc');
      expectExact(live.frames);
      await live.close();
      await here.world.settled();
    },
  );

  it('G1: a subscription that dies while the start of a run is being read is detected within seconds', async () => {
    const here = open(stores['upstash']!());
    const live = await watch(open(stores['upstash']!()).world, here.sessionId);
    await expect.poll(() => live.frames.length).toBe(1);
    // The wake-ups arrive before the log has been read, and no further one arrives.
    const isLogRead = ({ commands }: FaultRequest) =>
      commands.length === 1 && commands[0]![0] === 'XRANGE' && commands[0]![1]!.endsWith(':log');
    server.faults.inject({ kind: 'delay', ms: 600 }, { match: isLogRead });
    server.resetCounts();
    const response = await here.send('one');
    await here.say(0, ...opening, delta('a'));
    await expect.poll(() => server.counts()['XADD'], { timeout: 10_000 }).toBe(2);
    server.faults.dropSubscriptions('silence');
    await expect.poll(() => textOf(live.frames), { timeout: 10_000 }).toBe('a');
    server.faults.clear();
    await here.say(0, delta('b'));
    await expect.poll(() => textOf(live.frames), { timeout: 10_000 }).toBe('ab');
    await here.finish(0);
    await response.text();
    await live.close();
    await here.world.settled();
  });

  it('G1: a withdrawal that came too late removes nothing', async () => {
    const channel = memoryChannel();
    const here = open(channel);
    const lease = { type: 'take', runId: 'r', ms: 60_000 } as const;
    await channel.append(here.sessionId, { key: 'start', frames: [start('r', 'm')] }, { lease });
    const viewer = await watch(here.world, here.sessionId);
    await channel.append(here.sessionId, { key: 'late', frames: [{ type: 'run-withdraw', runId: 'r' }] }, {});
    await channel.write(here.sessionId, 'r', 0, [...opening, delta('a')]);
    await expect.poll(() => textOf(viewer.frames)).toBe('a');
    await viewer.close();
  });

  it('G1: a wake-up with known and new chunks adds only the new ones', async () => {
    const channel = memoryChannel();
    const here = open(channel);
    const lease = { type: 'take', runId: 'r', ms: 60_000 } as const;
    await channel.append(here.sessionId, { key: 'start', frames: [start('r', 'm')] }, { lease });
    const viewer = await watch(here.world, here.sessionId);
    await expect.poll(() => viewer.frames.length).toBe(1);
    const chunks = [...opening, delta('a'), delta('b'), delta('c')];
    for (const [from, to] of [
      [0, 3],
      [0, 4],
      [2, 5],
      [1, 3],
    ] as const) {
      await channel.write(here.sessionId, 'r', from, chunks.slice(from, to));
    }
    await expect.poll(() => textOf(viewer.frames)).toBe('abc');
    expectExact(viewer.frames);
    await viewer.close();
  });

  it.each(Array.from({ length: 16 }, (_, index) => index + 1))(
    'G1: the text is complete and exact when wake-ups are lost, doubled, late and out of order (seed %i)',
    async (seed) => {
      const time = simulatedTime(seed);
      const pause = time.play();
      const random = createRandom(seed);
      const channel = memoryChannel({}, time);
      const unreliable: Channel = {
        ...channel,
        subscribe: (sessionId, onWake) =>
          channel.subscribe(sessionId, (wake) => {
            if (random() < 0.2) return;
            for (let copies = random() < 0.3 ? 2 : 1; copies > 0; copies--) {
              time.schedule(() => onWake(wake), random() * 40);
            }
          }),
      };
      const here = open(channel, { flushIntervalMs: 1 }, time);
      const viewers = await Promise.all(
        [1, 2, 3].map(() => watch(open(unreliable, {}, time).world, here.sessionId)),
      );
      const response = await here.send('one');
      await here.say(0, ...opening);
      for (let index = 0; index < 40; index++) {
        await here.say(0, delta(`${index} `));
        // One write, and therefore one wake-up, per chunk.
        const stored = async () => (await channel.readRun(here.sessionId, runId, 0)).chunks.length;
        const runId = response.headers.get('x-durable-run')!;
        await expect.poll(stored, { interval: 1 }).toBe(index + 3);
      }
      await here.finish(0);
      await response.body!.cancel();
      await here.world.settled();
      const whole = Array.from({ length: 40 }, (_, index) => `${index} `).join('');
      for (const viewer of viewers) {
        await expect.poll(() => has(viewer.frames, 'run-end'), { interval: 1 }).toBe(true);
        expect(textOf(viewer.frames)).toBe(whole);
        expectExact(viewer.frames);
        await viewer.close();
      }
      pause();
    },
  );
});
