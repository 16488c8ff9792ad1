import { describe, expect, it } from 'vitest';
import { sleep } from '../../lib/time.ts';
import { entries } from '../../protocol/entries.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { followSession, leaseMs } from '../../test/fixtures/session.fixture.ts';

const ended = (here: ReturnType<typeof followSession>) => [...here.session.state.ended.keys()];

describe('G6: runs whose producers died, while a viewer watches', () => {
  it('a dead run is ended within its lease and 2 s, although another run of its session streams', async () => {
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

  it('a run of this process is not taken for dead, also when its lease has ended', async () => {
    const here = followSession();
    await here.begin('own');
    await here.begin('other');
    const leave = here.session.workOn('own');
    void here.session.watch();
    await here.untilEnded('other');
    await here.time.advance(leaseMs * 2);
    expect(await here.session.reap(['own'])).toBe(false);
    expect(ended(here)).toEqual(['other']);
    leave();
    expect(await here.session.reap(['own'])).toBe(true);
    here.session.close();
  });

  it('G5: a send that may be sent again is free once its run is ended', async () => {
    const { channel, session, untilEnded } = followSession();
    const began = async (runId: string, send: { key: string; once: boolean }) => {
      await channel.reserve('s', send.key, runId);
      const run = { runId, messageId: `of ${runId}`, trigger: 'submit-message', at: 0, send } as const;
      const lease = { type: 'take', runId, ms: leaseMs } as const;
      await channel.append('s', entries.start(run, { frames: [], when: [], epoch: '' }), { lease });
      await channel.write('s', runId, 0, [{ type: 'start' }]);
    };
    await began('regenerates', { key: 'change', once: false });
    await began('sends', { key: 'message', once: true });
    void session.watch();
    await untilEnded('regenerates');
    await untilEnded('sends');
    expect((await channel.reserve('s', 'change', 'next')).runId).toBe('next');
    expect((await channel.reserve('s', 'message', 'next')).runId).toBe('sends');
    session.close();
  });

  it('a run that has ended is not ended again by a process that has not read its end', async () => {
    const here = followSession((channel) => ({ ...channel, subscribe: async () => ({ close() {} }) }));
    await here.begin('over');
    await here.session.watch();
    const end = entries.end({ runId: 'over', reason: 'finish', chunks: 0 });
    await here.channel.append('s', end, { lease: { type: 'release', runId: 'over' } });
    expect(await here.session.reap(['over'])).toBe(false);
    expect(ended(here)).toEqual(['over']);
    expect((await here.channel.readLog('s', '')).filter(({ key }) => key === end.key)).toHaveLength(1);
    here.session.close();
  });

  it('four dead queued runs are ended at once', async () => {
    const here = followSession();
    const runs = ['1', '2', '3', '4'];
    for (const runId of runs) await here.begin(runId);
    void here.session.watch();
    expect(await here.untilEnded('4')).toBeLessThanOrEqual(leaseMs + 2_000);
    expect(ended(here).sort()).toEqual(runs);
    // One read of the four leases when the watch began, and one when they had ended.
    expect(here.asked['leases']).toBe(2);
    here.session.close();
  });

  it('the lease of a later run is checked too', async () => {
    const here = followSession();
    void here.session.watch();
    await here.time.advance(60_000);
    await here.begin('late');
    expect(await here.untilEnded('late')).toBeLessThanOrEqual(leaseMs + 2_000);
    here.session.close();
  });

  it('a run that died right after a renewal is ended when that lease has ended', async () => {
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

  it('if the store fails, there is one attempt to end a run at a time', async () => {
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

  it('an hour of a live run costs at most 400 reads of leases', async () => {
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

  it('G8: no run is ended while a failure of the store prevented renewals', async () => {
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

describe('G6: runs whose producers died, without a viewer', () => {
  it('its lease is not read, and the next request that needs it ends the run', async () => {
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

it('a closed session makes no more requests', async () => {
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
