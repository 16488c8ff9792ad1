// A session's life on the network: its subscription, which the tabs of a browser share, and its outbox. The session's
// constructor loads it in a page, beside the first render. It takes nothing but types from the files that load first.

import type { DurableChatError } from '../../protocol/errors.ts';
import type { Frame, SnapshotFrame } from '../../protocol/frames.ts';
import { toSnapshot } from '../../protocol/to-snapshot.ts';
import { connectionOf, jitteredDelay, type Connection } from './connection.ts';
import { Outbox, type OutboxStorage } from '../sends/outbox.ts';
import { watchPage } from './page.ts';
import type { Connect } from './requests.ts';
import type { DurableSession } from '../session.ts';
import { canShare, shareConnection } from './tab-sharing.ts';
import { Subscription } from './subscription.ts';

export interface LiveOptions {
  readonly session: DurableSession;
  readonly retryDelay: ((attempt: number) => number) | undefined;
  readonly outbox: OutboxStorage | false | undefined;
  readonly onFrame: (frame: Frame) => void;
  /** With the reason why, when it is closed. */
  readonly onConnection: (connection: Connection, error: DurableChatError | undefined) => void;
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
  /** Undefined when the app wants none. */
  readonly outbox: Outbox | undefined;
}

export function createLive(options: LiveOptions): Live {
  const { session, retryDelay = jitteredDelay, outbox: kept, onFrame, onConnection } = options;
  const direct: Connect = (...connection) => {
    session.following.markAsked();
    return session.requests.subscribe(session.id, ...connection);
  };
  const subscription = new Subscription({
    connect: canShare()
      ? shareConnection({
          connect: direct,
          name: () => nameOf(session),
          snapshot: () => snapshotOf(session),
        })
      : direct,
    retryDelay: (attempt) =>
      session.requests.isPlain ? Math.max(retryDelay(attempt), seldomDelay(attempt)) : retryDelay(attempt),
    onFrame,
    onConnection(state) {
      const refused = state.type === 'failed' ? state.error : undefined;
      // What others write cannot be followed any more; the chat's own answers come with their sends.
      for (const { runId } of refused ? session.getSnapshot().runs : [])
        if (!session.following.isOwn(runId)) session.runLog(runId).end(refused);
      onConnection(connectionOf(state), refused);
    },
  });
  const outbox =
    kept === false
      ? undefined
      : new Outbox({
          session,
          retryDelay,
          storage: kept ?? storageOfTab(),
          name: () => `durable-chat outbox ${session.requests.api()} ${session.id}`,
        });
  const isBusy = () => session.sending || session.getSnapshot().runs.length > 0 || outbox?.isEmpty === false;
  let leavePage = () => {};
  return {
    outbox,
    open() {
      leavePage();
      subscription.start();
      if (typeof document !== 'undefined') leavePage = watchPage(subscription, isBusy);
    },
    close() {
      leavePage();
      subscription.stop();
    },
    wake: () => subscription.start(),
    hurry: () => subscription.wake(),
    renew: () => subscription.renew(),
  };
}

/** For a route that seems to have no sessions: up to five minutes. */
function seldomDelay(attempt: number): number {
  return Math.min(300_000, 1_000 * 2 ** attempt);
}

/** Survives a reload and ends with the tab. */
function storageOfTab(): Storage | undefined {
  try {
    return typeof document === 'undefined' ? undefined : sessionStorage;
  } catch {
    // Closed to this page.
    return undefined;
  }
}

/** Only tabs that ask the same route for the same session, with the same headers, share. */
async function nameOf(session: DurableSession): Promise<string> {
  const { headers, credentials } = session.requests.options;
  const asked = [
    session.requests.api(),
    [...new Headers(await (typeof headers === 'function' ? headers() : headers))],
    await (typeof credentials === 'function' ? credentials() : credentials),
  ];
  // Headers hold secrets: their digest cannot be turned back. Where there are locks there is `subtle`, too.
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(JSON.stringify(asked)));
  return [session.id, ...new Uint8Array(bytes)].join(' ');
}

/** The session as a server's snapshot would tell it. */
function snapshotOf(session: DurableSession): SnapshotFrame | undefined {
  const { state } = session.getSnapshot();
  if (!state) return undefined;
  return toSnapshot(state, ({ runId }) => {
    const { count, chunks } = session.runLog(runId);
    return { count, chunks };
  });
}
