// The producer: one run from its place in the log to its end. It waits for its turn, calls the handler, emits what the
// handler's stream has, and ends. It needs no request, and no reader.

import type { UIMessage } from 'ai';
import type { RunEnding } from '../../protocol/frames.ts';
import { within } from '../../lib/time.ts';
import { entries } from '../../protocol/entries.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { Session } from '../follow/session.ts';
import { passedApprovals } from '../history/readable-history.ts';
import type { RunEvent } from '../lib/events.ts';
import type { RunSettings } from '../settings.ts';
import { createControl } from './control.ts';
import { invokeHandler, type InvokeHandler, type Started } from './invoke-handler.ts';
import { createOutput } from './output.ts';
import type { Reply } from './reply-stream.ts';
import { takeTurn, type PlacedRun } from './turn.ts';

/** What a run is to do, and how. */
export interface Work {
  readonly invoke: InvokeHandler;
  readonly settings: RunSettings;
  /** The deadline of the process, on the monotonic clock. */
  readonly deadline: number | undefined;
}

/** A run that this process works on. */
export interface Run {
  /** Settles as soon as the handler has returned. Never rejects. */
  readonly started: Promise<Started>;
  /** Settles once the log has the run's end. Rejects with `store_failed` if the end cannot be written. */
  readonly ended: Promise<RunEnding>;
}

/**
 * Works on a run that has its place in the log.
 *
 * @param placed - The run, as the log has it. See `placedRun`.
 * @param reply - A client that reads the run from the response to its send. The run goes on without it.
 */
export function startRun(session: Session, placed: PlacedRun, work: Work, reply?: Reply): Run {
  let onStarted!: (started: Started) => void; // the promise sets it at once
  const started = new Promise<Started>((resolve) => (onStarted = resolve));
  return { started, ended: produce(session, placed, work, { reply, onStarted }) };
}

interface Watchers {
  readonly reply: Reply | undefined;
  readonly onStarted: (started: Started) => void;
}

async function produce(
  session: Session,
  placed: PlacedRun,
  { invoke, settings, deadline }: Work,
  { reply, onStarted }: Watchers,
): Promise<RunEnding> {
  const { runId, queued, question } = placed;
  const { sessionId, runtime } = session;
  const began = runtime.monotonic();
  const about = { sessionId, runId, ...(question !== undefined && { messageId: question }) };
  const onError = (error: unknown) => settings.onError(error, about);
  const onEvent = (event: RunEvent) => settings.onEvent({ ...event, sessionId, runId });
  // A stop must reach the run, so its session is followed from now on.
  void session.ready;
  onEvent({ type: 'run-start', queued });
  const control = createControl(session, runId, settings, deadline);
  const output = createOutput({ session, placed, settings, control, reply, onEvent, onError });
  let failed = false;
  // An error of our own is not about the message: the store was away, or the result is no stream.
  const onFailure = (error?: unknown) => void (failed ||= !(error instanceof DurableChatError));
  let base: UIMessage | undefined;
  let closure: RunEnding;
  let denied: Promise<unknown> | undefined;
  try {
    const state = await takeTurn(session, placed, settings.leaseMs, control.signal);
    base = state?.byId.get(placed.messageId);
    if (!state || control.halt) closure = control.halt?.how ?? { reason: 'stop' };
    else {
      // Denies open approvals that this run's message follows. Without the entry, such an
      // approval is still refused, and executes nothing.
      const passed = passedApprovals(state, placed.messageId, runId);
      if (passed.length > 0) {
        denied = session.append(entries.passed(runId, passed), { existing: true }).catch(() => {});
      }
      const now = { ...placed, state };
      closure = await invokeHandler({
        session,
        placed: now,
        invoke,
        control,
        output,
        onStarted,
        onFailure,
        onError,
      });
    }
  } catch (error) {
    closure = control.halt?.how ?? { reason: 'error' };
    const failure =
      error instanceof DurableChatError
        ? error
        : new DurableChatError(
            'handler_failed',
            "The handler failed before it returned a stream. The server's `onError` has its error.",
            {
              cause: error,
            },
          );
    // A queued send already has a stream as its response, so the error must be a chunk. A user reads it.
    if (queued && !control.halt) output.emit({ type: 'error', errorText: failedText });
    if (!control.halt) {
      onError(failure.cause ?? failure);
      onStarted({ type: 'failed', error: failure });
    }
  }
  onStarted({ type: 'streaming' });
  // All viewers see what happened; the client that asked for this run also reads why.
  if (closure.conflict) reply?.push({ type: 'error', errorText: conflictText });
  else if (control.halt?.type === 'lost' && output.count === 0) {
    reply?.push({ type: 'error', errorText: failedText });
  }
  const ended = output.end(closure, { base, tried: failed ? question : undefined });
  const report = ({ reason, cause }: RunEnding, logged: boolean) => {
    const durationMs = Math.floor(runtime.monotonic() - began);
    onEvent({ type: 'run-end', chunks: output.count, reason, ...(cause && { cause }), durationMs, logged });
  };
  ended.then(
    (how) => report(how, true),
    (error) => {
      onError(error);
      report(closure, false);
    },
  );
  // A client takes the end of its stream for the end of the run, so the log must have the end first. A failing store
  // delays the client no longer than this.
  await within(runtime, doneWithinMs, ended).catch(() => {});
  reply?.done();
  await denied;
  return ended;
}

const failedText = 'The answer failed. Send the message again.';
const conflictText =
  'Another client edited the conversation at the same moment. That edit counts, and this one was dropped.';
const doneWithinMs = 2_000;
