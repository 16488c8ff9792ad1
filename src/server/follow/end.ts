// The end of a run: it is closed in the store, its chunks become its message, and the log gets an entry. Any process can do
// it; the first closer decides how the run ended, and the entry's key makes the log count it once.

import type { UIMessage, UIMessageChunk } from 'ai';
import type { RunEnding, RunStartFrame } from '../../protocol/frames.ts';
import { entries } from '../../protocol/entries.ts';
import type { Runtime } from '../../lib/runtime.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { keptMessage } from '../history/kept-message.ts';
import type { SessionStore } from './session-store.ts';
import { patienceMs, retry } from '../lib/retry.ts';

/** What is known of a run that ends. */
export interface Ending {
  /** How it ends, unless another process closed it first. */
  readonly closure: RunEnding;
  /** The message that the run continues. */
  readonly base?: UIMessage | undefined;
  /** All chunks of the run, if the caller has them. Otherwise they are read. */
  readonly chunks?: readonly UIMessageChunk[];
  /** The id of the user message on which the handler, or its stream, failed. */
  readonly tried?: string | undefined;
  /** The send that became the run. If it may be sent again, its reservation is released. */
  readonly send: RunStartFrame['send'];
  /** The run's start may not be stored yet, and may begin the session. The end is written even so. */
  readonly early?: true;
}

/** How the end of a run is written. */
export interface EndOptions {
  readonly runtime: Runtime;
  /** How long to try, in milliseconds. Default: 5 minutes. */
  readonly forMs?: number;
  /** Called once no process can take the run for an active one. */
  readonly onClosed?: () => void;
  /** Whether the log has no place for the end, because the session was deleted. Asked before each attempt to write it. */
  readonly isGone?: () => Promise<boolean>;
}

type EndStore = Pick<SessionStore, 'close' | 'readRun' | 'append'>;

/** Ends a run. Resolves once the log has the end, or is gone. Idempotent. */
export async function endRun(
  store: EndStore,
  runId: string,
  ending: Ending,
  { runtime, forMs = patienceMs, onClosed, isGone }: EndOptions,
): Promise<RunEnding> {
  const { base } = ending;
  const written = (ending.chunks?.length ?? 0) > 0;
  const closure = await retry(runtime, () => store.close(runId, ending.closure, { written }), forMs);
  onClosed?.();
  const chunks = ending.chunks ?? (await retry(runtime, () => readClosed(store, runId), forMs));
  const cameToNothing = isFailure(closure) && saidNothing(chunks);
  // Tool outcomes in it still wait for a continuation.
  const kept = base && cameToNothing ? {} : await keptMessage(chunks, base, closure.reason);
  const tried = failedOn(closure, chunks, ending.tried);
  const entry = entries.end({ runId, ...closure, chunks: chunks.length, ...kept, ...tried });
  const lease = {
    type: 'release',
    runId,
    ...(ending.send && (!ending.send.once || chunks.length === 0) && { key: ending.send.key }),
  } as const;
  const where = { lease, ...(ending.early && { existing: false }) };
  const append = async () => {
    if (!(await isGone?.())) await store.append(entry, where);
  };
  await retry(runtime, append, forMs);
  return closure;
}

const opening: readonly string[] = ['start', 'start-step', 'message-metadata', 'error'];

function saidNothing(chunks: readonly UIMessageChunk[]): boolean {
  return chunks.every(({ type }) => opening.includes(type));
}

/** Whether the run failed or lost its producer: it neither finished nor was stopped. */
function isFailure({ reason }: RunEnding): boolean {
  return reason === 'error' || reason === 'interrupted';
}

/** The user message of a handler that failed before a part. The message can be the cause, and so can the provider. */
function failedOn(
  { reason }: RunEnding,
  chunks: readonly UIMessageChunk[],
  tried: string | undefined,
): { readonly failedOn?: string } {
  return reason === 'error' && saidNothing(chunks) && tried !== undefined ? { failedOn: tried } : {};
}

/** All chunks of a closed run. A read without a closure is stale; retry it. */
async function readClosed(store: EndStore, runId: string): Promise<readonly UIMessageChunk[]> {
  const { chunks, closure } = await store.readRun(runId, 0);
  if (!closure)
    throw new DurableChatError('store_failed', 'The store does not have the end of the run yet. Try again.');
  return chunks;
}
