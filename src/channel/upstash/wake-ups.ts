// Wake-ups that carry chunks. They are published after the store has acknowledged the chunks: with the next request of
// the same session, or alone if none follows at once. A PUBLISH in the transaction of the XADD would take effect even if
// Redis refuses the entry. Wake-ups for the log are published that way: they carry no data, and their readers read the log.

import type { Cancel, Runtime } from '../../lib/runtime.ts';

/** The wake-ups with chunks that wait to be published, by pub/sub channel. */
export interface WakeUps {
  /** Publishes a value soon. If that fails, the value is lost: a wake-up is only a hint. */
  add(channel: string, value: string): void;
  /** Removes and returns the waiting values, in order, for a request that publishes them. */
  take(channel: string): string[];
}

/** Longer than a writer with a ready batch needs for its next request, and too short for a viewer to notice. */
const carryWithinMs = 2;

/** `send` publishes the values of a channel in their order. */
export function createWakeUps(
  runtime: Runtime,
  send: (channel: string, values: readonly string[]) => Promise<unknown>,
): WakeUps {
  const waiting = new Map<string, { readonly values: string[]; readonly cancel: Cancel }>();

  function take(channel: string): string[] {
    const found = waiting.get(channel);
    if (!found) return [];
    found.cancel();
    waiting.delete(channel);
    return found.values;
  }

  return {
    take,
    add(channel, value) {
      const found = waiting.get(channel);
      if (found) return void found.values.push(value);
      const alone = () => void send(channel, take(channel)).catch(() => {});
      waiting.set(channel, { values: [value], cancel: runtime.schedule(alone, carryWithinMs) });
    },
  };
}
