// The subscription's connection as a pure state machine.
//
//   idle ──start──▶ connecting ──opened──▶ open
//                    ▲   │ lost             │ lost
//              retry │   ▼                  ▼
//                   waiting ◀───────────────┘
//   any but idle and failed: offline ──▶ offline ──online──▶ connecting ◀──online── failed
//   connecting: refused ──▶ failed       any: stop ──▶ idle

import type { DurableChatError } from '../protocol/errors.ts';

export type ConnectionState =
  | { readonly type: 'idle' }
  /** `attempt` counts what has failed since bytes last came in. */
  | { readonly type: 'connecting'; readonly attempt: number }
  | { readonly type: 'open' }
  | { readonly type: 'waiting'; readonly attempt: number }
  | { readonly type: 'offline' }
  /** Trying again would not help. */
  | { readonly type: 'failed'; readonly error: DurableChatError };

export type ConnectionEvent =
  | { readonly type: 'start' }
  | { readonly type: 'opened' }
  | { readonly type: 'lost' }
  | { readonly type: 'refused'; readonly error: DurableChatError }
  | { readonly type: 'retry' }
  | { readonly type: 'offline' }
  | { readonly type: 'online' }
  | { readonly type: 'stop' };

/** What an app shows of it. */
export type Connection = 'connecting' | 'connected' | 'reconnecting' | 'offline' | 'closed';

export function nextConnection(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  switch (event.type) {
    case 'start':
      return state.type === 'idle' ? { type: 'connecting', attempt: 0 } : state;
    case 'opened':
      return state.type === 'connecting' ? { type: 'open' } : state;
    case 'lost':
      if (state.type === 'connecting') return { type: 'waiting', attempt: state.attempt + 1 };
      return state.type === 'open' ? { type: 'waiting', attempt: 1 } : state;
    case 'refused':
      return state.type === 'connecting' ? { type: 'failed', error: event.error } : state;
    case 'retry':
      return state.type === 'waiting' ? { type: 'connecting', attempt: state.attempt } : state;
    case 'offline':
      return state.type === 'idle' || state.type === 'failed' ? state : { type: 'offline' };
    case 'online':
      return state.type === 'offline' || state.type === 'waiting'
        ? { type: 'connecting', attempt: 1 }
        : state;
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
