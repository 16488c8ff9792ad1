// The producer: one run from its place in the log to its end. Reads the app's stream once; every chunk goes
// to the origin at once and to the write queue.

import type { UIMessage, UIMessageChunk } from 'ai';
import type { Channel, Closure } from '../channel/channel.ts';
import { DurableChatError } from '../protocol/errors.ts';
import { historyOf, isItsTurn } from '../protocol/session-state.ts';
import { endRun, reap } from './end.ts';
import type { Hub } from './hub.ts';
import type { Origin } from './origin.ts';
import { patiently, retry } from './retry.ts';
import { sourceOf, withMessageId } from './source.ts';
import { createSteering, type Steered } from './steering.ts';
import { createWriter, type Writer } from './writer.ts';

export interface RunOptions {
  readonly channel: Channel;
  readonly hub: Hub;
  readonly session: string;
  readonly run: string;
  readonly messageId: string;
  /** The send that became this run; `once` when the same send never becomes another one. */
  readonly send: { readonly key: string; readonly once: boolean };
  readonly origin: Origin;
  /** Whether other runs stand before this one. */
  readonly queued: boolean;
  /** The history, when nothing has to be waited for. */
  readonly history: readonly UIMessage[];
  readonly leaseMs: number;
  readonly flushIntervalMs: number;
  readonly stopGraceMs: number;
  readonly onError: (error: unknown) => void;
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
  const { channel, session, run, origin } = options;
  const control = listenForStop(options);
  const chunks: UIMessageChunk[] = [];
  const writer = createWriter({
    write: (from, batch) => channel.write(session, run, from, batch),
    flushIntervalMs: options.flushIntervalMs,
    onClosed: control.abort,
  });
  const emit = (emitted: UIMessageChunk) => {
    // As it is now, for everybody: the app may go on changing what it has handed over.
    const chunk = 'delta' in emitted ? emitted : (JSON.parse(JSON.stringify(emitted)) as UIMessageChunk);
    chunks.push(chunk);
    origin.push(chunk, chunks.length);
    writer.push(chunk);
  };
  let base: UIMessage | undefined;
  let closure: Closure;
  try {
    const history = options.queued ? await waitForTurn(options, control.signal) : options.history;
    base = history?.at(-1)?.id === options.messageId ? history?.at(-1) : undefined;
    if (!history) closure = { reason: 'stop' };
    else closure = control.stopped() ?? (await generate(options, history, control, emit, tellStarted));
  } catch (error) {
    const stopped = control.stopped();
    closure = stopped ?? { reason: 'error' };
    const failure =
      error instanceof DurableChatError
        ? error
        : new DurableChatError('handler_failed', 'The handler failed before it returned a stream.', {
            cause: error,
          });
    // A queued send was answered with a stream already: there the error has to be a chunk.
    if (options.queued && !stopped) emit({ type: 'error', errorText: failure.message });
    if (!stopped) tellStarted({ type: 'failed', error: failure });
  }
  tellStarted({ type: 'streaming' });
  // Everybody else sees what happened; who asked for this run is told besides.
  if (closure.conflict) origin.push({ type: 'error', errorText: conflictText }, chunks.length + 1);
  const ended = finish(options, writer, control, { closure, chunks, base });
  // A client takes the end of its stream for the end of the run: what it does next has to find it so. A store
  // that is away keeps it waiting no longer than this.
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, doneWithinMs)));
  await Promise.race([ended.catch(() => {}), late]);
  clearTimeout(timer);
  origin.done();
  return ended;
}

const conflictText = 'Somebody else edited the conversation at the same moment. Their edit counts.';
const doneWithinMs = 2_000;

/** Stores what is left to store, and ends the run. */
async function finish(
  { channel, session, run, send }: RunOptions,
  writer: Writer,
  control: StopControl,
  {
    closure,
    chunks,
    base,
  }: { closure: Closure; chunks: readonly UIMessageChunk[]; base: UIMessage | undefined },
): Promise<Closure> {
  try {
    // Chunks that a closed run refused are not part of it.
    const own = (await writer.drain()) === 'stored' ? { chunks } : {};
    // From here on a heartbeat would only bring the lease back that the end gives up.
    control.close();
    // A send that came to nothing may be sent again.
    const claim = !send.once || chunks.length === 0 ? send.key : undefined;
    return await endRun({ channel, session, run, base, closure, claim, ...own });
  } finally {
    control.close();
  }
}

