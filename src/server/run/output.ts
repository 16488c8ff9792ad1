// The output of a run: each chunk goes to the reader at once, to the write queue, and into the message that the run's end
// stores.

import type { UIMessageChunk } from 'ai';
import type { RunEnding } from '../../protocol/frames.ts';
import { isActive } from '../../protocol/session-state.ts';
import type { RunEvent } from '../lib/events.ts';
import type { Session } from '../follow/session.ts';
import type { RunSettings } from '../settings.ts';
import type { Control } from './control.ts';
import { endRun, type Ending } from '../follow/end.ts';
import type { Reply } from './reply-stream.ts';
import { createRunStore } from './run-store.ts';
import type { PlacedRun } from './turn.ts';
import { createWriter, cutError, type CutCause } from './write-queue.ts';

/** Where a run emits its chunks. */
export interface Output {
  /** How many chunks the run has emitted. */
  readonly count: number;
  /** The chunk must not change afterwards. */
  emit(chunk: UIMessageChunk): void;
  /** Resolves once there is room for more. */
  room(): Promise<void>;
  /** Stores the remaining chunks, and ends the run. Resolves with how it ended. */
  end(closure: RunEnding, about: Pick<Ending, 'base' | 'tried'>): Promise<RunEnding>;
}

/** The run, its reader, and what is called for events and errors. */
export interface OutputOptions {
  readonly session: Session;
  readonly placed: PlacedRun;
  readonly settings: Pick<RunSettings, 'flushIntervalMs' | 'maxUnwrittenBytes'>;
  readonly control: Control;
  readonly reply: Reply | undefined;
  readonly onEvent: (event: RunEvent) => void;
  readonly onError: (error: unknown) => void;
}

/** The output of one run. */
export function createOutput(options: OutputOptions): Output {
  const { session, placed, settings, control, reply, onEvent, onError } = options;
  const { runId, send } = placed;
  const chunks: UIMessageChunk[] = [];
  const { runtime } = session;
  const writer = createWriter({
    runtime,
    write: (from, batch) => store.write(from, batch),
    flushIntervalMs: settings.flushIntervalMs,
    onClosed: control.lose,
    maxUnwritten: settings.maxUnwrittenBytes,
    onCut,
  });
  const store = createRunStore(session, runId, chunks, (durability) => {
    writer.setFailing(durability === 'degraded');
    session.setDurability(runId, durability);
    onEvent({ type: 'durability', durability });
  });

  function onCut(cause: CutCause): void {
    store.giveUp();
    onEvent({ type: 'overflow', cause, chunks: chunks.length - 1 });
  }

  /** A log that this build cannot read has the run. */
  async function isGone(): Promise<boolean> {
    await session.refresh({ fresh: true }).catch((error: unknown) => {
      if (session.isReadable) throw error;
    });
    const { state } = session;
    return session.isReadable && !isActive(state, runId) && !state.ended.has(runId);
  }

  return {
    get count() {
      return chunks.length;
    },
    emit(chunk) {
      chunks.push(chunk);
      reply?.push(chunk, chunks.length);
      writer.push(chunk);
    },
    room: writer.room,
    async end(closure, about) {
      try {
        const drained = await writer.drain();
        if (drained === 'closed') await session.refresh().catch(() => {});
        // Another process took this one for dead and ended the run: nothing is left to write (G6).
        const ended = session.state.ended.get(runId);
        if (ended && !ended.withdrawn) return ended;
        const { halt } = control;
        if (halt?.type === 'deleted') return closure;
        // A stop can be a part of a deletion, and so can a closing. The end has text of the session.
        const isDoubtful = halt !== undefined;
        // After the closing, a heartbeat would only restore the lease that the end releases.
        const how = { runtime, onClosed: control.close, ...(isDoubtful && { isGone }) };
        const finish = (ending: Pick<Ending, 'closure' | 'chunks'>) =>
          endRun(store, runId, { ...about, send, ...ending }, how);
        // Chunks that the store refused after the closing are not part of the run.
        if (drained === 'closed') return await finish({ closure });
        if (drained === 'stored') return await finish({ closure, chunks });
        onError(cutError(drained));
        return await finish({
          closure: closure.reason === 'stop' ? closure : { reason: 'interrupted', cause: drained },
          chunks: chunks.slice(0, writer.stored),
        });
      } finally {
        control.close();
      }
    },
  };
}
