// The producer: one run from its place in the log to its end. Reads the app's stream once; every chunk goes
// to the reply at once and to the write queue.

import type { UIMessage, UIMessageChunk } from 'ai';
import type { Closure } from '../../channel/channel.ts';
import { entries } from '../../protocol/entries.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { isActive, type SessionState } from '../../protocol/session-state.ts';
import { createControl, type Control } from './abort.ts';
import { watchStore, type RunStore } from './durability.ts';
import { endRun } from '../follow/end.ts';
import type { RunEvent } from '../lib/events.ts';
import type { Session } from '../follow/session.ts';
import type { ReplyStream } from './reply-stream.ts';
import { monotonicMs } from '../lib/clock.ts';
import { restoring } from './restore.ts';
import { copyOf, sourceOf, withMessageId } from './handler-result.ts';
import { passedApprovals, readableHistory } from '../history/readable-history.ts';
import { createSteering, type Steered } from './steering.ts';
import { takeTurn } from './turn.ts';
import { createWriter, cutError, type Writer } from './write-queue.ts';

export interface RunOptions {
  readonly session: Session;
  readonly runId: string;
  readonly messageId: string;
  /** The id of the user message that it is to answer. */
  readonly question: string | undefined;
  /** The send that became this run; `once` when the same send never becomes another one. */
  readonly send: { readonly key: string; readonly once: boolean };
  readonly reply: ReplyStream;
  /** Whether the run has to wait for others: it is neither the first active run nor parallel. */
  readonly queued: boolean;
  /** The session with the run in its place, when nothing has to be waited for. */
  readonly state: SessionState;
  readonly leaseMs: number;
  readonly flushIntervalMs: number;
  readonly stopGraceMs: number;
  readonly maxUnwrittenBytes: number;
  /** When the process will be ended, on the monotonic clock. */
  readonly deadline: number | undefined;
  readonly onError: (error: unknown) => void;
  readonly onEvent: (event: RunEvent) => void;
  readonly call: (history: readonly UIMessage[], steered: Steered, signal: AbortSignal) => Promise<unknown>;
}

/** What became of the app's handler. */
export type Started =
  | { readonly type: 'streaming'; readonly headers?: Headers }
  /** The app's handler refused with a Response of its own. */
  | { readonly type: 'refused'; readonly response: Response }
  | { readonly type: 'failed'; readonly error: DurableChatError };

export interface Run {
  /** Settles as soon as the handler has returned. Never rejects. */
  readonly started: Promise<Started>;
  /** Settles once the log holds the run's end. Rejects with `store_failed` when it cannot be written. */
  readonly ended: Promise<Closure>;
}

export function startRun(options: RunOptions): Run {
  let tellStarted: (started: Started) => void = () => {};
  const started = new Promise<Started>((resolve) => (tellStarted = resolve));
  return { started, ended: produce(options, tellStarted) };
}

async function produce(options: RunOptions, tellStarted: (started: Started) => void): Promise<Closure> {
  const { session, runId, reply, onEvent } = options;
  const began = monotonicMs();
  // A stop has to reach the run: its session is followed from now on.
  void session.ready;
  onEvent({ type: 'run-start', queued: options.queued });
  const control = createControl(options);
  const store = watchStore(session.store, (durability) => {
    writer.setFailing(durability === 'degraded');
    session.setDurability(runId, durability);
    onEvent({ type: 'durability', durability });
  });
  const chunks: UIMessageChunk[] = [];
  const writer = createWriter({
    write: restoring({
      write: (from, batch) => store.write(runId, from, batch),
      chunks,
      isActive: () => session.refresh({ fresh: true }).then(() => isActive(session.state, runId)),
    }),
    flushIntervalMs: options.flushIntervalMs,
    onClosed: control.abort,
    maxUnwritten: options.maxUnwrittenBytes,
    onCut(cause) {
      store.giveUp();
      onEvent({ type: 'overflow', cause, chunks: chunks.length - 1 });
    },
  });
  const emit = (emitted: UIMessageChunk) => {
    const chunk = copyOf(emitted);
    chunks.push(chunk);
    reply.push(chunk, chunks.length);
    writer.push(chunk);
  };
  let failed = false;
  // What is an error of ours says nothing of the message: the store was away, or the result is no stream.
  const onFailure = (error?: unknown) => (failed ||= !(error instanceof DurableChatError));
  const output: Output = { emit, room: writer.room, onFailure };
  let base: UIMessage | undefined;
  let closure: Closure;
  let denied: Promise<unknown> = Promise.resolve();
  try {
    const state = await takeTurn(options, control.signal);
    base = state?.byId.get(options.messageId);
    const ending = control.ending();
    if (!state || ending) closure = ending ?? { reason: 'stop' };
    else {
      denied = denyPassed(options, state);
      closure = await generate(options, state, control, output, tellStarted);
    }
  } catch (error) {
    const ending = control.ending();
    closure = ending ?? { reason: 'error' };
    const failure =
      error instanceof DurableChatError
        ? error
        : new DurableChatError(
            'handler_failed',
            'The handler failed before it returned a stream. Its error is in onError on the server.',
            {
              cause: error,
            },
          );
    // A queued send was answered with a stream already: there the error has to be a chunk.
    if (options.queued && !ending) emit({ type: 'error', errorText: failure.message });
    if (!ending) tellStarted({ type: 'failed', error: failure });
  }
  tellStarted({ type: 'streaming' });
  // Everybody else sees what happened; who asked for this run is told besides.
  if (closure.conflict) reply.push({ type: 'error', errorText: conflictText });
  const ended = finish(options, { store, writer, control, closure, chunks, base, failed });
  const over = { type: 'run-end', chunks: chunks.length } as const;
  const report = ({ reason, cause }: Closure, logged: boolean) =>
    onEvent({ ...over, reason, ...(cause && { cause }), durationMs: monotonicMs() - began, logged });
  ended.then(
    (how) => report(how, true),
    () => report(closure, false),
  );
  // A client takes the end of its stream for the end of the run: what it does next has to find it so. A store
  // that is away keeps it waiting no longer than this.
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, doneWithinMs)));
  await Promise.race([ended.catch(() => {}), late]);
  clearTimeout(timer);
  reply.done();
  await denied;
  return ended;
}

