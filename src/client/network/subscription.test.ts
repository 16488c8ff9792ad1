import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemRuntime } from '../../lib/runtime.ts';
import type { SseEvent } from '../../protocol/sse.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { stubPage } from '../../test/fixtures/browser.fixture.ts';
import { watchPage } from './page.ts';
import { Subscription } from './subscription.ts';

interface Opened {
  readonly after: string | undefined;
  readonly signal: AbortSignal;
  readonly say: (event?: SseEvent) => void;
  readonly end: (again?: boolean) => void;
}

/** Connections whose server is the test. The newest is the last. */
function subscribed(ask = async () => {}) {
  const opened: Opened[] = [];
  const seen: string[] = [];
  const delays: number[] = [];
  /** The number of connections at each separate request to the server. */
  const asked: number[] = [];
  const subscription = new Subscription({
    runtime: systemRuntime,
    connect: (after, signal, say) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
        opened.push({ after, signal, say, end: (again = false) => resolve(again) });
      }),
    ask: () => {
      asked.push(opened.length);
      return ask();
    },
    retryDelay(attempt) {
      delays.push(attempt);
      return 1_000 * attempt;
    },
    onFrame: () => {},
    onConnection: ({ type }) => void (seen.at(-1) === type || seen.push(type)),
  });
  return { subscription, opened, asked, seen, delays, latest: () => opened.at(-1)! };
}

