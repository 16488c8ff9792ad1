import { describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { sleep } from '../../lib/time.ts';
import { followSession } from '../../test/fixtures/session.fixture.ts';

/** A store whose subscriptions can end, or become silent without a sign. */
function mortal() {
  const open = new Set<{ end: () => void; silent: boolean }>();
  let refuses = false;
  const here = followSession((channel): Channel => ({
    ...channel,
    async subscribe(sessionId, onWake, onEnd = () => {}) {
      if (refuses) throw new Error('away');
      const one = { silent: false, end: () => {} };
      const subscription = await channel.subscribe(sessionId, (wake) => one.silent || onWake(wake));
      const close = () => {
        open.delete(one);
        subscription.close();
      };
      one.end = () => {
        close();
        onEnd();
      };
      open.add(one);
      return { close };
    },
  }));
  const subscribed = () => here.asked['subscribe'];
  return {
    ...here,
    subscribed,
    open: () => open.size,
    end: () => [...open].forEach((one) => one.end()),
    silence: () => open.forEach((one) => (one.silent = true)),
    refuse: (now: boolean) => (refuses = now),
    async say(runId: string, index: number) {
      await here.channel.write('s', runId, index, [{ type: 'text-delta', id: 't', delta: String(index) }]);
    },
    /** Advances the clock until the session has this number of chunks. Resolves with the time that it took. */
    async untilHas(runId: string, count: number) {
      const from = here.time.monotonic();
      while (here.session.countOf(runId) < count) {
        if (here.time.monotonic() - from > 600_000) throw new Error('They do not come.');
        await here.time.advance(250);
      }
      return here.time.monotonic() - from;
    },
  };
}

describe('a subscription', () => {
  it('that ends is renewed at once, and no change is missed', async () => {
    const here = mortal();
    await here.begin('run');
    void here.session.watch();
    await here.time.advance(1_000);
    expect([here.subscribed(), here.open()]).toEqual([1, 1]);
    here.end();
    await here.say('run', 0);
    await here.time.advance(0);
    expect([here.subscribed(), here.open(), here.session.countOf('run')]).toEqual([2, 1, 1]);
    here.session.close();
  });

  it('that ends while no wake-up is expected is renewed at once too', async () => {
    const here = mortal();
    await here.session.ready;
    here.end();
    await here.time.advance(0);
    expect([here.subscribed(), here.open()]).toEqual([2, 1]);
    here.session.close();
  });

  it('that ends again and again costs at most one attempt in 3 s', async () => {
    const here = mortal();
    await here.session.ready;
    for (let seconds = 0; seconds < 60; seconds++) {
      here.end();
      await here.time.advance(1_000);
    }
    expect(here.subscribed()).toBeLessThanOrEqual(25);
    await here.time.advance(5_000);
    expect(here.open()).toBe(1);
    here.session.close();
  });

  it('that becomes silent while a run is active is renewed within 10 s of the first missed change', async () => {
    for (const quietMs of [0, 5_000, 60_000, 180_000]) {
      const here = mortal();
      await here.begin('run');
      void here.session.watch();
      await here.time.advance(1_000);
      const beat = async (ms: number) => {
        for (let left = ms; left > 0; left -= 5_000) {
          await here.channel.heartbeat('s', 'run', 15_000);
          await here.time.advance(Math.min(left, 5_000));
        }
      };
      await beat(quietMs);
      here.silence();
      const before = here.subscribed()!;
      await here.say('run', 0);
      expect(await here.untilHas('run', 1)).toBeLessThanOrEqual(10_000);
      await here.time.advance(0);
      expect(here.subscribed()).toBe(before + 1);
      // New wake-ups arrive again.
      await here.say('run', 1);
      await here.time.advance(0);
      expect(here.session.countOf('run')).toBe(2);
      here.session.close();
    }
  });

  it('that becomes silent while no wake-up is expected is renewed within 4 minutes', async () => {
    const here = mortal();
    await here.session.watch();
    here.silence();
    await here.time.advance(240_000);
    expect(here.subscribed()).toBe(2);
    here.session.close();
  });

  it('is not taken for dead when its wake-ups come late', async () => {
    const here = followSession((channel) => ({
      ...channel,
      subscribe: (sessionId, onWake) =>
        channel.subscribe(sessionId, (wake) => void here.time.schedule(() => onWake(wake), 400)),
    }));
    await here.begin('run');
    void here.session.watch();
    for (let index = 0; index < 100; index++) {
      await here.channel.write('s', 'run', index, [{ type: 'text-delta', id: 't', delta: 'x' }]);
      await here.channel.heartbeat('s', 'run', 15_000);
      await here.time.advance(300);
    }
    expect(here.asked['subscribe']).toBe(1);
    here.session.close();
  });

  it('that is slow is not opened twice, and the session is read meanwhile', async () => {
    let open = 0;
    const here = followSession((channel) => ({
      ...channel,
      async subscribe(...args) {
        await sleep(here.time, 9_000);
        const subscription = await channel.subscribe(...args);
        open++;
        return {
          close() {
            open--;
            subscription.close();
          },
        };
      },
    }));
    let isReady = false;
    void here.session.ready.then(() => (isReady = true));
    await here.time.advance(1_500);
    expect([isReady, open]).toEqual([true, 0]);
    await here.time.advance(10_000);
    expect([open, here.asked['subscribe']]).toEqual([1, 1]);
    here.session.close();
    expect(open).toBe(0);
  });

  it('that is acknowledged after its session was closed is closed', async () => {
    let open = 0;
    const here = followSession((channel) => ({
      ...channel,
      async subscribe() {
        await sleep(here.time, 5_000);
        open++;
        return { close: () => void open-- };
      },
    }));
    void here.session.ready;
    await here.time.advance(2_000);
    here.session.close();
    await here.time.advance(10_000);
    expect([open, here.asked['subscribe']]).toEqual([0, 1]);
  });

  it('that the store refuses is tried again, and the session is read meanwhile', async () => {
    const here = mortal();
    here.refuse(true);
    await here.begin('run');
    void here.session.watch();
    await here.time.advance(2_000);
    expect(here.session.state.active.map(({ runId }) => runId)).toEqual(['run']);
    await here.say('run', 0);
    expect(await here.untilHas('run', 1)).toBeLessThanOrEqual(3_500);
    here.refuse(false);
    await here.time.advance(3_500);
    expect(here.open()).toBe(1);
    here.session.close();
  });

  it('an idle viewer costs at most 204 commands an hour', async () => {
    const here = mortal();
    void here.session.watch();
    await here.time.advance(60_000);
    const before = { ...here.asked };
    await here.time.advance(3_600_000);
    const commands = Object.entries(here.asked).map(([name, count]) => count - (before[name] ?? 0));
    expect(commands.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(204);
    here.session.close();
  });
});
