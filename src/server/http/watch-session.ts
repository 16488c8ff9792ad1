// One session of a connection: its permission, its frames, and the end of both. Sessions of one connection do not affect
// each other.

import { onAbort } from '../../lib/abort.ts';
import type { DurableChatError } from '../../protocol/errors.ts';
import type { WireFrame } from '../../protocol/frames.ts';
import type { Viewer } from '../follow/viewer.ts';

/** How one session of a connection is authorized, opened and named. */
export interface WatchOptions {
  /** Checks the permission. Rejects if it is refused. */
  readonly ask: () => Promise<unknown>;
  /** Checks it again at intervals until `signal`, in the context of its caller. */
  readonly keepAsking: (onRefused: (refusal: unknown) => void, signal: AbortSignal) => void;
  /** Opens the session, and releases it on `signal`. */
  readonly open: (signal: AbortSignal) => Promise<Viewer>;
  /**
   * The error for a session without further frames; undefined if the end of the connection is enough. Does not reject.
   */
  readonly explain: (error: unknown, isRefused: boolean) => Promise<DurableChatError | undefined>;
  /** Additional fields of each frame. */
  readonly label: Pick<WireFrame, 'sessionId'>;
  /** Aborts when the connection ends. */
  readonly left: AbortSignal;
}

interface WatchedFrame {
  readonly frame: WireFrame;
  /** The cursor after this frame. */
  readonly cursor?: string | undefined;
  /** Whether it may be sent: frames that were read before a refusal are not sent after it. */
  readonly isCurrent: () => boolean;
}

/** One session of a connection. */
export interface WatchedSession {
  /** Resolves once the session is open. Rejects with the reason if it cannot be opened. */
  readonly opened: Promise<unknown>;
  /** Frames until the connection ends, or until a refusal, which is the last frame. Call it once. It does not reject. */
  frames(): AsyncGenerator<WatchedFrame, void, undefined>;
}

/** Opens the session as soon as its permission is there. */
export function watchSession(options: WatchOptions): WatchedSession {
  const { ask, keepAsking, open, explain, label, left } = options;
  const over = new AbortController();
  const { signal } = over;
  let end: { readonly error: unknown; readonly isRefused: boolean } | undefined;
  onAbort(
    signal,
    onAbort(left, () => over.abort()),
  );

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
