import type { DurableSession, SessionSnapshot } from './session.ts';

/** Resolves when the session fulfils `condition`, which is asked now, after each change, and when `ms` have passed. */
export function until(
  session: DurableSession,
  condition: (snapshot: SessionSnapshot, isDue: boolean) => boolean,
  ms?: number,
): Promise<void> {
  return new Promise((resolve) => {
    let isDue = false;
    const check = () => {
      if (!condition(session.getSnapshot(), isDue)) return;
      off();
      clearTimeout(timer);
      resolve();
    };
    const off = session.subscribe(check);
    const wait = () => {
      isDue = true;
      check();
    };
    const timer = ms === undefined ? undefined : setTimeout(wait, ms);
    check();
  });
}
