// What ends a run from outside: a stop (G3), its function's deadline, or somebody else who took its producer for
// dead (G6). It renews the lease, which is how the last of them is kept from happening.

import type { Closure } from '../../channel/channel.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { monotonicMs } from '../lib/clock.ts';
import { longestTimeoutMs, marginBefore } from '../lib/deadline.ts';
import type { Session } from '../follow/session.ts';

export interface ControlOptions {
  readonly session: Session;
  readonly runId: string;
  readonly leaseMs: number;
  readonly stopGraceMs: number;
  /** When the process will be ended, on the monotonic clock. */
  readonly deadline: number | undefined;
}

export interface Control {
  /** Aborts the model. */
  readonly signal: AbortSignal;
  /** How the run is to end; undefined as long as nobody has said. */
  ending(): Closure | undefined;
  /** Whether the session was deleted. */
  isGone(): boolean;
  /** Rejects some time after an abort, when what should have heeded the signal is not waited for any more. */
  graceOver(): Promise<never>;
  /** Aborts the model without a word on the end: the run is not ours any more. */
  abort(): void;
  close(): void;
}

/** Two renewals fit into a lease: one of them may fail. */
const heartbeatPart = 0.4;
/** A renewal that has failed is tried again this soon: others wait no longer once the store is back. */
const againMs = 1_000;

export function createControl(options: ControlOptions): Control {
  const { session, runId, leaseMs, stopGraceMs, deadline } = options;
  const controller = new AbortController();
  let closure: Closure | undefined;
  let seen = false;
  let gone = false;

  function end(how: Closure): void {
    if (closure) return;
    closure = how;
    controller.abort();
  }

  function check(): void {
    const active = session.state.active.find((candidate) => candidate.runId === runId);
    const ended = session.state.ended.has(runId);
    seen ||= active !== undefined;
    gone = seen && !active && !ended;
    if (gone) end({ reason: 'stop' });
    if (active?.stop) end({ reason: 'stop', ...active.stop });
    if (ended) controller.abort();
  }

  async function renew(): Promise<void> {
    const lease = await session.store.heartbeat(runId, leaseMs);
    if (lease === 'running') return;
    // Who asked for the stop is in the log; and so is whether somebody has ended the run meanwhile.
    await session.refresh({ fresh: true }).catch(() => {});
    check();
    if (lease === 'stop') end({ reason: 'stop' });
  }

  let graceTimer: ReturnType<typeof setTimeout> | undefined;
  const grace = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => {
      const over = () =>
        reject(
          new DurableChatError(
            'handler_failed',
            'The handler did not return within stopGraceMs after its signal aborted. Pass request.signal to the model.',
          ),
        );
      graceTimer = setTimeout(over, stopGraceMs);
    });
  });
  grace.catch(() => {});
  const off = session.onChange(check);
  check();

  const every = leaseMs * heartbeatPart;
  let due = monotonicMs() + every;
  const heartbeat = setInterval(
    () => {
      if (monotonicMs() < due) return;
      due = monotonicMs() + every;
      renew().catch(() => (due = 0));
    },
    Math.min(againMs, every),
  );
  let last: ReturnType<typeof setTimeout> | undefined;
  if (deadline !== undefined) {
    const left = deadline - monotonicMs();
    const inTime = Math.min(left - marginBefore(left), longestTimeoutMs);
    last = setTimeout(() => end({ reason: 'interrupted', cause: 'deadline' }), inTime);
  }

  return {
    signal: controller.signal,
    ending: () => closure,
    isGone: () => gone,
    graceOver: () => grace,
    abort: () => controller.abort(),
    close() {
      clearTimeout(graceTimer);
      clearTimeout(last);
      clearInterval(heartbeat);
      off();
    },
  };
}
