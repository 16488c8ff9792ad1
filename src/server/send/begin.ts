// The beginning of a session that the store does not know: what the app keeps of it, else what its client says. An
// entry of its own, which counts only as the log's first, so that nothing which was removed comes back by it.

import type { UIMessage } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import type { MessageFrame } from '../../protocol/frames.ts';
import { firstEpoch } from '../../protocol/entries.ts';
import { applyFrame } from '../../protocol/fold.ts';
import { seedLog, type Keeper } from '../keep/app-history.ts';
import type { Log } from '../follow/log.ts';
import type { Session } from '../follow/session.ts';
import { withoutOpenCalls } from '../history/seeded.ts';
import { checkMessage, checkSize } from './check-message.ts';
import type { SendBody } from './send-body.ts';
import type { Settings } from '../settings.ts';
import type { LogView } from './plan.ts';
import { fullError } from './refusals.ts';

/**
 * Fills `log` where it has not begun.
 *
 * @param plan - Plans the send behind a beginning. What it throws the send is refused with, before any of it is stored.
 */
export async function beginSession(
  session: Session,
  log: Log,
  { messages }: SendBody,
  {
    keeper,
    settings,
  }: { readonly keeper: Keeper; readonly settings: Pick<Settings, 'loadMessages' | 'limits' | 'seed'> },
  plan: (log: LogView) => unknown,
): Promise<void> {
  await keeper.seed(session, log);
  if (log.hasBegun) return;
  if (messages.at(-1)?.role === 'assistant') {
    throw new DurableChatError(
      'not_found',
      'The message to continue is not in the session. Send a user message instead.',
    );
  }
  // The app knows the past, or it was deleted: then it is not for a client to say.
  if (settings.loadMessages || log.epoch !== firstEpoch) return;
  const frames = pastOf(settings.seed, messages);
  // Counted before it is folded: that takes a while.
  if (frames.length > settings.limits.messagesPerSession) throw fullError(settings.limits);
  for (const { message, seeded } of frames) {
    if (message.role === 'user') checkSize(message, settings.limits);
    // Of what is seeded a handler reads what it can; a user's message can be sent again as it is.
    if (message.role === 'user' || !seeded) await checkMessage(message);
  }
  const { epoch, lastId } = log;
  plan({ state: frames.reduce(applyFrame, log.state), entries: [], epoch, lastId, hasHad: () => false });
  await seedLog(session, log, frames);
}

/** What a client's messages say of a session before its last one, as far as the app lets them. */
export function pastOf(seed: Settings['seed'], messages: readonly UIMessage[]): MessageFrame[] {
  const past = messages.slice(0, -1);
  switch (seed) {
    case 'none':
      return [];
    case 'all':
      return past.map((message) => ({ type: 'message', message }));
    case 'text':
      return past.flatMap((posted) => {
        const message = withoutOpenCalls(posted);
        return message ? { type: 'message', message, seeded: true } : [];
      });
    default:
      return seed satisfies never;
  }
}
