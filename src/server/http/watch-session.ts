// One session of a connection: its permission, its frames, and the end of both. What becomes of one session changes
// nothing for the others.

import type { DurableChatError } from '../../protocol/errors.ts';
import type { WireFrame } from '../../protocol/frames.ts';
import type { Viewer } from '../follow/viewer.ts';

export interface WatchOptions {
  /** Asks for the permission; rejects if it is refused. */
  readonly ask: () => Promise<unknown>;
  /** Asks again at intervals until `signal`, in the context of its caller. */
  readonly keepAsking: (onRefused: (refusal: unknown) => void, signal: AbortSignal) => void;
  /** Opens the session. `signal` lets go of it. */
  readonly open: (signal: AbortSignal) => Promise<Viewer>;
  /** Says why the session has no more frames; undefined where the end of the connection says enough. */
  readonly explain: (error: unknown, isRefused: boolean) => Promise<DurableChatError | undefined>;
  /** What each frame has besides. */
  readonly label: Pick<WireFrame, 'sessionId'>;
  /** Aborts when the connection ends. */
  readonly left: AbortSignal;
}

interface WatchedFrame {
  readonly frame: WireFrame;
  /** The cursor to go on from after it. */
  readonly cursor?: string | undefined;
  /** Whether it may be sent: nothing that was read before a refusal is sent after it. */
  readonly isCurrent: () => boolean;
}

export interface WatchedSession {
  /** Resolves once the session is open; rejects with why it is not. */
  readonly opened: Promise<unknown>;
  /** Frames until the connection ends, or a refusal, which is the last frame. To be called once. Does not reject. */
  frames(): AsyncGenerator<WatchedFrame, void, undefined>;
}

export function watchSession(options: WatchOptions): WatchedSession {
  const { ask, keepAsking, open, explain, label, left } = options;
  const over = new AbortController();
  const { signal } = over;
  let end: { readonly error: unknown; readonly isRefused: boolean } | undefined;
  const stop = () => over.abort();
  left.addEventListener('abort', stop);
  signal.addEventListener('abort', () => left.removeEventListener('abort', stop));
  if (left.aborted) stop();

  async function begin(): Promise<Viewer> {
    await ask();
    const refuse = (error: unknown) => {
      end = { error, isRefused: true };
      over.abort();
    };
    keepAsking(refuse, signal);
    signal.throwIfAborted();
    return open(signal);
  }

  const opened = begin();
  opened.catch(() => over.abort());

  return {
    opened,
    async *frames() {
      try {
        const viewer = await opened;
        for await (const { frame, cursor } of viewer.frames(signal)) {
          if (signal.aborted) break;
          yield { frame: { ...frame, ...label }, cursor, isCurrent: () => !signal.aborted };
        }
      } catch (error) {
        end ??= { error, isRefused: false };
      }
      over.abort();
      const error = end && !left.aborted ? await explain(end.error, end.isRefused) : undefined;
      if (error) yield { frame: { type: 'refused', ...error.toJSON(), ...label }, isCurrent: () => true };
    },
  };
}
