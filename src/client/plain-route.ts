// Whether a route has sessions: what its first answer said.

import type { DurableSession } from './session.ts';

/** Whether the route has no sessions: everything is then as the AI SDK has it. */
export function isPlainRoute(session: DurableSession): boolean {
  const { connection, state } = session.getSnapshot();
  return connection === 'closed' && state === undefined;
}

/** Whether the route has sessions: it has sent one, or has made a run of a send. */
export function isDurableRoute(session: DurableSession): boolean {
  return session.getSnapshot().state !== undefined || session.following.hasOwn;
}

/** True unless the first connection attempt is still open. */
export function isAnswered(session: DurableSession): boolean {
  return isDurableRoute(session) || !session.getSnapshot().connection.startsWith('connect');
}

/** Resolves when `condition` holds, which is asked now and after each change, or when `signal` aborts. */
export function untilAnswered(
  session: DurableSession,
  { condition = isAnswered, signal }: UntilOptions = {},
): Promise<void> {
  return new Promise((resolve) => {
    const close = session.open();
    const check = () => {
      if (!condition(session) && !signal?.aborted) return;
      off();
      close();
      signal?.removeEventListener('abort', check);
      resolve();
    };
    const off = session.subscribe(check);
    signal?.addEventListener('abort', check);
    check();
  });
}

export interface UntilOptions {
  /** Default `isAnswered`. */
  readonly condition?: (session: DurableSession) => boolean;
  readonly signal?: AbortSignal | undefined;
}
