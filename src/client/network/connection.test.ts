import { describe, expect, it } from 'vitest';
import { DurableChatError } from '../../protocol/errors.ts';
import {
  connectionOf,
  jitteredDelay,
  nextConnection,
  type Connection,
  type ConnectionEvent,
  type ConnectionState,
} from './connection.ts';

const error = new DurableChatError('forbidden', 'No.');

type Type = ConnectionState['type'];
const states: Record<Type, ConnectionState> = {
  idle: { type: 'idle' },
  connecting: { type: 'connecting', attempt: 3 },
  open: { type: 'open', attempt: 0 },
  rotating: { type: 'rotating' },
  waiting: { type: 'waiting', attempt: 3 },
  offline: { type: 'offline' },
  failed: { type: 'failed', error },
};

const same = 'same';
const idle = states.idle;
const failed = states.failed;
const offline = states.offline;
const waiting = (attempt: number) => ({ type: 'waiting', attempt }) as const;
const connecting = (attempt: number) => ({ type: 'connecting', attempt }) as const;
const open = (attempt: number) => ({ type: 'open', attempt }) as const;

/** A missing case does not compile. */
const table: Record<Type, Record<ConnectionEvent['type'], ConnectionState | typeof same>> = {
  idle: {
    start: connecting(0),
    opened: same,
    progress: same,
    rotated: same,
    lost: same,
    refused: same,
    retry: same,
    offline: same,
    online: same,
    stop: idle,
  },
  connecting: {
    start: same,
    opened: open(3),
    progress: same,
    rotated: waiting(4),
    lost: waiting(4),
    refused: failed,
    retry: same,
    offline,
    online: same,
    stop: idle,
  },
  open: {
    start: same,
    opened: same,
    progress: same,
    rotated: { type: 'rotating' },
    lost: waiting(1),
    refused: failed,
    retry: same,
    offline,
    online: same,
    stop: idle,
  },
  rotating: {
    start: same,
    opened: open(1),
    progress: same,
    rotated: waiting(1),
    lost: waiting(1),
    refused: failed,
    retry: same,
    offline,
    online: same,
    stop: idle,
  },
  waiting: {
    start: same,
    opened: same,
    progress: same,
    rotated: same,
    lost: same,
    refused: same,
    retry: connecting(3),
    offline,
    online: connecting(3),
    stop: idle,
  },
  offline: {
    start: same,
    opened: same,
    progress: same,
    rotated: same,
    lost: same,
    refused: same,
    retry: same,
    offline,
    online: connecting(1),
    stop: idle,
  },
  failed: {
    // The permission was missing. The user may have it by now.
    start: connecting(0),
    opened: same,
    progress: same,
    rotated: same,
    lost: same,
    refused: same,
    retry: same,
    offline: same,
    online: same,
    stop: idle,
  },
};

describe('the connection', () => {
  for (const [from, row] of Object.entries(table)) {
    const state = states[from as Type];
    it.each(Object.entries(row))(`${from}: %s`, (type, expected) => {
      const event = (type === 'refused' ? { type, error } : { type }) as ConnectionEvent;
      expect(nextConnection(state, event)).toEqual(expected === same ? state : expected);
    });
  }

  it('does not retry a route without sessions', () => {
    const none: ConnectionState = { type: 'failed', error: new DurableChatError('not_found', 'No.') };
    expect(nextConnection(none, { type: 'start' })).toBe(none);
  });

  it('G1: a response alone is not progress: attempts without frames keep counting', () => {
    let state: ConnectionState = connecting(0);
    for (let failures = 1; failures <= 5; failures++) {
      state = nextConnection(nextConnection(state, { type: 'opened' }), { type: 'lost' });
      expect(state).toEqual(waiting(failures));
      state = nextConnection(state, { type: 'retry' });
    }
    state = nextConnection(nextConnection(state, { type: 'opened' }), { type: 'progress' });
    expect(nextConnection(state, { type: 'lost' })).toEqual(waiting(1));
  });

  it('waits longer for a server that rotates again and again', () => {
    const rotated = nextConnection(open(0), { type: 'rotated' });
    const again = nextConnection(rotated, { type: 'opened' });
    expect(nextConnection(again, { type: 'rotated' })).toEqual(waiting(2));
    const used = nextConnection(again, { type: 'progress' });
    expect(nextConnection(used, { type: 'rotated' })).toEqual({ type: 'rotating' });
  });

  it('shows a rotation as connected, and a first failure as reconnecting', () => {
    const shown: Record<Type, Connection> = {
      idle: 'connecting',
      connecting: 'reconnecting',
      open: 'connected',
      rotating: 'connected',
      waiting: 'reconnecting',
      offline: 'offline',
      failed: 'closed',
    };
    for (const [type, words] of Object.entries(shown)) expect(connectionOf(states[type as Type])).toBe(words);
    expect(connectionOf(connecting(0))).toBe('connecting');
  });
});

describe('200 viewers that are disconnected at once', () => {
  it('reconnect within ten seconds, in bursts of limited size', () => {
    const delays = Array.from({ length: 200 }, () => jitteredDelay(1, Math.random)).sort((a, b) => a - b);
    expect(delays.at(-1)).toBeLessThan(500);
    // While the server is away: attempts in each second of the first minute.
    const attempts = new Map<number, number>();
    for (let viewer = 0; viewer < 200; viewer++) {
      let at = 0;
      for (let attempt = 1; at < 60_000; attempt++) {
        at += jitteredDelay(attempt, Math.random);
        const second = Math.floor(at / 1_000);
        attempts.set(second, (attempts.get(second) ?? 0) + 1);
      }
    }
    // Two or three attempts of each at once, then one in five seconds.
    expect(attempts.get(0)).toBeLessThan(200 * 4);
    for (let second = 20; second < 60; second++) expect(attempts.get(second) ?? 0).toBeLessThan(200 / 2);
  });

  it('wait longer after each failure, up to ten seconds', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 20].map((attempt) => jitteredDelay(attempt, () => 1))).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000,
    ]);
    expect(jitteredDelay(3, () => 0)).toBe(0);
  });
});
