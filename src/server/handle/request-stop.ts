// A stop is recorded; the producer carries it out.

import type { Channel } from '../../channel/channel.ts';
import type { RunStopFrame } from '../../protocol/frames.ts';
import { retry } from '../lib/retry.ts';

/** How long the end of a run that was stopped is waited for. */
export const confirmWithinMs = 5_000;

/** Why runs are stopped. */
export interface StopCause {
  readonly by?: string | undefined;
  /** The message that interrupts them. */
  readonly interruptedBy?: string | undefined;
  /** They lost their place to another edit at the same moment. */
  readonly conflict?: true;
}

/** Records a stop where a producer finds it whenever it looks: in the log, and on its lease. */
export async function requestStop(
  channel: Channel,
  sessionId: string,
  runs: readonly string[],
  { by, interruptedBy, conflict }: StopCause,
): Promise<void> {
  for (const runId of runs) {
    const frame: RunStopFrame = {
      type: 'run-stop',
      runId,
      ...(by !== undefined && { by }),
      ...(interruptedBy !== undefined && { interruptedBy }),
      ...(conflict && { conflict }),
    };
    const entry = { key: `${runId} stop`, frames: [frame] };
    await retry(() => channel.append(sessionId, entry, { lease: { type: 'stop', runId } }));
  }
}