const frame = (id?: string): SseEvent => ({ data: '{"type":"reset"}', ...(id !== undefined && { id }) });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('a subscription', () => {
  it('G1: continues after the last cursor, and takes no cursor from an incomplete group', async () => {
    const { subscription, latest } = subscribed();
    subscription.start();
    expect(latest().after).toBeUndefined();
    latest().say(frame('a'));
    latest().say(frame());
    latest().end();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(latest().after).toBe('a');
    subscription.stop();
  });

  it('G1: detects a silent connection within twice the heartbeat', async () => {
    const { subscription, opened, latest, seen } = subscribed();
    subscription.start();
    latest().say(frame('a'));
    await vi.advanceTimersByTimeAsync(15_000);
    latest().say();
    await vi.advanceTimersByTimeAsync(29_000);
    expect(opened.length).toBe(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(opened.length).toBe(2);
    expect(opened[0]!.signal.aborted).toBe(true);
    expect(latest().after).toBe('a');
    expect(seen).toEqual(['connecting', 'open', 'waiting', 'connecting']);
    subscription.stop();
  });

  it('G1: takes a connection that has lasted for a good one, whatever the clock is set to', async () => {
    const { subscription, latest, delays } = subscribed();
    subscription.start();
    for (const byMs of [-3_600_000, 3_600_000]) {
      latest().say();
      await vi.advanceTimersByTimeAsync(10_000);
      vi.setSystemTime(Date.now() + byMs);
      latest().end();
      await vi.advanceTimersByTimeAsync(1_000);
    }
    latest().say();
    vi.setSystemTime(Date.now() + 3_600_000);
    latest().end();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(delays).toEqual([1, 1, 2]);
    subscription.stop();
  });

  it('G1: detects a server that accepts and never sends anything', async () => {
    const { subscription, opened } = subscribed();
    subscription.start();
    await vi.advanceTimersByTimeAsync(31_000);
    expect(opened.length).toBe(2);
    subscription.stop();
  });

  it('waits before it returns to a server that closes after its first frames, and not to one that has lasted', async () => {
    const { subscription, opened, delays, latest } = subscribed();
    subscription.start();
    for (let attempt = 1; attempt <= 4; attempt++) {
      latest().say();
      latest().end();
      await vi.advanceTimersByTimeAsync(1_000 * attempt);
    }
    expect(delays).toEqual([1, 2, 3, 4]);
    // A proxy that closes idle streams after ten seconds.
    for (let cut = 0; cut < 3; cut++) {
      latest().say();
      await vi.advanceTimersByTimeAsync(10_000);
      latest().end();
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(delays.slice(4)).toEqual([1, 1, 1]);
    expect(opened.length).toBe(8);
    subscription.stop();
  });

  it('reconnects at once, without a change on the screen, when the server asks for it', async () => {
    const { subscription, opened, seen, delays, latest } = subscribed();
    subscription.start();
    latest().say(frame('a'));
    latest().end(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(opened.length).toBe(2);
    expect(latest().after).toBe('a');
    latest().say();
    expect(seen).toEqual(['connecting', 'open', 'rotating', 'open']);
    // Once is a rotation. Repeated rotations are a fault.
    latest().end(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(opened.length).toBe(2);
    expect(delays).toEqual([2]);
    subscription.stop();
  });
});

describe('a session that is refused while it is watched', () => {
  const refused: SseEvent = { data: '{"type":"refused","error":{"code":"forbidden","message":"No."}}' };

  it('is requested once more on its own GET, and continues at its cursor if that succeeds', async () => {
    const { subscription, opened, asked, seen, latest } = subscribed();
    subscription.start();
    latest().say(frame('a'));
    latest().say(refused);
    expect(latest().signal.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toEqual([1]);
    expect(opened.length).toBe(2);
    expect(latest().after).toBe('a');
    latest().say(frame('b'));
    // No change was shown.
    expect(seen).toEqual(['connecting', 'open', 'rotating', 'open']);
    subscription.stop();
  });

  it('fails with the second refusal', async () => {
    const { subscription, opened, asked, seen, latest } = subscribed(async () => {
      throw new DurableChatError('forbidden', 'No.');
    });
    subscription.start();
    latest().say(frame('a'));
    latest().say(refused);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(asked).toEqual([1]);
    expect(opened.length).toBe(1);
    expect(seen.at(-1)).toBe('failed');
  });

  it('is requested again later if the response is not a refusal', async () => {
    let isDown = true;
    const { subscription, opened, asked, seen, latest } = subscribed(async () => {
      if (isDown) throw new DurableChatError('store_failed', 'Down.');
    });
    subscription.start();
    latest().say(frame('a'));
    latest().say(refused);
    await vi.advanceTimersByTimeAsync(0);
    expect(seen.at(-1)).toBe('waiting');
    isDown = false;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked).toEqual([1, 1]);
    expect(opened.length).toBe(2);
    subscription.stop();
  });

  it('waits longer when it is accepted and refused again and again', async () => {
    const { subscription, opened, latest } = subscribed();
    subscription.start();
    for (let n = 0; n < 3; n++) {
      latest().say(refused);
      await vi.advanceTimersByTimeAsync(900);
    }
    expect(opened.length).toBeLessThan(4);
    subscription.stop();
  });
});

describe('a page', () => {
  function watched(isBusy = () => false) {
    const page = stubPage();
    const all = subscribed();
    all.subscription.start();
    all.latest().say(frame('a'));
    return { ...all, page, leave: watchPage(systemRuntime, all.subscription, isBusy) };
  }

  it('that wakes from sleep replaces an outdated connection at once', async () => {
    const { page, opened, latest, leave } = watched();
    page.hide();
    page.show();
    expect(opened.length).toBe(1);
    page.hide();
    // During sleep the clock continues, and timers do not.
    vi.setSystemTime(Date.now() + 3_600_000);
    page.show();
    expect(opened.length).toBe(2);
    expect(latest().after).toBe('a');
    leave();
  });

  it('that wakes from sleep does so also when its clock was set back', async () => {
    const { page, opened, leave } = watched();
    page.hide();
    vi.setSystemTime(Date.now() - 3_600_000);
    // During sleep, on a machine whose monotonic clock continues.
    vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
    page.show();
    expect(opened.length).toBe(2);
    leave();
    vi.restoreAllMocks();
  });

  it('that becomes visible, or has a network again, reconnects at once', async () => {
    const { page, opened, latest, leave, subscription } = watched();
    latest().end();
    await vi.advanceTimersByTimeAsync(0);
    page.show();
    expect(opened.length).toBe(2);
    latest().say(frame('b'));
    page.goOffline();
    expect(latest().signal.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(opened.length).toBe(2);
    page.goOnline();
    expect(opened.length).toBe(3);
    expect(latest().after).toBe('b');
    leave();
    subscription.stop();
  });

  it('that is hidden disconnects after a minute, and catches up when it is visible again', async () => {
    let busy = true;
    const { page, opened, latest, leave } = watched(() => busy);
    const beat = setInterval(() => latest().say(), 15_000);
    page.hide();
    await vi.advanceTimersByTimeAsync(150_000);
    expect(latest().signal.aborted).toBe(false);
    busy = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(latest().signal.aborted).toBe(true);
    page.goOffline();
    page.goOnline();
    await vi.advanceTimersByTimeAsync(600_000);
    expect(opened.length).toBe(1);
    page.show();
    expect(opened.length).toBe(2);
    expect(latest().after).toBe('a');
    clearInterval(beat);
    leave();
  });

  it('that is hidden for less than a minute keeps its connection', async () => {
    const { page, opened, latest, leave } = watched();
    const beat = setInterval(() => latest().say(), 15_000);
    page.hide();
    await vi.advanceTimersByTimeAsync(50_000);
    page.show();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(opened.length).toBe(1);
    expect(latest().signal.aborted).toBe(false);
    clearInterval(beat);
    leave();
  });
});
