// The entry that puts a run in its place, and says when it counts.

import { entries, type NewEntry } from '../../protocol/entries.ts';
import type { RunStartFrame } from '../../protocol/frames.ts';
import { reportsFor } from '../keep/reports.ts';
import type { WhenBusy } from '../options.ts';
import type { Settings } from '../settings.ts';
import type { Plan, SendKey } from './plan.ts';

export interface Starting {
  readonly runId: string;
  readonly sent: SendKey;
  readonly whenBusy: WhenBusy;
  readonly by: string | undefined;
  readonly trigger: RunStartFrame['trigger'];
  readonly subscriptionId: string | null;
}

export function startEntry(
  settings: Settings,
  { runId, sent, whenBusy, by, trigger, subscriptionId }: Starting,
  plan: Plan,
  epoch: string,
): NewEntry {
  const { limits } = settings;
  const run: Omit<RunStartFrame, 'type'> = {
    runId,
    messageId: plan.messageId,
    trigger,
    at: Date.now(),
    send: sent,
    ...(plan.userMessageId !== undefined && { userMessageId: plan.userMessageId }),
    ...(whenBusy === 'parallel' && { parallel: true }),
    ...(whenBusy === 'steer' && { steer: true }),
    ...(by !== undefined && { by }),
    ...(subscriptionId !== null && { subscriptionId }),
    ...reportsFor(settings, plan.frames),
  };
  return entries.start(run, {
    frames: plan.frames,
    when: [
      ...plan.when,
      ...(whenBusy === 'reject' ? [{ type: 'idle' } as const] : []),
      { type: 'messages', max: limits.messagesPerSession },
      { type: 'runs', max: limits.activeRunsPerSession },
    ],
    epoch,
  });
}
