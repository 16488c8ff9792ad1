// What a session has room for.

import { DurableChatError } from '../../protocol/errors.ts';
import { applyFrame } from '../../protocol/fold.ts';
import type { SessionState } from '../../protocol/session-state.ts';
import type { Limits } from '../options.ts';
import type { Plan } from './plan.ts';
import { crowdedError, fullError } from './refusals.ts';

/** Throws `too_large` or `too_many` where a turn goes over a limit. */
export function checkRoom(limits: Limits, state: SessionState, plan: Plan): void {
  // What can only be too much is not even counted: that takes a while.
  if (plan.frames.length > limits.messagesPerSession + 3) throw fullError(limits);
  for (const frame of plan.frames) {
    if (frame.type !== 'message' || frame.message.role !== 'user') continue;
    if (bytesOf(frame.message) <= limits.messageBytes) continue;
    throw new DurableChatError(
      'too_large',
      `The message is over the limit of ${limits.messageBytes} bytes (limits.messageBytes). Send a smaller one.`,
    );
  }
  const { order } = plan.frames.reduce(applyFrame, state);
  const count = order.includes(plan.messageId) ? order.length : order.length + 1;
  // What makes the session shorter is welcome in one that is full.
  if (count > limits.messagesPerSession && count > state.order.length) {
    throw fullError(limits);
  }
  const working = state.active.filter(({ runId, stop }) => !stop && !plan.displaced.includes(runId));
  if (working.length >= limits.activeRunsPerSession) throw crowdedError(limits);
}

function bytesOf(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).byteLength;
}
