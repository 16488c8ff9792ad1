// The subscription's connection as a pure state machine.
//
//   idle ──start──▶ connecting ──opened──▶ open ──rotated──▶ rotating ──opened──▶ open
//                    ▲   │ lost             │ lost              │ lost
//              retry │   ▼                  ▼                   ▼
//                   waiting ◀───────────────┴───────────────────┘
//   any but idle and failed: offline ──▶ offline ──online──▶ connecting ◀──online── waiting
//   connecting, open, rotating: refused ──▶ failed       any: stop ──▶ idle

import type { DurableChatError } from '../../protocol/errors.ts';

export type ConnectionState =
  | { readonly type: 'idle' }
  /** `attempt` counts what has failed since there was progress. */
  | { readonly type: 'connecting'; readonly attempt: number }
  | { readonly type: 'open'; readonly attempt: number }
  /** The server has asked for a new connection: nothing is wrong. */
  | { readonly type: 'rotating' }
  | { readonly type: 'waiting'; readonly attempt: number }
  | { readonly type: 'offline' }
  /** Trying again would not help. */
  | { readonly type: 'failed'; readonly error: DurableChatError };

export type ConnectionEvent =
  | { readonly type: 'start' }
  | { readonly type: 'opened' }
  /** More than being let in: a frame came, or the connection has lasted. */
  | { readonly type: 'progress' }
  | { readonly type: 'rotated' }
  | { readonly type: 'lost' }
  | { readonly type: 'refused'; readonly error: DurableChatError }
  | { readonly type: 'retry' }
  | { readonly type: 'offline' }
  | { readonly type: 'online' }
  | { readonly type: 'stop' };

/** What an app shows of it. */
export type Connection = 'connecting' | 'connected' | 'reconnecting' | 'offline' | 'closed';

export function nextConnection(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  const { type } = state;
  /** Connections in a row that brought nothing. */
  const attempt = 'attempt' in state ? state.attempt : 0;
  const isTrying = type === 'connecting' || type === 'rotating';
  const isUp = isTrying || type === 'open';
  switch (event.type) {
    case 'start':
      // A user who was refused may have signed in since; a route without sessions has none now either.
      return type === 'idle' || (type === 'failed' && [401, 403].includes(state.error.status))
        ? { type: 'connecting', attempt }
        : state;
    case 'opened':
      if (!isTrying) return state;
      // A server that rotates at once, again and again, is to be waited for.
      return { type: 'open', attempt: type === 'rotating' ? 1 : attempt };
    case 'progress':
      return type === 'open' && attempt > 0 ? { type, attempt: 0 } : state;
    case 'rotated':
    case 'lost':
      if (event.type === 'rotated' && type === 'open' && attempt === 0) return { type: 'rotating' };
      return isUp ? { type: 'waiting', attempt: attempt + 1 } : state;
    case 'refused':
      return isUp ? { type: 'failed', error: event.error } : state;
    case 'retry':
      return type === 'waiting' ? { type: 'connecting', attempt } : state;
    case 'offline':
      return type === 'idle' || type === 'failed' ? state : { type: 'offline' };
    case 'online':
      return type === 'offline' || type === 'waiting' ? { type: 'connecting', attempt: attempt || 1 } : state;
    case 'stop':
      return { type: 'idle' };
    default:
      return event satisfies never;
  }
}

const shown = {
  idle: 'connecting',
  connecting: 'connecting',
  open: 'connected',
  rotating: 'connected',
  waiting: 'reconnecting',
  offline: 'offline',
  failed: 'closed',
} as const satisfies Record<ConnectionState['type'], Connection>;

export function connectionOf(state: ConnectionState): Connection {
  return state.type === 'connecting' && state.attempt > 0 ? 'reconnecting' : shown[state.type];
}

/** Full jitter: anything up to a ceiling that doubles, so that many viewers cut at once spread out. */
export function jitteredDelay(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(10_000, 500 * 2 ** (attempt - 1));
}
