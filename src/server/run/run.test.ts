import type { UIMessage, UIMessageChunk } from 'ai';
import { afterEach, expect, it, vi } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { memoryChannel } from '../../channel/memory.ts';
import type { RunEnd } from '../../index.ts';
import { systemRuntime } from '../../lib/runtime.ts';
import { entries } from '../../protocol/entries.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { createWorld, sendBody } from '../../test/fixtures/world.fixture.ts';
import type { Session } from '../follow/session.ts';
import { createSessions, type Sessions } from '../follow/sessions.ts';
import { settingsOf } from '../settings.ts';
import { createReplyStream } from './reply-stream.ts';
import { startRun } from './run.ts';
import { placedRun } from './turn.ts';

afterEach(() => void vi.restoreAllMocks());

const message: UIMessage = { id: 'u1', role: 'user', parts: [{ type: 'text', text: 'Hi' }] };

function sessionsOn(channel: Channel): Sessions {
  const rest = { runtime: systemRuntime, leaseMs: 15_000, onReaped: () => {}, viewersPerSession: 1 };
  return createSessions({ channel, ...rest });
}

/** Stores the start of the run `r1`. */
async function begin(session: Session): Promise<void> {
  await session.ready;
  const frames = [{ type: 'message', message } as const];
  const run = { runId: 'r1', messageId: 'a1', trigger: 'submit-message', at: 0 } as const;
  await session.append(entries.start(run, { frames, when: [], epoch: '' }));
  await session.refresh();
}

it('a run that failed before its turn sets no failedOn', async () => {
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
  // The store fails for longer than a waiting run waits.
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

it('a run needs no request and no reader: the log says what it is to do', async () => {
  const sessions = sessionsOn(memoryChannel());
  const read: unknown[] = [];
  await sessions.use('s', async (session) => {
    await begin(session);
    const placed = placedRun(session.state, 'r1');
    expect(placed).toMatchObject({ messageId: 'a1', question: 'u1', queued: false });
    const { started, ended } = startRun(session, placed, {
      invoke: async (handlerRun, history) => {
        read.push([handlerRun.id, handlerRun.messageId, history]);
        const text: UIMessageChunk = { type: 'text-delta', id: '0', delta: 'Hello' };
        return new ReadableStream<UIMessageChunk>({
          start(controller) {
            for (const chunk of [{ type: 'text-start', id: '0' } as const, text]) controller.enqueue(chunk);
            controller.close();
          },
        });
      },
      settings: settingsOf({}, systemRuntime).sends.runs,
      deadline: undefined,
    });
    expect(await started).toEqual({ type: 'streaming' });
    expect(await ended).toEqual({ reason: 'finish' });
    await session.refresh();
    expect(read).toEqual([['r1', 'a1', [message]]]);
    expect(session.state.byId.get('a1')?.parts).toMatchObject([{ type: 'text', text: 'Hello' }]);
    expect(session.state.active).toEqual([]);
    expect(() => placedRun(session.state, 'r1')).toThrow(expect.objectContaining({ code: 'conflict' }));
  });
});

it.each([
  ['G6: a run that another process has ended', 'lost', []],
  ['a stream that fails', 'failed', ['broken']],
])('%s reports its stream’s failure only if it is the run’s own', async (_, kind, reported) => {
  const channel = memoryChannel();
  const sessions = sessionsOn(channel);
  const errors: unknown[] = [];
  await sessions.use('s', async (session) => {
    await begin(session);
    const reply = createReplyStream(systemRuntime, 'r1');
    let fail = () => {};
    const { started, ended } = startRun(
      session,
      placedRun(session.state, 'r1'),
      {
        invoke: async (_run, _history, signal) =>
          new ReadableStream<UIMessageChunk>({
            start(controller) {
              fail = () => controller.error(new Error('broken'));
              signal.addEventListener('abort', fail);
              controller.enqueue({ type: 'start' });
            },
          }),
        settings: { ...settingsOf({}, systemRuntime).sends.runs, onError: (error) => errors.push(error) },
        deadline: undefined,
      },
      reply,
    );
    await started;
    if (kind === 'lost') {
      await channel.close('s', 'r1', { reason: 'interrupted' });
      await channel.append('s', entries.end({ runId: 'r1', reason: 'interrupted', chunks: 0 }), {});
    } else fail();
    expect(await ended).toMatchObject({ reason: kind === 'lost' ? 'interrupted' : 'error' });
    expect(errors.map((error) => (error as Error).message)).toEqual(reported);
    expect((await reply.response().text()).includes('"type":"error"')).toBe(kind === 'failed');
  });
});
