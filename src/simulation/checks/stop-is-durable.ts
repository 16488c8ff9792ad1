// G3: a run whose stop was confirmed has ended as stopped, and its handler was aborted.

import type { Check } from './check.ts';
import { logOf } from './logs.ts';

/** Looks at each run whose stop was confirmed. */
export const stopIsDurable: Check = async (stage) => {
  const { evidence } = stage;
  for (const sessionId of stage.sessions) {
    const state = (await logOf(stage, sessionId))?.state;
    for (const runId of evidence.stopped.keys()) {
      const end = state?.ended.get(runId);
      if (!end) continue;
      evidence.demand(
        end.reason === 'stop',
        'G3',
        () => `run ${runId} was stopped and ended as ${end.reason}`,
      );
      const call = evidence.calls.get(runId)?.[0];
      evidence.demand(
        !call || call.abortedAt !== undefined || call.isOver,
        'G3',
        () => `run ${runId} was stopped and its handler was not aborted`,
      );
    }
  }
};
