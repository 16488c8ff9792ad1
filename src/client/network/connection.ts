// The subscription's connection as a pure state machine.
//
//   idle ──start──▶ connecting ──opened──▶ open ──rotated──▶ rotating ──opened──▶ open
//                    ▲   │ lost             │ lost              │ lost
//              retry │   ▼                  ▼                   ▼
//                   waiting ◀───────────────┴───────────────────┘
//   any but idle and failed: offline ──▶ offline ──online──▶ connecting ◀──online── waiting
//   connecting, open, rotating: refused ──▶ failed       any: stop ──▶ idle

import type { DurableChatError } from '../../protocol/errors.ts';

/** The state of the connection. The diagram above has the transitions. */
export type ConnectionState =
  | { readonly type: 'idle' }
  /** `attempt` counts the failures since the last progress. */
  | { readonly type: 'connecting'; readonly attempt: number }
  | { readonly type: 'open'; readonly attempt: number }
  /** The server has asked for a new connection, which is no failure. */
  | { readonly type: 'rotating' }
  | { readonly type: 'waiting'; readonly attempt: number }
  | { readonly type: 'offline' }
  /** A final refusal. */
  | { readonly type: 'failed'; readonly error: DurableChatError };

/** What changes the state. */
export type ConnectionEvent =
  | { readonly type: 'start' }
  | { readonly type: 'opened' }
  /** Progress: a frame arrived, or the connection has lasted for a while. */
  | { readonly type: 'progress' }
  | { readonly type: 'rotated' }
  | { readonly type: 'lost' }
  | { readonly type: 'refused'; readonly error: DurableChatError }
  | { readonly type: 'retry' }
  | { readonly type: 'offline' }
  | { readonly type: 'online' }
  | { readonly type: 'stop' };

/** The state of the connection for the app. */
export type Connection = 'connecting' | 'connected' | 'reconnecting' | 'offline' | 'closed';

/** The state after an event; the same object if the event changes nothing. */
export function nextConnection(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  const { type } = state;
  /** Successive connections without progress. */
  const attempt = 'attempt' in state ? state.attempt : 0;
  const isTrying = type === 'connecting' || type === 'rotating';
  const isUp = isTrying || type === 'open';
  switch (event.type) {
    case 'start':
      // A refused user can have signed in since. A route without sessions still has none.
      return type === 'idle' || (type === 'failed' && [401, 403].includes(state.error.status))
        ? { type: 'connecting', attempt }
        : state;
    case 'opened':
      if (!isTrying) return state;
      // A server that rotates again and again without progress is retried with pauses.
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

/** The state as apps see it. */
export function connectionOf(state: ConnectionState): Connection {
  return state.type === 'connecting' && state.attempt > 0 ? 'reconnecting' : shown[state.type];
}

/** Full jitter: a random time up to a ceiling that doubles, so that many viewers do not reconnect at once. */
export function jitteredDelay(attempt: number, random: () => number): number {
  return random() * Math.min(10_000, 500 * 2 ** (attempt - 1));
}
