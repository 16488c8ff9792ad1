// Messages are deleted by an entry in the log; the runs that this stops are waited for.

import { DurableChatError } from '../../protocol/errors.ts';
import type { MessageDeleteFrame } from '../../protocol/frames.ts';
import { isConcerned } from '../../protocol/deletion.ts';
import type { Opened } from '../follow/app-history.ts';
import type { Hub } from '../follow/hub.ts';
import { newId } from '../lib/id.ts';
import { retry } from '../lib/retry.ts';
import { untilOver } from '../run/reap.ts';
import { confirmWithinMs, requestStop } from './request-stop.ts';

type What =
  | Omit<Extract<MessageDeleteFrame, { messageId: string }>, 'type'>
  | Omit<Extract<MessageDeleteFrame, { all: true }>, 'type'>;

/** See `SessionHandle.deleteMessage` and `SessionHandle.clear`. */
export async function deleteFrom({ channel, keeper }: Opened, hub: Hub, what: What): Promise<void> {
  const frame: MessageDeleteFrame = { type: 'message-delete', ...what };
  const clears = 'all' in frame;
  // A session that is cleared begins with that; of another one a message could only come back by its beginning.
  if (!clears) await checkKnown(hub, keeper);
  const entry = { key: `${newId()} delete`, frames: [frame] };
  await retry(() => channel.append(hub.session, entry, { existing: !clears }));
  await hub.refresh({ fresh: true });
  const runs = hub.state.active.filter((run) => run.stop && isConcerned(run, frame)).map(({ run }) => run);
  await requestStop(channel, hub.session, runs, { by: what.by });
  await untilOver(channel, hub, runs, confirmWithinMs);
}

/** Fills the session with what the app has kept. Throws `not_found` when there is nothing then. */
async function checkKnown(hub: Hub, keeper: Opened['keeper']): Promise<void> {
  await hub.refresh({ fresh: true });
  await keeper.seedHub(hub);
  if (!hub.log.hasBegun) throw new DurableChatError('not_found', 'There is no such session.');
}
