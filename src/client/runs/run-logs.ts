// The chunks of the session's runs.

import type { Runtime } from '../../lib/runtime.ts';
import type { Frame } from '../../protocol/frames.ts';
import { isActive, type SessionState } from '../../protocol/session-state.ts';
import { RunLog } from './run-log.ts';

/** How long the last chunks of a POST may take after the end of its run. */
const postLateMs = 5_000;

/** The logs of the runs, by run id. */
export class RunLogs {
  readonly #runtime: Runtime;
  readonly #logs = new Map<string, RunLog>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** The chunks of a run. The list is created on first use. */
  get(runId: string): RunLog {
    let log = this.#logs.get(runId);
    if (!log) this.#logs.set(runId, (log = new RunLog(runId)));
    return log;
  }

  /** Removes the chunks of an ended run. */
  forget(runId: string): void {
    this.#logs.delete(runId);
  }

  /** Applies a frame to the runs. False if chunks before those of the frame are missing. */
  take(frame: Frame, before: SessionState | undefined, after: SessionState): boolean {
    switch (frame.type) {
      case 'snapshot':
        for (const { runId, count, chunks } of frame.runs) this.get(runId).acceptSnapshot(count, chunks);
        for (const runId of this.#logs.keys()) {
          const wasActive = before !== undefined && isActive(before, runId);
          const isOver = wasActive || frame.ended.some((end) => end.runId === runId);
          if (isOver && !frame.runs.some((active) => active.runId === runId)) this.#end(runId, after);
        }
        return true;
      case 'run-start':
        this.get(frame.runId);
        return true;
      case 'chunks':
        return this.get(frame.runId).accept(frame.from, frame.chunks);
      case 'run-withdraw':
      case 'run-steer':
      case 'run-end':
        if (isActive(after, frame.runId)) return true;
        this.#end(frame.runId, after);
        this.forget(frame.runId);
        return true;
      case 'message':
      case 'truncate':
      case 'message-delete':
      case 'run-stop':
      case 'run-saved':
      case 'tool-outcome':
      case 'durability':
      case 'reset':
      case 'refused':
        return true;
      default:
        // A type of a newer server has no effect here.
        frame satisfies never;
        return true;
    }
  }

  /** Waits for the chunks that the POST of a run still brings. The POST and the subscription have no common order. */
  #end(runId: string, { ended }: SessionState): void {
    const log = this.#logs.get(runId);
    if (log?.isPosted && log.count < (ended.get(runId)?.chunks ?? 0))
      this.#runtime.schedule(() => log.end(), postLateMs);
    else log?.end();
  }
}
