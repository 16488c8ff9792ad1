// What ends a run from outside: a stop (G3), its function's deadline, or another process that took its producer for
// dead (G6). It renews the lease, which keeps the last of them from happening.

import type { RunEnding } from '../../protocol/frames.ts';
import { every } from '../../lib/time.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { Session } from '../follow/session.ts';
import { marginBefore } from '../lib/deadline.ts';
import type { RunSettings } from '../settings.ts';

/** What ended the run from outside, and how the run ends. */
interface Halt {
  /**
   * - `stopped`: by a stop, by the deadline, or because it never gets its turn. This process writes the end.
   * - `lost`: another process has ended the run.
   * - `deleted`: the session no longer exists, and nothing of the run may be written to it again.
   */
  readonly type: 'stopped' | 'lost' | 'deleted';
  readonly how: RunEnding;
}

/** The watch over one run, until `close`. */
export interface Control {
  /** Aborts the model. */
  readonly signal: AbortSignal;
  /** Undefined until the signal aborts. */
  readonly halt: Halt | undefined;
  /** Rejects some time after an abort: a handler or a stream that ignores the signal is not waited for any more. */
  readonly graceOver: Promise<never>;
  /** Another process has closed the run. */
  lose(): void;
  /** From now on nothing halts the run. */
  close(): void;
}

/** Two renewals fit into a lease, so one may fail. */
const heartbeatPart = 0.4;
/** A failed renewal is retried this soon, because others end the run soon after the store is back. */
const againMs = 1_000;

/** `deadline` says when the process will be ended, on the monotonic clock. */
export function createControl(
  session: Session,
  runId: string,
  { leaseMs, stopGraceMs }: Pick<RunSettings, 'leaseMs' | 'stopGraceMs'>,
  deadline: number | undefined,
): Control {
  const { runtime } = session;
  const controller = new AbortController();
  let halt: Halt | undefined;
  let seen = false;
  let closed = false;

  /** The first halt counts. A deletion replaces it. */
  function end(type: Halt['type'], how: RunEnding): void {
    if (closed || (halt && type !== 'deleted')) return;
    halt = { type, how };
    controller.abort();
  }

  function check(): void {
    const active = session.state.active.find((candidate) => candidate.runId === runId);
    const ended = session.state.ended.get(runId);
    seen ||= active !== undefined;
    if (active?.stop) end('stopped', { reason: 'stop', ...active.stop });
    else if (ended) end(ended.withdrawn ? 'stopped' : 'lost', { reason: ended.reason });
    else if (seen && !active) end('deleted', { reason: 'stop' });
  }

  async function renew(): Promise<void> {
    const lease = await session.store.heartbeat(runId, leaseMs);
    if (lease === 'running') return;
    // The log says who asked for the stop, and whether another process has ended the run meanwhile.
    const isRead = await session.refresh({ fresh: true }).then(
      () => true,
      () => false,
    );
    // A run is placed before it begins: what the log does not have now was deleted, perhaps before this process read it.
    seen ||= isRead;
    check();
    if (lease === 'stop') end('stopped', { reason: 'stop' });
  }

  let cancelGrace = () => {};
  const graceOver = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => {
      const over = () =>
        reject(
          new DurableChatError(
            'handler_failed',
            'The handler did not return within `stopGraceMs` after its signal aborted. Pass `request.signal` to the model.',
          ),
        );
      cancelGrace = runtime.schedule(over, stopGraceMs);
    });
  });
  graceOver.catch(() => {});
  const off = session.onChange(check);
  const leave = session.workOn(runId);
  check();

  const period = leaseMs * heartbeatPart;
  let due = runtime.monotonic() + period;
  const cancelHeartbeat = every(runtime, Math.min(againMs, period), () => {
    if (runtime.monotonic() < due) return;
    due = runtime.monotonic() + period;
    renew().catch(() => (due = 0));
  });
  let cancelLast = () => {};
  if (deadline !== undefined) {
    const left = deadline - runtime.monotonic();
    const onDeadline = () => end('stopped', { reason: 'interrupted', cause: 'deadline' });
    cancelLast = runtime.schedule(onDeadline, left - marginBefore(left));
  }

  return {
    signal: controller.signal,
    get halt() {
      return halt;
    },
    graceOver,
    lose: () => end('lost', { reason: 'interrupted' }),
    close() {
      closed = true;
      cancelGrace();
      cancelLast();
      cancelHeartbeat();
      leave();
      off();
    },
  };
}
