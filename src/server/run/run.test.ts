import type { UIMessageChunk } from 'ai';
import { afterEach, expect, it, vi } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import type { RunEnd } from '../../index.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { createWorld, sendBody } from '../../test/fixtures/world.fixture.ts';

afterEach(() => void vi.restoreAllMocks());

it('a run that failed before its turn came names no message: nothing was tried on it', async () => {
  const store = memoryChannel();
  let isDown = false;
  const ends: RunEnd[] = [];
  const called: string[] = [];
  let release = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  const world = createWorld(
    {
      ...store,
      readLog: (...args) =>
        isDown ? Promise.reject(new DurableChatError('store_failed', 'Down.')) : store.readLog(...args),
    },
    async (_request, { run }) => {
      called.push(run.id);
      await released;
      return new ReadableStream<UIMessageChunk>({ start: (controller) => controller.close() });
    },
    { onRunEnd: (end) => void ends.push(end), leaseMs: 2_000 },
  );
  const post = (text: string) =>
    world.routes.POST(
      new Request('http://durable.test/api/chat', { method: 'POST', body: sendBody('s', text) }),
    );
  const first = post('first');
  await expect.poll(() => called.length).toBe(1);
  const second = await post('second');
  const runId = second.headers.get('x-durable-run');
  // The store stays away for longer than a waiting run does.
  isDown = true;
  const now = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => now() + 10 * 60_000);
  expect(await second.text()).toContain('"type":"error"');
  isDown = false;
  release();
  await (await first).text();
  await world.settled();
  await world.chat.session('s').read();
  await expect.poll(() => ends.find((end) => end.runId === runId)).toMatchObject({ reason: 'error' });
  expect(ends.find((end) => end.runId === runId)).not.toHaveProperty('failedOn');
  expect(called).not.toContain(runId);
});
