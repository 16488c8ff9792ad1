import { expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { simulatedTime } from '../../test/fixtures/simulated-time.fixture.ts';
import { createSessions } from './sessions.ts';

const longMs = 60_000;

function open() {
  const time = simulatedTime();
  const sessions = createSessions({
    channel: memoryChannel(),
    runtime: time,
    leaseMs: 15_000,
    onReaped: () => {},
    viewersPerSession: 1,
  });
  return { time, sessions, current: () => sessions.use('s', async (session) => session) };
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

it('stays until every extension has settled, also one that comes later and one that fails', async () => {
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
])('ends after work that %s', async (_, work) => {
  const { time, sessions, current } = open();
  const first = await current();
  await expect(sessions.use('s', work)).rejects.toThrow('no');
  await time.advance(longMs);
  expect(await current()).not.toBe(first);
});

it('counts a viewer until its extensions have settled, and once', async () => {
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
