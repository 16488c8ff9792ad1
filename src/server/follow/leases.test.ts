import { describe, expect, it } from 'vitest';
import { sleep } from '../../lib/time.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { followSession, leaseMs } from '../../test/fixtures/session.fixture.ts';

const ended = (here: ReturnType<typeof followSession>) => [...here.session.state.ended.keys()];

describe('G6: runs whose producers died, while a viewer watches', () => {
  it('one is ended within its lease and 2 s, although another run of its session streams', async () => {
    const here = followSession();
    await here.begin('lives');
    await here.begin('dies');
    void here.session.watch();
    for (let ms = 0; ms < leaseMs + 2_000; ms += 500) {
      await here.channel.write('s', 'lives', ms / 500, [{ type: 'text-delta', id: 't', delta: String(ms) }]);
      await here.channel.heartbeat('s', 'lives', leaseMs);
      if (ms < leaseMs) expect(ended(here)).toEqual([]);
      await here.time.advance(500);
    }
    expect(here.session.state.ended.get('dies')).toMatchObject({ reason: 'interrupted' });
    expect(here.session.state.active.map(({ runId }) => runId)).toEqual(['lives']);
    here.session.close();
  });

  it('four that wait in a row are ended at once', async () => {
    const here = followSession();
    const runs = ['1', '2', '3', '4'];
    for (const runId of runs) await here.begin(runId);
    void here.session.watch();
    expect(await here.untilEnded('4')).toBeLessThanOrEqual(leaseMs + 2_000);
    expect(ended(here).sort()).toEqual(runs);
    // One question for the four, when watching began, and one when their leases had run out.
    expect(here.asked['leases']).toBe(2);
    here.session.close();
  });

  it('a run that begins later is looked after', async () => {
    const here = followSession();
    void here.session.watch();
    await here.time.advance(60_000);
    await here.begin('late');
    expect(await here.untilEnded('late')).toBeLessThanOrEqual(leaseMs + 2_000);
    here.session.close();
  });

  it('one whose last renewal was a moment ago is ended when that lease is over', async () => {
    const here = followSession();
    await here.begin('renewed');
    void here.session.watch();
    for (let renewals = 0; renewals < 20; renewals++) {
      await here.time.advance(6_000);
      await here.channel.heartbeat('s', 'renewed', leaseMs);
    }
    expect(ended(here)).toEqual([]);
    const took = await here.untilEnded('renewed');
    expect(took).toBeGreaterThanOrEqual(leaseMs);
    expect(took).toBeLessThanOrEqual(leaseMs + 2_000);
    here.session.close();
  });

  it('one whose end the store does not take is tried by one attempt at a time', async () => {
    let ending = 0;
    let most = 0;
    const here = followSession((channel) => ({
      ...channel,
      close(...args) {
        most = Math.max(most, ++ending);
        return channel.close(...args);
      },
      async append(sessionId, entry, options) {
        if (options.lease?.type !== 'release' || here.time.monotonic() > 60_000) {
          return channel.append(sessionId, entry, options);
        }
        await sleep(here.time, 3_500);
        ending--;
        throw new DurableChatError('store_failed', 'The store is away.');
      },
    }));
    await here.begin('dies');
    void here.session.watch();
    for (let ms = 0; ms < 60_000; ms += 500) {
      void here.session.reap(['dies']);
      await here.time.advance(500);
    }
    expect([most, ended(here)]).toEqual([1, []]);
    expect(await here.untilEnded('dies')).toBeLessThanOrEqual(30_000);
    here.session.close();
  });

  it('an hour of a run that lives costs at most 400 questions for leases', async () => {
    const here = followSession();
    await here.begin('thinks');
    void here.session.watch();
    for (let ms = 0; ms < 3_600_000; ms += 6_000) {
      await here.channel.heartbeat('s', 'thinks', leaseMs);
      await here.time.advance(6_000);
    }
    expect(here.asked['leases']).toBeLessThanOrEqual(400);
    expect(ended(here)).toEqual([]);
    here.session.close();
  });

  it('G8: none is ended because the store has failed, and its producer could renew nothing', async () => {
    let fails = false;
    const here = followSession((channel) => ({
      ...channel,
      readLog: (...args) => (fails ? Promise.reject(new Error('away')) : channel.readLog(...args)),
    }));
    await here.begin('lives');
    void here.session.watch();
    await here.time.advance(1_000);
    fails = true;
    await here.time.advance(leaseMs + 1_000);
    fails = false;
    // The producer needs a moment to renew its lease.
    await here.time.advance(900);
    await here.channel.heartbeat('s', 'lives', leaseMs);
    await here.time.advance(leaseMs - 1_000);
    expect(ended(here)).toEqual([]);
    here.session.close();
  });
});

describe('G6: runs whose producers died, while nobody watches', () => {
  it('one is not asked for, and is ended by the next who finds it in the way', async () => {
    const here = followSession();
    await here.begin('dies');
    await here.session.ready;
    await here.time.advance(600_000);
    expect([ended(here), here.asked['leases']]).toEqual([[], undefined]);
    expect(await here.session.reap(['dies'])).toBe(true);
    await here.time.advance(0);
    expect(ended(here)).toEqual(['dies']);
    here.session.close();
  });
});

it('a session that was closed asks nothing more', async () => {
  const here = followSession();
  await here.begin('run');
  void here.session.watch();
  await here.time.advance(5_000);
  here.session.close();
  const asked = { ...here.asked };
  await here.time.advance(600_000);
  expect(here.asked).toEqual(asked);
  expect(here.time.pending).toBe(0);
});
