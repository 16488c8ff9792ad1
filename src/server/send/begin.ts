// The beginning of a session that the store does not know: the messages of loadMessages, else those of the client. It is
// an entry of its own that counts only as the log's first, so that it cannot bring removed messages back.

import type { UIMessage } from 'ai';
import { DurableChatError } from '../../protocol/errors.ts';
import type { LogFrame, MessageFrame } from '../../protocol/frames.ts';
import { firstEpoch } from '../../protocol/entries.ts';
import { applyFrames } from '../../protocol/fold.ts';
import { seedLog, type Keeper } from '../keep/app-history.ts';
import type { Log } from '../follow/log.ts';
import type { Session } from '../follow/session.ts';
import { withoutOpenCalls } from '../history/seeded.ts';
import { checkMessage, checkSize } from './check-message.ts';
import type { SendBody } from './send-body.ts';
import type { Seed } from '../options.ts';
import type { SendSettings } from '../settings.ts';
import type { LogView } from './plan.ts';
import { fullError } from './refusals.ts';

/**
 * Fills `log` where it has not begun.
 *
 * @param plan - Plans the send after a beginning. What it throws the send is refused with, before any of it is stored.
 */
export async function beginSession(
  session: Session,
  log: Log,
  { messages }: SendBody,
  keeper: Keeper,
  { limits, seed }: Pick<SendSettings, 'limits' | 'seed'>,
  plan: (log: LogView) => unknown,
): Promise<void> {
  const check = (frames: readonly LogFrame[]) => {
    const { epoch, lastId } = log;
    // No client has seen the entry of the beginning.
    const entries = [{ id: 'beginning', key: 'beginning', frames }];
    plan({ state: applyFrames(log.state, frames), entries, epoch, lastId, hasHad: () => false });
  };
  await keeper.seed(session, log, check);
  if (log.hasBegun) return;
  if (messages.at(-1)?.role === 'assistant') {
    throw new DurableChatError(
      'not_found',
      'The message to continue is not in the session. Send a user message instead.',
    );
  }
  // With loadMessages or after a deletion, the client's earlier messages are ignored.
  if (keeper.hasHistory || log.epoch !== firstEpoch) return;
  const frames = pastOf(seed, messages);
  // Counted before the fold, which takes time.
  if (frames.length > limits.messagesPerSession) throw fullError(limits);
  for (const { message, seeded } of frames) {
    if (message.role === 'user') checkSize(message, limits);
    // A handler reads only safe parts of seeded messages, but a user message can be edited and regenerated as it is.
    if (message.role === 'user' || !seeded) await checkMessage(message);
  }
  check(frames);
  await seedLog(session, log, frames);
}

/** The earlier messages of a client that `seed` accepts. */
export function pastOf(seed: Seed, messages: readonly UIMessage[]): MessageFrame[] {
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
