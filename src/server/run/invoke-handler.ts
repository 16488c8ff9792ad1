// Calls the app's handler for a run, and reads its stream to the end.

import type { UIMessage } from 'ai';
import type { RunEnding } from '../../protocol/frames.ts';
import { within } from '../../lib/time.ts';
import type { DurableChatError } from '../../protocol/errors.ts';
import type { Session } from '../follow/session.ts';
import { readableHistory } from '../history/readable-history.ts';
import type { Control } from './control.ts';
import { copyOf, sourceOf, withMessageId } from './handler-result.ts';
import type { Output } from './output.ts';
import { createSteering, type HandlerRun } from './steering.ts';
import type { PlacedRun } from './turn.ts';

/** Calls the app's handler, with its messages and a signal that aborts with a stop. */
export type InvokeHandler = (
  run: HandlerRun,
  history: readonly UIMessage[],
  signal: AbortSignal,
) => Promise<unknown>;

/** The result of calling the app's handler. */
export type Started =
  | { readonly type: 'streaming'; readonly headers?: Headers }
  /** The app's handler refused with its own Response. */
  | { readonly type: 'refused'; readonly response: Response }
  | { readonly type: 'failed'; readonly error: DurableChatError };

/** The run that the handler works for, and what is called as it proceeds. */
export interface InvokeOptions {
  readonly session: Session;
  /** With the session's state at the run's turn. */
  readonly placed: PlacedRun;
  readonly invoke: InvokeHandler;
  readonly control: Control;
  readonly output: Output;
  readonly onStarted: (started: Started) => void;
  /** Called with the error of the handler or of its stream; without an error for an `error` chunk. */
  readonly onFailure: (error?: unknown) => void;
  /** Called with the error of the stream, unless the run was halted. */
  readonly onError: (error: unknown) => void;
}

/** How long the end of a run waits for the log to have what became of messages that it was offered. */
const settleWithinMs = 1_000;

/** Resolves with how the run ends. Rejects if there is no stream. */
export async function invokeHandler(options: InvokeOptions): Promise<RunEnding> {
  const { session, placed, control, output, onStarted, onFailure } = options;
  const { run, settle } = createSteering(session, placed);
  try {
    const result = options.invoke(run, readableHistory(placed.state, placed.messageId), control.signal);
    result.catch(onFailure);
    const source = sourceOf(await Promise.race([result, control.graceOver]));
    if (source.type === 'refusal') {
      if (placed.queued) output.emit({ type: 'error', errorText: 'The server refused the message.' });
      onStarted({ type: 'refused', response: source.response });
      return { reason: 'error' };
    }
    const stamp = withMessageId(placed.messageId);
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
            // The app aborted its model itself, without a `finish`.
            reason = chunk.type === 'abort' ? 'stop' : 'finish';
          }
        }
        await output.room();
      }
    } catch (error) {
      reason = 'error';
      onFailure(error);
      // After a failing chunk the rest is not read.
      void reader.cancel().catch(() => {});
      if (!control.halt) {
        // The text of the error is for the app. Viewers only get that there was one.
        options.onError(error);
        output.emit({ type: 'error', errorText: 'An error occurred.' });
      }
    }
    return control.halt?.how ?? { reason };
  } finally {
    await within(session.runtime, settleWithinMs, settle());
  }
}