/** Nobody is asked for an approval any more once the conversation has gone past it. Never rejects. */
async function denyPassed({ session, runId, messageId }: RunOptions, state: SessionState): Promise<void> {
  const frames = passedApprovals(state, messageId, runId);
  if (frames.length === 0) return;
  const entry = entries.passed(runId, frames);
  // Without it, such an approval is refused all the same, and executes nothing.
  await session.append(entry, { existing: true }).catch(() => {});
}

const conflictText =
  'Another client edited the conversation at the same moment. That edit counts, and this one was dropped.';
const doneWithinMs = 2_000;

interface Finished {
  readonly store: RunStore;
  readonly writer: Writer;
  readonly control: Control;
  readonly closure: Closure;
  readonly chunks: readonly UIMessageChunk[];
  readonly base: UIMessage | undefined;
  readonly failed: boolean;
}

/** Stores what is left to store, and ends the run. */
async function finish(
  { session, runId, question, send, onError }: RunOptions,
  finished: Finished,
): Promise<Closure> {
  const { store, writer, control, closure, chunks, base, failed } = finished;
  try {
    const drained = await writer.drain();
    if (drained === 'closed') await session.refresh().catch(() => {});
    // Taken for dead, and ended by somebody else: there is nothing left to write (G6).
    const ended = session.state.ended.get(runId);
    if (ended && !ended.withdrawn) return ended;
    // A send that came to nothing may be sent again.
    const reservation = !send.once || chunks.length === 0 ? send.key : undefined;
    // After the closing a heartbeat would only bring the lease back that the end gives up.
    const tried = failed ? question : undefined;
    const ending = { store, runId, base, tried, reservation, onClosed: control.close };
    // Chunks that a closed run refused are not part of it.
    if (drained === 'closed' || control.isGone()) return await endRun({ ...ending, closure });
    if (drained === 'stored') return await endRun({ ...ending, closure, chunks });
    onError(cutError(drained));
    const stored = chunks.slice(0, writer.stored);
    const interrupted: Closure = { reason: 'interrupted', cause: drained };
    return await endRun({
      ...ending,
      closure: closure.reason === 'stop' ? closure : interrupted,
      chunks: stored,
    });
  } finally {
    control.close();
  }
}

/** Where a run's chunks go, and whether there is room for more. */
interface Output {
  emit(chunk: UIMessageChunk): void;
  room(): Promise<void>;
  /** The handler, or its stream, failed with this error, or with an error chunk. */
  onFailure(error?: unknown): void;
}

/** Calls the handler and reads its stream to the end. Throws when there is no stream to read. */
async function generate(
  options: RunOptions,
  state: SessionState,
  control: Control,
  output: Output,
  tellStarted: (started: Started) => void,
): Promise<Closure> {
  const { steered, settle } = createSteering(options);
  try {
    const history = readableHistory(state, options.messageId);
    const call = options.call(history, steered, control.signal);
    call.catch(output.onFailure);
    const result = await Promise.race([call, control.graceOver()]);
    return await read(options, result, control, output, tellStarted);
  } finally {
    await settle();
  }
}

async function read(
  options: RunOptions,
  result: unknown,
  control: Control,
  output: Output,
  tellStarted: (started: Started) => void,
): Promise<Closure> {
  const { emit, room, onFailure } = output;
  const source = sourceOf(result);
  if (source.type === 'refusal') {
    if (options.queued) emit({ type: 'error', errorText: 'The handler refused the request.' });
    tellStarted({ type: 'refused', response: source.response });
    return { reason: 'error' };
  }
  tellStarted({ type: 'streaming', ...(source.headers && { headers: source.headers }) });
  const stamp = withMessageId(options.messageId);
  const reader = source.chunks.getReader();
  // A stream that does not heed the signal is not waited for.
  control.graceOver().catch(() => reader.cancel().catch(() => {}));
  let failed = false;
  let aborted = false;
  try {
    for (;;) {
      await room();
      const { done, value } = await reader.read();
      if (done) break;
      for (const chunk of stamp(value)) {
        if (chunk.type === 'error') {
          failed = true;
          onFailure();
        }
        // The app ended its model by itself, and did not go on to finish.
        if (chunk.type === 'abort' || chunk.type === 'finish') aborted = chunk.type === 'abort';
        emit(chunk);
      }
    }
  } catch (error) {
    failed = true;
    onFailure(error);
    // Where a chunk was the failure, nobody reads what follows it.
    void reader.cancel().catch(() => {});
    if (!control.ending()) {
      // What the error says is the app's business; viewers learn that there was one.
      options.onError(error);
      emit({ type: 'error', errorText: 'An error occurred.' });
    }
  }
  return control.ending() ?? { reason: failed ? 'error' : aborted ? 'stop' : 'finish' };
}