/** Calls the handler and reads its stream to the end. Throws when there is no stream to read. */
async function generate(
  options: RunOptions,
  history: readonly UIMessage[],
  control: StopControl,
  emit: (chunk: UIMessageChunk) => void,
  tellStarted: (started: Started) => void,
): Promise<Closure> {
  const { steered, settle } = createSteering(options);
  try {
    const call = options.call(history, steered, control.signal);
    const result = await Promise.race([call, control.graceOver()]);
    return await read(options, result, control, emit, tellStarted);
  } finally {
    await settle();
  }
}

async function read(
  options: RunOptions,
  result: unknown,
  control: StopControl,
  emit: (chunk: UIMessageChunk) => void,
  tellStarted: (started: Started) => void,
): Promise<Closure> {
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
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (const chunk of stamp(value)) {
        failed ||= chunk.type === 'error';
        emit(chunk);
      }
    }
  } catch (error) {
    failed = true;
    if (!control.stopped()) {
      // What the error says is the app's business; viewers learn that there was one.
      options.onError(error);
      emit({ type: 'error', errorText: 'An error occurred.' });
    }
  }
  return control.stopped() ?? { reason: failed ? 'error' : 'finish' };
}

/** Two renewals fit into a lease: one of them may fail. */
const heartbeatPart = 0.4;

interface StopControl {
  readonly signal: AbortSignal;
  /** Present once somebody asked for it. */
  stopped(): Closure | undefined;
  /** Rejects some time after an abort, when what should have heeded the signal is not waited for any more. */
  graceOver(): Promise<never>;
  /** Aborts the model without a stop: the run is not ours any more. */
  abort(): void;
  close(): void;
}

/** Renews the lease, and hears of a stop by pub/sub or at the latest on the next renewal (G3). */
function listenForStop({ channel, hub, session, run, leaseMs, stopGraceMs }: RunOptions): StopControl {
  const controller = new AbortController();
  let closure: Closure | undefined;

  function check(): void {
    const active = hub.state.active.find((candidate) => candidate.run === run);
    if (active?.stop) stop(active.stop);
  }

  function stop(how: Omit<Closure, 'reason'>): void {
    if (closure) return;
    closure = { reason: 'stop', ...how };
    controller.abort();
  }

  let graceTimer: ReturnType<typeof setTimeout> | undefined;
  const grace = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => {
      const over = () => reject(new DurableChatError('handler_failed', 'The handler did not heed the stop.'));
      graceTimer = setTimeout(over, stopGraceMs);
    });
  });
  grace.catch(() => {});
  const off = hub.onChange(check);
  check();
  const timer = setInterval(() => {
    channel.heartbeat(session, run, leaseMs).then(
      // Who asked is in the log.
      (state) =>
        state === 'stop'
          ? hub
              .refresh()
              .then(check)
              .finally(() => stop({}))
          : undefined,
      () => {}, // The next renewal tries again.
    );
  }, leaseMs * heartbeatPart);

  return {
    signal: controller.signal,
    stopped: () => closure,
    graceOver: () => grace,
    abort: () => controller.abort(),
    close() {
      clearTimeout(graceTimer);
      clearInterval(timer);
      off();
    },
  };
}

/**
 * Waits until every run before this one has ended; runs whose producers died are ended on the way. Undefined
 * when the send was taken back.
 */
async function waitForTurn(
  { channel, hub, session, run, messageId, leaseMs }: RunOptions,
  signal: AbortSignal,
): Promise<readonly UIMessage[] | undefined> {
  await retry(() => hub.refresh(), patiently);
  while (!signal.aborted && !isItsTurn(hub.state, run)) {
    const first = hub.state.active[0];
    const ended = hub.state.ended.get(run);
    if (ended?.withdrawn) return undefined;
    if (ended) throw new DurableChatError('conflict', 'The run ended before its turn.');
    const moved = () => hub.state.active[0]?.run !== first?.run || hub.state.ended.has(run) || undefined;
    if (!(await hub.until(moved, { signal, ms: leaseMs / 2 })) && first && !signal.aborted) {
      await hub.refresh().catch(() => {});
      await reap(channel, session, first.run, hub.state.byId.get(first.messageId)).catch(() => {});
    }
  }
  return historyOf(hub.state, messageId);
}
