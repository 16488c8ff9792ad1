// A run calls the app's handler, and reads its stream to the end.

import type { UIMessage } from 'ai';
import type { Closure } from '../../channel/channel.ts';
import { within } from '../../lib/time.ts';
import type { DurableChatError } from '../../protocol/errors.ts';
import type { Session } from '../follow/session.ts';
import { readableHistory } from '../history/readable-history.ts';
import type { Control } from './abort.ts';
import { copyOf, sourceOf, withMessageId } from './handler-result.ts';
import type { Output } from './output.ts';
import { createSteering, type HandlerRun } from './steering.ts';
import type { Turn } from './turn.ts';

/** Calls the app's handler, with what it reads of the session and a signal that aborts with a stop. */
export type CallHandler = (
  run: HandlerRun,
  history: readonly UIMessage[],
  signal: AbortSignal,
) => Promise<unknown>;

/** What became of the app's handler. */
export type Started =
  | { readonly type: 'streaming'; readonly headers?: Headers }
  /** The app's handler refused with a Response of its own. */
  | { readonly type: 'refused'; readonly response: Response }
  | { readonly type: 'failed'; readonly error: DurableChatError };

export interface CallOptions {
  readonly session: Session;
  /** With the session as it is now that the turn has come. */
  readonly turn: Turn;
  readonly call: CallHandler;
  readonly control: Control;
  readonly output: Output;
  readonly onStarted: (started: Started) => void;
  /** Called with what the handler, or its stream, failed with; without an error for an `error` chunk. */
  readonly onFailure: (error?: unknown) => void;
  /** Called with what the stream failed with, unless the run was to end then. */
  readonly onError: (error: unknown) => void;
}

/** How long the end of a run waits for the log to have what became of messages that it was offered. */
const settleWithinMs = 1_000;

/** Resolves with how the run is to end. Rejects when there is no stream to read. */
export async function callHandler(options: CallOptions): Promise<Closure> {
  const { session, turn, control, output, onStarted, onFailure } = options;
  const { run, settle } = createSteering(session, turn);
  try {
    const call = options.call(run, readableHistory(turn.state, turn.messageId), control.signal);
    call.catch(onFailure);
    const source = sourceOf(await Promise.race([call, control.graceOver]));
    if (source.type === 'refusal') {
      if (turn.queued) output.emit({ type: 'error', errorText: 'The handler refused the request.' });
      onStarted({ type: 'refused', response: source.response });
      return { reason: 'error' };
    }
    const stamp = withMessageId(turn.messageId);
    onStarted({ type: 'streaming', ...(source.headers && { headers: source.headers }) });
    const reader = source.chunks.getReader();
    // A stream that ignores the signal is not waited for.
    control.graceOver.catch(() => reader.cancel().catch(() => {}));
    let reason: 'finish' | 'stop' | 'error' = 'finish';
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        for (const chunk of stamp(value)) {
          output.emit(copyOf(chunk));
          if (chunk.type === 'error') {
            reason = 'error';
            onFailure();
          } else if (reason !== 'error' && (chunk.type === 'abort' || chunk.type === 'finish')) {
            // The app ended its model by itself, and did not go on to finish.
            reason = chunk.type === 'abort' ? 'stop' : 'finish';
          }
        }
        await output.room();
      }
    } catch (error) {
      reason = 'error';
      onFailure(error);
      // Where a chunk was the failure, nobody reads what follows it.
      void reader.cancel().catch(() => {});
      if (!control.ending) {
        // What the error says is the app's business; viewers learn that there was one.
        options.onError(error);
        output.emit({ type: 'error', errorText: 'An error occurred.' });
      }
    }
    return control.ending ?? { reason };
  } finally {
    await within(session.runtime, settleWithinMs, settle());
  }
}
