import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  firstWatch,
  nextWatch,
  patienceMs,
  type WatchEvent,
  type WatchState,
  type WatchStep,
} from './watchdog.ts';

type Type = WatchState['type'];
type Event = WatchEvent['type'];

const states: Record<Type, WatchState> = {
  connecting: { type: 'connecting', attempt: 2 },
  listening: { type: 'listening', attempt: 0, quietMs: 3_000 },
  checking: { type: 'checking', quietMs: 6_000 },
  deaf: { type: 'deaf', attempt: 2 },
  closed: { type: 'closed' },
};

const events: Record<Event, WatchEvent> = {
  subscribed: { type: 'subscribed' },
  unsubscribed: { type: 'unsubscribed' },
  heard: { type: 'heard' },
  ended: { type: 'ended' },
  silence: { type: 'silence', ms: 3_000 },
  looked: { type: 'looked', missed: true },
  unread: { type: 'unread' },
  close: { type: 'close' },
};

const same = 'same';
const closed: WatchStep = [{ type: 'closed' }, 'close'];
const connecting = (attempt: number) => ({ type: 'connecting', attempt }) as const;
const deaf = (attempt: number) => ({ type: 'deaf', attempt }) as const;
const checking = (quietMs: number) => ({ type: 'checking', quietMs }) as const;
const listening = (attempt: number, quietMs = 0) => ({ type: 'listening', attempt, quietMs }) as const;

/** A missing case does not compile. */
const table: Record<Type, Record<Event, WatchStep | typeof same>> = {
  connecting: {
    subscribed: [listening(2), 'look'],
    unsubscribed: [deaf(3), 'look'],
    heard: same,
    ended: same,
    silence: [connecting(2), 'look'],
    looked: same,
    unread: same,
    close: closed,
  },
  listening: {
    subscribed: same,
    unsubscribed: same,
    heard: [listening(0)],
    ended: [connecting(1), 'connect'],
    silence: [checking(6_000), 'look'],
    looked: same,
    unread: same,
    close: closed,
  },
  checking: {
    subscribed: same,
    unsubscribed: same,
    heard: [listening(0)],
    ended: [connecting(1), 'connect'],
    silence: same,
    looked: [connecting(0), 'connect'],
    unread: [listening(0)],
    close: closed,
  },
  deaf: {
    subscribed: same,
    unsubscribed: same,
    heard: same,
    ended: same,
    silence: [connecting(2), 'connect'],
    looked: same,
    unread: same,
    close: closed,
  },
  closed: {
    subscribed: same,
    unsubscribed: same,
    heard: same,
    ended: same,
    silence: same,
    looked: same,
    unread: same,
    close: same,
  },
};

describe('the watch over a subscription', () => {
  for (const [from, row] of Object.entries(table)) {
    const state = states[from as Type];
    it.each(Object.entries(row))(`${from}: %s`, (type, expected) => {
      expect(nextWatch(state, events[type as Event])).toEqual(expected === same ? [state] : expected);
    });
  }

  it('a read that shows nothing new does not renew the subscription', () => {
    expect(nextWatch(checking(6_000), { type: 'looked', missed: false })).toEqual([listening(0, 6_000)]);
  });

  it('a subscription is replaced within 4 minutes of silence', () => {
    expect(nextWatch(listening(0, 216_999), events.silence)).toEqual([checking(219_999), 'look']);
    expect(nextWatch(listening(0, 217_000), events.silence)).toEqual([connecting(0), 'connect']);
  });

  it('if the store ends each subscription at once, the pauses grow', () => {
    let state: WatchState = listening(0);
    const pauses: (number | undefined)[] = [];
    for (let ends = 0; ends < 6; ends++) {
      [state] = nextWatch(state, events.ended);
      if (state.type === 'deaf') {
        pauses.push(patienceMs(state, false));
        [state] = nextWatch(state, events.silence);
      }
      expect(state.type).toBe('connecting');
      [state] = nextWatch(state, events.subscribed);
    }
    expect(pauses).toEqual([1_000, 2_000, 3_000, 3_000, 3_000]);
    [state] = nextWatch(state, events.heard);
    expect(nextWatch(state, events.ended)).toEqual([connecting(1), 'connect']);
  });

  it('while wake-ups are expected a dead connection is detected within 10 s, else within 22 s', () => {
    const quiet = (ms: number) => patienceMs(listening(0, ms), true);
    expect([0, 3_000, 6_000, 12_000, 200_000].map(quiet)).toEqual([3_000, 3_000, 6_000, 8_000, 8_000]);
    expect([0, 200_000].map((ms) => patienceMs(listening(0, ms), false))).toEqual([22_000, 22_000]);
    expect(patienceMs(connecting(0), false)).toBe(3_000);
  });

  it('one connection at a time is opened, with any events, and the watch never stops', () => {
    const type = fc.constantFrom(...(Object.keys(events) as Event[]).filter((name) => name !== 'close'));
    const any = type.map((name) => events[name]);
    fc.assert(
      fc.property(fc.array(any, { maxLength: 60 }), fc.boolean(), (heard, expects) => {
        let state = firstWatch;
        let opening = true;
        for (const event of heard) {
          const answers = event.type === 'subscribed' || event.type === 'unsubscribed';
          // A result comes only after its effect.
          if (answers && !opening) continue;
          if (answers) opening = false;
          const [next, ...effects] = nextWatch(state, event);
          if (effects.includes('connect')) {
            expect(opening).toBe(false);
            opening = true;
          }
          expect(next.type === 'connecting').toBe(opening);
          // A check ends by itself.
          if (next.type !== 'checking') expect(patienceMs(next, expects)).toBeLessThanOrEqual(22_000);
          state = next;
        }
      }),
    );
  });
});
