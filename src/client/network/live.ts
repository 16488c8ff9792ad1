// A session's life on the network: its subscription, on the line that the page has to the route.

import { systemRuntime, type Runtime } from '../../lib/runtime.ts';
import type { DurableChatError } from '../../protocol/errors.ts';
import type { Frame, SnapshotFrame } from '../../protocol/frames.ts';
import { isPage } from './browser.ts';
import { connectionOf, jitteredDelay, type Connection } from './connection.ts';
import { askedAs, askedNow, pageLine, slotFor, type Asked } from './page-line.ts';
import { watchPage } from './page.ts';
import type { Requests } from './requests.ts';
import { holdStream, noSlot } from './slots.ts';
import { Subscription } from './subscription.ts';
import { Line } from './tabs/line.ts';
import { ask } from './tabs/member.ts';

export interface LiveOptions {
  readonly runtime?: Runtime;
  readonly requests: Requests;
  readonly sessionId: () => string;
  /** Milliseconds to wait before attempt 1, 2, …; by default at random, up to 10 s. */
  readonly retryDelay: ((attempt: number) => number) | undefined;
  /** Whether an answer is being written, or a send is on its way. */
  readonly isBusy: () => boolean;
  /** The session as a server's snapshot would say it, for tabs that join. */
  readonly snapshot: () => SnapshotFrame | undefined;
  /** Called before the server is asked for the session. */
  readonly onAsk: () => void;
  readonly onFrame: (frame: Frame) => void;
  /** With the reason why, when it is closed. */
  readonly onConnection: (connection: Connection, error: DurableChatError | undefined) => void;
}

/** The connection of a POST whose answer is read to its end. */
interface HeldPost {
  /** Names this client's subscription, for the POST's `x-durable-subscription`; undefined where others need the chunks, too. */
  readonly subscriptionId: string | undefined;
  /** To be called once. `isWhole`: all chunks of the run have come; if not, they come on the subscription from the first on. */
  readonly end: (isWhole: boolean) => void;
}

export interface Live {
  /** Connects, and follows what the page does. */
  open(): void;
  close(): void;
  /** Connects again if it rested. */
  wake(): void;
  /** Connects now, if that was waited for. */
  hurry(): void;
  /** Something is missing: begin again with a snapshot. */
  renew(): void;
  /**
   * To be called before a POST whose answer could be read to its end. Undefined while the browser is short of connections, or the
   * page reads another one: then the answer is left once its run is known, and read from the subscription.
   */
  holdPost(): Promise<HeldPost | undefined>;
}

export function createLive(options: LiveOptions): Live {
  const { runtime = systemRuntime, requests, sessionId, isBusy, snapshot, onAsk } = options;
  const retryDelay = options.retryDelay ?? ((attempt) => jitteredDelay(attempt, () => runtime.random()));
  const { subscribe } = requests;
  let line: Line | undefined;
  let asked: Asked | undefined;
  /** The server lets in by itself what it refused on the line. */
  let isSingled = false;
  const subscription = new Subscription({
    runtime,
    async connect(after, signal, onEvent) {
      onAsk();
      // Without a page nothing is scarce: a server renders for many at once.
      const now = isPage() ? await askedNow(requests, runtime) : undefined;
      signal.throwIfAborted();
      // With other headers it may be let in on a line; with the same ones it would be refused again.
      const isShared = now && !(isSingled && now.as === asked?.as);
      isSingled = false;
      asked = now;
      const takeSlot = now ? slotFor(now) : noSlot;
      line = isShared ? pageLine(now, takeSlot, runtime) : new Line({ runtime, takeSlot });
      const asksAlike = async () => (await askedAs(requests)) === now?.as;
      return line.join({ sessionId: sessionId(), subscribe, snapshot, asksAlike }, after, signal, onEvent);
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
    open() {
      leavePage();
      subscription.start();
      if (isPage()) leavePage = watchPage(subscription, isBusy);
    },
    close() {
      leavePage();
      subscription.stop();
    },
    wake: () => subscription.start(),
    hurry: () => subscription.wake(),
    renew: () => subscription.renew(),
    async holdPost() {
      const release = await holdStream(requests.api());
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

/** For a route that seems to have no sessions: up to five minutes. */
function seldomDelay(attempt: number): number {
  return Math.min(300_000, 1_000 * 2 ** attempt);
}
