// The beginning of a session that the store does not know: what the app keeps of it, else what its client says. An
// entry of its own, which counts only as the log's first, so that nothing which was removed comes back by it.

import { DurableChatError } from '../../protocol/errors.ts';
import type { LogFrame } from '../../protocol/frames.ts';
import { applyFrame } from '../../protocol/session-state.ts';
import { seedLog, type Keeper } from '../follow/app-history.ts';
import type { Log } from '../follow/log.ts';
import type { Channel } from '../../channel/channel.ts';
import type { SendBody } from '../http/parse-request.ts';
import { newId } from '../lib/id.ts';
import type { Settings } from '../settings.ts';
import { checkRoom, isFull } from './limits.ts';
import { pastOf, planTurn } from './plan.ts';

export interface BeginOptions {
  readonly channel: Channel;
  readonly keeper: Keeper;
  readonly settings: Settings;
  readonly body: SendBody;
}

/** Fills `log` where it has not begun. Throws what a send is refused with before any of it is stored. */
export async function beginSession(
  { channel, keeper, settings, body }: BeginOptions,
  log: Log,
): Promise<void> {
  await keeper.seed(body.id, log);
  if (log.hasBegun) return;
  const last = body.messages.at(-1);
  if (settings.loadMessages) {
    if (last?.role !== 'assistant') return;
    throw new DurableChatError('not_found', 'The message to continue is not in this session.');
  }
  const past = pastOf(body);
  if (past.length === 0) return;
  // Counted before it is folded: that takes a while.
  if (past.length > settings.limits.messagesPerSession) throw isFull(settings.limits);
  const frames = past.map((message): LogFrame => ({ type: 'message', message }));
  const plan = planTurn(frames.reduce(applyFrame, log.state), body, newId());
  checkRoom(settings.limits, log.state, { ...plan, frames: [...frames, ...plan.frames] });
  await seedLog(channel, body.id, log, past);
}
