// A session's network: its subscription on the page's line to the route, and the connections of its POSTs.

import type { Runtime } from '../../lib/runtime.ts';
import type { DurableChatError } from '../../protocol/errors.ts';
import type { Frame, SnapshotFrame } from '../../protocol/frames.ts';
import { isPage } from './browser.ts';
import { connectionOf, type Connection } from './connection.ts';
import { identityOf, keyOf, pageLine, slotFor, type RequestIdentity } from './page-line.ts';
import { watchPage } from './page.ts';
import type { Requests } from './requests.ts';
import { takeStreamSlot, noSlot } from './slots.ts';
import { Subscription } from './subscription.ts';
import { Line } from './tabs/line.ts';
import { ask } from './tabs/member.ts';

/** What the network of a session needs of the session. */
export interface LiveOptions {
  readonly runtime: Runtime;
  readonly requests: Requests;
  readonly sessionId: () => string;
  /** Milliseconds to wait before attempt 1, 2, … */
  readonly retryDelay: (attempt: number) => number;
  /** Whether a run is active, or a send has no response yet. */
  readonly isBusy: () => boolean;
  /** The session as a snapshot frame, for tabs that join. */
  readonly snapshot: () => SnapshotFrame | undefined;
  /** Called before a request for the session. */
  readonly onAsk: () => void;
  readonly onFrame: (frame: Frame) => void;
  /** Called with each change; with the error if it is `closed`. */
  readonly onConnection: (connection: Connection, error: DurableChatError | undefined) => void;
}

/** The connection of a POST whose response is read to its end. */
export interface PostSlot {
  /** The subscription's id for the POST's `x-durable-subscription`. Undefined if other readers need the chunks. */
  readonly subscriptionId: string | undefined;
  /** Call it once. `isWhole`: all chunks of the run have arrived. Otherwise all come again, on the subscription. */
  readonly end: (isWhole: boolean) => void;
}

/** The network of a session. */
export interface Live {
  readonly subscription: Subscription;
  /** Connects, and reacts to the page's visibility and network. */
  open(): void;
  close(): void;
  /**
   * Call it before a POST whose response could be read to its end. Undefined while the browser lacks connections, or while
   * the page reads another POST. Then the client leaves the response once its run is known, and reads the run from the
   * subscription.
   */
  takePostSlot(): Promise<PostSlot | undefined>;
}

/** The network of a session. It makes no request before `open`. */
export function createLive(options: LiveOptions): Live {
  const { runtime, requests, sessionId, retryDelay, isBusy, snapshot, onAsk } = options;
  const { subscribe } = requests;
  let line: Line | undefined;
  let identity: RequestIdentity | undefined;
  /** The server accepts this session alone, after it refused it on the line. */
  let isSingled = false;
  const subscription = new Subscription({
    runtime,
    async connect(after, signal, onEvent) {
      onAsk();
      // Without a page connections are not scarce: a server renders for many users at once.
      const now = isPage() ? await identityOf(requests, runtime) : undefined;
      signal.throwIfAborted();
      // With other headers it may be accepted on a line. With the same ones it would be refused again.
      const isShared = now && !(isSingled && now.key === identity?.key);
      isSingled = false;
      identity = now;
      const takeSlot = now ? slotFor(now) : noSlot;
      line = isShared ? pageLine(now, takeSlot, runtime) : new Line({ runtime, takeSlot });
      const matchesLine = async () => (await keyOf(requests)) === now?.key;
      return line.join({ sessionId: sessionId(), subscribe, snapshot, matchesLine }, after, signal, onEvent);
    },
    async ask(after, signal) {
      await ask(subscribe, sessionId(), after, signal);
      isSingled = true;
    },
    retryDelay: (attempt) =>
      requests.isPlain ? Math.max(retryDelay(attempt), seldomDelay(attempt)) : retryDelay(attempt),
    onFrame: options.onFrame,
    onConnection: (state) =>
      options.onConnection(connectionOf(state), state.type === 'failed' ? state.error : undefined),
  });
  let leavePage = () => {};
  return {
    subscription,
    open() {
      leavePage();
      subscription.start();
      if (isPage()) leavePage = watchPage(runtime, subscription, isBusy);
    },
    close() {
      leavePage();
      subscription.stop();
    },
    async takePostSlot() {
      const release = await takeStreamSlot(requests.api(), runtime);
      const get = line?.sharedGet;
      const subscriptionId = release && get?.nameForPost(sessionId());
      const end = (isWhole: boolean) => {
        release?.();
        if (!isWhole && subscriptionId !== undefined) get?.rename(subscriptionId);
      };
      return release && { subscriptionId, end };
    },
  };
}

/** The delay for a route that seems to have no sessions: up to five minutes. */
function seldomDelay(attempt: number): number {
  return Math.min(300_000, 1_000 * 2 ** attempt);
}
