// The stream of a run is evicted or expires while its session still exists.

import type { UIMessageChunk } from 'ai';
import { expect, it } from 'vitest';
import type { Frame } from '../../protocol/frames.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { textOf } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';

const { stores, server } = useStores();
const openStore = stores.find(([name]) => name === 'upstash')![1];
const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 15_000 });
const delta = (text: string): UIMessageChunk => ({ type: 'text-delta', id: '0', delta: text });

/** A source whose chunks the test pushes. */
function pushed() {
  let push: (chunk: UIMessageChunk | undefined) => void = () => {};
  const chunks = new ReadableStream<UIMessageChunk>({
    start(controller) {
      push = (chunk) => (chunk ? controller.enqueue(chunk) : controller.close());
    },
  });
  return { chunks, push: (chunk: UIMessageChunk) => push(chunk), end: () => push(undefined) };
}

async function send(world: World, id: string, text: string): Promise<string> {
  const request = new Request('http://durable.test/api/chat', { method: 'POST', body: sendBody(id, text) });
  const response = await world.routes.POST(request);
  void response.text().catch(() => {});
  return response.headers.get('x-durable-run')!;
}

/** What a viewer is shown of the session's first run; throws at a gap or a double. */
function watch({ chat }: World, id: string) {
  const leaving = new AbortController();
  const frames: Frame[] = [];
  const done = (async () => {
    for await (const { frame } of chat.session(id).follow({ signal: leaving.signal })) frames.push(frame);
  })();
  return {
    text() {
      let count = 0;
      let text = '';
      for (const frame of frames) {
        if (frame.type === 'snapshot') {
          count = frame.runs[0]?.count ?? 0;
          text = (frame.runs[0]?.chunks ?? []).map(wordOf).join('');
        }
        if (frame.type !== 'chunks' || frame.runId !== firstRun(frames)) continue;
        expect(frame.from).toBe(count);
        count += frame.chunks.length;
        text += frame.chunks.map(wordOf).join('');
      }
      return text;
    },
    types: () => frames.map(({ type }) => type),
    close: () => leaving.abort(),
    done,
  };
}

function firstRun(frames: readonly Frame[]): string | undefined {
  for (const frame of frames) {
    if (frame.type === 'run-start') return frame.runId;
    if (frame.type === 'snapshot' && frame.runs[0]) return frame.runs[0].runId;
  }
  return undefined;
}

function wordOf(chunk: UIMessageChunk): string {
  return chunk.type === 'text-delta' ? chunk.delta : '';
}

it('G1: the run continues, viewers and later viewers get all of it, and its stream expires', async () => {
  const id = 'vanished';
  const open = openStore({ ttl: 600 });
  const source = pushed();
  const worlds = [0, 1, 2].map(() =>
    createWorld(
      open(),
      chunkHandler(() => source.chunks),
      { flushIntervalMs: 5 },
    ),
  );
  const [here, there, elsewhere] = worlds as [World, World, World];
  const early = watch(there, id);
  await eventually(early.types).toEqual(['snapshot']);
  const runId = await send(here, id, 'go');
  const stream = `dc:{${id}}:run:${runId}`;
  for (const chunk of [
    { type: 'start' },
    { type: 'text-start', id: '0' },
    delta('one '),
    delta('two '),
  ] as const) {
    source.push(chunk);
  }
  await eventually(early.text).toBe('one two ');
  for (const [index, word] of ['three ', 'four ', 'five '].entries()) {
    // While the run is silent, so that the next batch is the first that finds the stream gone.
    await server().command('DEL', stream);
    source.push(delta(word));
    await eventually(() => server().command('EXISTS', stream)).toBe(1);
    expect(await server().command('TTL', stream)).toBeGreaterThan(500);
    const soFar = ['one two three ', 'one two three four ', 'one two three four five '][index]!;
    await eventually(early.text).toBe(soFar);
    const late = watch(
      createWorld(open(), () => []),
      id,
    );
    await eventually(late.text).toBe(soFar);
    late.close();
    await late.done;
  }
  const joined = watch(elsewhere, id);
  await eventually(joined.text).toBe('one two three four five ');
  source.push({ type: 'text-end', id: '0' });
  source.push({ type: 'finish' });
  source.end();
  await here.settled();
  for (const viewer of [early, joined]) {
    await eventually(() => viewer.types().at(-1)).toBe('run-end');
    expect(viewer.text()).toBe('one two three four five ');
    viewer.close();
    await viewer.done;
  }
  for (const world of worlds) {
    const { messages } = await world.chat.session(id).read();
    expect(messages.map((message) => textOf(message))).toEqual(['go', 'one two three four five ']);
  }
});

it('a run that is longer than `ttl` is written while its session exists, and leaves no key without an expiry', async () => {
  const id = 'outlives';
  const source = pushed();
  const handler = chunkHandler(() => source.chunks);
  const world = createWorld(openStore({ ttl: 3 })(), handler, { flushIntervalMs: 5 });
  const runId = await send(world, id, 'go');
  source.push({ type: 'start' });
  source.push({ type: 'text-start', id: '0' });
  source.push(delta('one '));
  const stream = `dc:{${id}}:run:${runId}`;
  const exists = () => server().command('EXISTS', stream);
  await eventually(exists).toBe(1);
  // Sends that wait renew the session.
  for (let sends = 0; (await exists()) === 1; sends++) {
    await send(world, id, `wait ${sends}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  source.push(delta('two '));
  await eventually(exists).toBe(1);
  const viewer = watch(
    createWorld(openStore()(), () => []),
    id,
  );
  await eventually(viewer.text).toBe('one two ');
  const keys = (await server().command('KEYS', `dc:{${id}}*`)) as string[];
  for (const key of keys) expect([key, await server().command('TTL', key)]).not.toEqual([key, -1]);
  viewer.close();
  await viewer.done;
  await world.chat.session(id).delete();
  await world.settled();
});
