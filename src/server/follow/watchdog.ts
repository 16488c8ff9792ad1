// The watch over a session's subscription as a pure state machine. Wake-ups can be lost, and a connection can die without
// a sign. So silence makes the session read, and a change without a wake-up makes it subscribe again.
//
//   connecting ──subscribed──▶ listening ──silence──▶ checking ──nothing missed, heard──▶ listening
//     │   ▲  ▲                   │     │                  │
//     │   │  └───ended, or 4 ────┘     │                  │
//     │   │      minutes of silence    │ ended again      │ something missed, ended
//     │   ├────────────────────────────┼──────────────────┘
//     │   └──silence── deaf ◀──────────┘
//     └──unsubscribed───▲                                         any: close ──▶ closed

/** The state of the watch. `attempt` counts successive connections that failed or ended without a wake-up. */
export type WatchState =
  /** A subscription is being opened. The previous one stays until then. */
  | { readonly type: 'connecting'; readonly attempt: number }
  /** A subscription is open. `quietMs` is how long there was no wake-up. */
  | { readonly type: 'listening'; readonly attempt: number; readonly quietMs: number }
  /** The subscription is silent, and a read checks whether it missed something. */
  | { readonly type: 'checking'; readonly quietMs: number }
  /** No subscription is open, and the next attempt waits. */
  | { readonly type: 'deaf'; readonly attempt: number }
  | { readonly type: 'closed' };

/** What the watch is informed of. */
export type WatchEvent =
  | { readonly type: 'subscribed' }
  /** The store did not acknowledge a subscription. */
  | { readonly type: 'unsubscribed' }
  /** A wake-up arrived. */
  | { readonly type: 'heard' }
  /** The subscription has ended by itself. */
  | { readonly type: 'ended' }
  /** The `ms` of `patienceMs` have passed. */
  | { readonly type: 'silence'; readonly ms: number }
  /** The session was read. `missed`: the read showed a change without a wake-up. */
  | { readonly type: 'looked'; readonly missed: boolean }
  /** The store did not respond. */
  | { readonly type: 'unread' }
  | { readonly type: 'close' };

/** The effect of a transition: open a subscription, read the session, or close. */
type WatchEffect = 'connect' | 'look' | 'close';

/** The next state, and the effects. */
export type WatchStep = readonly [state: WatchState, ...effects: readonly WatchEffect[]];

/** A silent connection is replaced after this time, because the client's HTTP ends a body after 300 s. */
const renewAfterMs = 220_000;
/** The session is read after this silence while wake-ups are expected, or while none can arrive. */
const activeSilenceMs = 3_000;
/** The same after reads that showed nothing missed. */
const longestActiveSilenceMs = 8_000;
/** The same while no wake-up is expected. */
const idleSilenceMs = 22_000;
/** The wait before the first delayed attempt. It doubles. */
const againMs = 500;

/** The first state of the watch. Its effect is `connect`. */
export const firstWatch: WatchState = { type: 'connecting', attempt: 0 };

/** The state after an event, and what the caller has to do. */
export function nextWatch(state: WatchState, event: WatchEvent): WatchStep {
  if (event.type === 'close') return state.type === 'closed' ? [state] : [{ type: 'closed' }, 'close'];
  switch (state.type) {
    case 'connecting':
      if (event.type === 'subscribed') {
        // A read now, so that changes before the subscription are not missed.
        return [{ type: 'listening', attempt: state.attempt, quietMs: 0 }, 'look'];
      }
      if (event.type === 'unsubscribed') return [{ type: 'deaf', attempt: state.attempt + 1 }, 'look'];
      return event.type === 'silence' ? [state, 'look'] : [state];
    case 'listening':
      if (event.type === 'heard') return [listening(0)];
      if (event.type === 'silence') {
        const quietMs = state.quietMs + event.ms;
        if (quietMs >= renewAfterMs) return [firstWatch, 'connect'];
        return [{ type: 'checking', quietMs }, 'look'];
      }
      if (event.type !== 'ended') return [state];
      // If the store ends each subscription at once, the attempts have pauses.
      if (state.attempt > 0) return [{ type: 'deaf', attempt: state.attempt + 1 }, 'look'];
      return [{ type: 'connecting', attempt: 1 }, 'connect'];
    case 'checking':
      if (event.type === 'heard') return [listening(0)];
      if (event.type === 'ended') return [{ type: 'connecting', attempt: 1 }, 'connect'];
      // Reads are frequent while the store fails, so that the failure is known when a lease ends.
      if (event.type === 'unread') return [listening(0)];
      if (event.type !== 'looked') return [state];
      return event.missed ? [firstWatch, 'connect'] : [listening(state.quietMs)];
    case 'deaf':
      if (event.type === 'silence') return [{ type: 'connecting', attempt: state.attempt }, 'connect'];
      return [state];
    case 'closed':
      return [state];
    default:
      return state satisfies never;
  }
}

/**
 * How long a silence may last; undefined if no silence is timed. `expects`: a run is active and a viewer of this process
 * watches, so wake-ups are expected.
 */
export function patienceMs(state: WatchState, expects: boolean): number | undefined {
  switch (state.type) {
    case 'connecting':
      return activeSilenceMs;
    case 'listening':
      if (!expects) return idleSilenceMs;
      return Math.min(longestActiveSilenceMs, Math.max(activeSilenceMs, state.quietMs));
    case 'deaf':
      return Math.min(activeSilenceMs, againMs * 2 ** (state.attempt - 1));
    case 'checking':
    case 'closed':
      return undefined;
    default:
      return state satisfies never;
  }
}

/** The connection works, so earlier failures no longer count. */
function listening(quietMs: number): WatchState {
  return { type: 'listening', attempt: 0, quietMs };
}
