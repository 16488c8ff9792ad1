// G4: every page's messages are the log's.

import { isDeepStrictEqual } from 'node:util';
import { messagesOf } from '../../protocol/session-state.ts';
import { Log } from '../../server/follow/log.ts';
import type { Check } from './check.ts';

export const oneTruth: Check = async ({ world, pages, sessions, store, evidence }) => {
  for (const sessionId of sessions) {
    const log = new Log();
    const read = await world.settle(store.channel.readLog(sessionId, ''), 1_000);
    for (const entry of read && 'value' in read ? read.value : []) log.add(entry);
    const truth = messagesOf(log.state);
    evidence.demand(log.state.active.length === 0, 'G12', () => `session ${sessionId} has active runs`);
    for (const page of pages)
      if (page.sessionId === sessionId)
        evidence.demand(
          isDeepStrictEqual(page.messages, truth),
          'G4',
          () =>
            `${page.process.name} shows ${JSON.stringify(page.messages)}, the log has ${JSON.stringify(truth)}`,
        );
  }
};
