// The watch over a session's subscription as a pure state machine. Hints can be lost and a connection can die without
// a sign, so that silence makes the session read, and news that no hint brought makes it subscribe again.
//
//   connecting ──subscribed──▶ listening ──silence──▶ checking ──nothing missed, heard──▶ listening
//     │   ▲  ▲                   │     │                  │
//     │   │  └───ended, or 4 ────┘     │                  │
//     │   │      minutes of silence    │ ended again      │ something missed, ended
//     │   ├────────────────────────────┼──────────────────┘
//     │   └──silence── deaf ◀──────────┘
//     └──unsubscribed───▲                                         any: close ──▶ closed

/** What the watch is at. `attempt` counts the connections in a row that failed or ended without a sign of life. */
export type WatchState =
  /** A subscription is being opened. The one before, if it still stands, stays until then. */
  | { readonly type: 'connecting'; readonly attempt: number }
  /** A subscription stands. `quietMs` is how long the session has read without hearing anything. */
  | { readonly type: 'listening'; readonly attempt: number; readonly quietMs: number }
  /** It is silent: whether it missed something is being read. */
  | { readonly type: 'checking'; readonly quietMs: number }
  /** No subscription stands; the next attempt waits. */
  | { readonly type: 'deaf'; readonly attempt: number }
  | { readonly type: 'closed' };

export type WatchEvent =
  | { readonly type: 'subscribed' }
  /** The store did not acknowledge a subscription. */
  | { readonly type: 'unsubscribed' }
  /** A hint came. */
  | { readonly type: 'heard' }
  /** The subscription has ended, and nobody closed it. */
  | { readonly type: 'ended' }
  /** `patienceMs` have passed, which were `ms`. */
  | { readonly type: 'silence'; readonly ms: number }
  /** The session has been read. `missed`: that showed what no hint had said. */
  | { readonly type: 'looked'; readonly missed: boolean }
  /** The store did not answer. */
  | { readonly type: 'unread' }
  | { readonly type: 'close' };

/** What a transition asks for: open a subscription, read the session, or close. */
type WatchEffect = 'connect' | 'look' | 'close';

/** The next state, and what to do on the way. */
export type WatchStep = readonly [state: WatchState, ...effects: readonly WatchEffect[]];

/** A silent connection is replaced before it is likely to be cut: the client's HTTP ends a body after 300 s. */
const renewAfterMs = 220_000;
/** Silence after which the session is read while hints are expected, or none can come. */
const activeSilenceMs = 3_000;
/** The same when each reading before showed that nothing was missed. */
const longestActiveSilenceMs = 8_000;
/** The same when no hint is expected. */
const idleSilenceMs = 22_000;
/** The wait before the first attempt that is not made at once; it doubles. */
const againMs = 500;

/** The watch begins with this, and with the effect `connect`. */
export const firstWatch: WatchState = { type: 'connecting', attempt: 0 };

export function nextWatch(state: WatchState, event: WatchEvent): WatchStep {
  if (event.type === 'close') return state.type === 'closed' ? [state] : [{ type: 'closed' }, 'close'];
  switch (state.type) {
    case 'connecting':
      if (event.type === 'subscribed') {
        // Nothing that happened meanwhile falls between: it is read now.
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
      // A store that ends each subscription at once is not asked without a pause.
      if (state.attempt > 0) return [{ type: 'deaf', attempt: state.attempt + 1 }, 'look'];
      return [{ type: 'connecting', attempt: 1 }, 'connect'];
    case 'checking':
      if (event.type === 'heard') return [listening(0)];
      if (event.type === 'ended') return [{ type: 'connecting', attempt: 1 }, 'connect'];
      // While the store fails it is asked often: only so is its failure known when a lease has run out.
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
 * How long a silence is believed; undefined where none is waited for. `expects`: a run is active and somebody here
 * watches, so that hints are due.
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

/** It has been heard of, or has lasted: what failed before does not count any more. */
function listening(quietMs: number): WatchState {
  return { type: 'listening', attempt: 0, quietMs };
}
