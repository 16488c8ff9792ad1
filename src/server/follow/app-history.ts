// What the app keeps of its sessions in a database of its own: an empty session begins with it, and each run's end
// is told to it at least once.

import type { UIMessage } from 'ai';
import type { Channel } from '../../channel/channel.ts';
import type { LogFrame, NewEntry } from '../../protocol/frames.ts';
import { messagesOf } from '../../protocol/session-state.ts';
import type { Hub } from './hub.ts';
import type { Hubs } from './hubs.ts';
import { Log } from './log.ts';
import type { Settings } from '../options.ts';
import { retry } from '../lib/retry.ts';

export interface Keeper {
  /** Fills a log that is empty. Rejects with what `loadMessages` rejects with. */
  seed(session: string, log: Log): Promise<void>;
  /** The same for a session that is followed. */
  seedHub(hub: Hub): Promise<void>;
  /** Tells the app of all ends that it has not been told of, which `waitUntil` is given to wait for. */
  tell(session: string, waitUntil?: (told: Promise<void>) => void): Promise<void>;
}

/** What routes and sessions work with, once the store is open. */
export interface Opened {
  readonly channel: Channel;
  readonly hubs: Hubs;
  readonly keeper: Keeper;
}

export interface KeeperOptions extends Pick<Settings, 'loadMessages' | 'onRunEnd' | 'onError'> {
  readonly channel: Channel;
  readonly hubs: Hubs;
}

/** The entry that says of a run that the app has been told of its end, or is not to be. */
export function savedMark(run: string): NewEntry {
  return { key: `${run} saved`, frames: [{ type: 'run-saved', run }] };
}

/**
 * Begins a log with what came before it; `log` then holds what the store has. In a log that has begun meanwhile, or
 * that a replica which is behind did not show, nothing comes of it.
 */
export async function seedLog(
  channel: Channel,
  session: string,
  log: Log,
  messages: readonly UIMessage[],
): Promise<void> {
  if (messages.length === 0) return;
  const frames = messages.map((message): LogFrame => ({ type: 'message', message }));
  const entry: NewEntry = { key: 'seed', frames, when: 'first' };
  const after = log.lastId;
  for (const added of await retry(() => channel.append(session, entry, { after }))) log.add(added);
}

export function createKeeper(options: KeeperOptions): Keeper {
  const { channel, hubs, loadMessages, onRunEnd, onError } = options;
  /** Many viewers may find the same log empty at once. */
  const seeding = new WeakMap<Log, Promise<void>>();
  /** Ends that the app is being told of by this process. */
  const telling = new Set<string>();

  async function seed(session: string, log: Log): Promise<void> {
    if (!loadMessages || log.hasBegun) return;
    await seedLog(channel, session, log, (await loadMessages({ sessionId: session })) ?? []);
  }

  async function tellOf(hub: Hub, run: string): Promise<void> {
    const { session, state } = hub;
    const end = state.ended.get(run);
    const name = `${run} ${session}`;
    const mark = savedMark(run);
    if (!onRunEnd || !end || end.withdrawn || hub.log.hasKey(mark.key) || telling.has(name)) return;
    telling.add(name);
    try {
      await onRunEnd({
        sessionId: session,
        run,
        reason: end.reason,
        ...(end.by !== undefined && { by: end.by }),
        message: state.byId.get(end.messageId),
        messages: messagesOf(state),
      });
      // A release, so that it does not bring back a session that was deleted meanwhile.
      await retry(() => channel.append(session, mark, { lease: { type: 'release', run } }));
      await hub.refresh();
    } catch (error) {
      onError(error, { sessionId: session, run });
    } finally {
      telling.delete(name);
    }
  }

  async function tellAll(session: string): Promise<void> {
    const { hub, release } = hubs.acquire(session);
    try {
      await hub.ready;
      await hub.refresh();
      for (const run of hub.state.ended.keys()) await tellOf(hub, run);
    } catch {
      // The store is away: whoever comes next tells.
    } finally {
      release();
    }
  }

  return {
    seed,
    async seedHub(hub) {
      if (!loadMessages || hub.log.hasBegun) return;
      const { log } = hub;
      const seeded = seeding.get(log) ?? seed(hub.session, new Log()).then(() => hub.refresh());
      seeding.set(log, seeded);
      seeded.catch(() => seeding.delete(log));
      await seeded;
    },
    async tell(session, waitUntil) {
      if (!onRunEnd) return;
      const told = tellAll(session);
      try {
        waitUntil?.(told);
      } catch {
        // Outside of a request a framework may have nothing to keep alive.
      }
      await told;
    },
  };
}
