import { describe, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { simulatedTime } from '../../test/fixtures/simulated-time.fixture.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { Frame } from '../../protocol/frames.ts';
import { entries } from '../../protocol/entries.ts';
import type { Channel } from '../../channel/channel.ts';
import { createSessions } from './sessions.ts';
import { openViewer } from './viewer.ts';

const longMs = 60_000;

const leaseMs = 15_000;

function open(around: (channel: Channel) => Channel = (channel) => channel) {
  const time = simulatedTime();
  const channel = memoryChannel({}, time);
  const sessions = createSessions({
    channel: around(channel),
    runtime: time,
    leaseMs,
    onReaped: () => {},
    viewersPerSession: 1,
  });
  return { time, channel, sessions, current: () => sessions.use('s', async (session) => session) };
}

/** Something that goes on until the test ends it. */
function task() {
  let end = () => {};
  let fail = () => {};
  const done = new Promise<void>((resolve, reject) => {
    end = resolve;
    fail = () => reject(new Error('failed'));
  });
  return { done, end, fail };
}

it('a session is shared while it is used, and a little longer', async () => {
  const { time, sessions, current } = open();
  const work = task();
  const first = await current();
  const used = sessions.use('s', async () => work.done);
  await time.advance(longMs);
  expect(await current()).toBe(first);
  work.end();
  await used;
  await time.advance(1_000);
  expect(await current()).toBe(first);
  await time.advance(longMs);
  expect(await current()).not.toBe(first);
});

it('a session stays until every extension has settled, also one that comes later and one that fails', async () => {
  const { time, sessions, current } = open();
  const [first, second] = [task(), task()];
  const session = await sessions.use('s', async (used, extend) => {
    void first.done.catch(() => void extend(second.done));
    void extend(first.done);
    return used;
  });
  await time.advance(longMs);
  expect(await current()).toBe(session);
  first.fail();
  await time.advance(longMs);
  expect(await current()).toBe(session);
  second.end();
  await time.advance(longMs);
  expect(await current()).not.toBe(session);
});

it.each([
  ['rejects', async () => Promise.reject(new Error('no'))],
  [
    'throws',
    () => {
      throw new Error('no');
    },
  ],
])('a session ends after work that %s', async (_, work) => {
  const { time, sessions, current } = open();
  const first = await current();
  await expect(sessions.use('s', work)).rejects.toThrow('no');
  await time.advance(longMs);
  expect(await current()).not.toBe(first);
});

it('a viewer counts until its extensions have settled, and once', async () => {
  const { time, sessions } = open();
  const [first, second] = [task(), task()];
  await sessions.view('s', async (_, extend) => void [extend(first.done), extend(second.done)]);
  const another = () => sessions.view('s', async () => 'seen');
  first.end();
  await time.advance(longMs);
  await expect(another()).rejects.toMatchObject({ code: 'too_many' });
  second.end();
  await time.advance(0);
  expect(await another()).toBe('seen');
  expect(await another()).toBe('seen');
});

describe('after the store failed when a run of this process opened its session', () => {
  /** The run has begun, and goes on. Nothing renews its lease. */
  async function setUp() {
    let isDown = true;
    const here = open((channel) => {
      const failing = Object.entries(channel).map(([name, method]) => [
        name,
        async (...args: unknown[]) => {
          if (isDown) throw new DurableChatError('store_failed', 'down');
          return (method as (...args: unknown[]) => unknown)(...args); // a method of a channel
        },
      ]);
      return Object.fromEntries(failing) as Channel; // the same methods under the same names
    });
    const { time, channel, sessions } = here;
    const run = { runId: 'own', messageId: 'a', trigger: 'submit-message', at: 0 } as const;
    const lease = { type: 'take', runId: 'own', ms: leaseMs } as const;
    await channel.append('s', entries.start(run, { frames: [], when: [], epoch: '' }), { lease });
    const work = task();
    let producer = await here.current();
    let isOpen: boolean | undefined;
    void sessions.use('s', async (session) => {
      producer = session;
      session.workOn('own');
      session.ready.then(
        () => (isOpen = true),
        () => (isOpen = false),
      );
      await work.done;
    });
    await time.advance(10_000);
    expect(isOpen).toBe(false);
    isDown = false;
    await time.advance(10_000);
    return { ...here, producer, work };
  }

  it('a viewer gets the durability of the run', async () => {
    const { time, sessions, producer } = await setUp();
    const frames: Frame[] = [];
    const leaving = new AbortController();
    void sessions.view('s', async (session) => {
      const viewer = await openViewer(session, {});
      for await (const { frame } of viewer.frames(leaving.signal)) frames.push(frame);
    });
    await time.advance(1_000);
    expect(frames).toMatchObject([{ type: 'snapshot', runs: [{ runId: 'own' }] }]);
    producer.setDurability('own', 'degraded');
    await time.advance(0);
    expect(frames.slice(1)).toMatchObject([{ type: 'durability', runId: 'own', durability: 'degraded' }]);
    leaving.abort();
  });

  it('this process does not end the run while a viewer watches', async () => {
    const { time, sessions, channel, producer, work } = await setUp();
    const viewing = task();
    void sessions.view('s', async (session) => {
      await session.watch();
      await viewing.done;
    });
    await time.advance(3 * leaseMs);
    expect(await channel.leases('s', ['own'])).toEqual([0]);
    expect((await channel.readRun('s', 'own', 0)).closure).toBeUndefined();
    expect(producer.state.active.map(({ runId }) => runId)).toEqual(['own']);
    viewing.end();
    work.end();
  });
});
