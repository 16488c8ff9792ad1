// Wake-ups that carry chunks, sent once the store has acknowledged those. They go out with the next request of the same
// session, or alone when none follows at once. In the transaction of their own XADD they would go out even if Redis
// refuses the entry; a wake-up for the log does, because it carries nothing and its readers look for themselves.

export interface WakeUps {
  /** To be sent soon. One that fails is lost: a wake-up is a hint. */
  add(channel: string, value: string): void;
  /** Those that wait, in order, for a request that takes them along. */
  take(channel: string): string[];
}

/** Longer than a writer needs that has its next batch ready; a viewer does not notice it. */
const carryWithinMs = 2;

export function createWakeUps(
  send: (channel: string, values: readonly string[]) => Promise<unknown>,
): WakeUps {
  const waiting = new Map<
    string,
    { readonly values: string[]; readonly timer: ReturnType<typeof setTimeout> }
  >();

  function take(channel: string): string[] {
    const found = waiting.get(channel);
    if (!found) return [];
    clearTimeout(found.timer);
    waiting.delete(channel);
    return found.values;
  }

  return {
    take,
    add(channel, value) {
      const found = waiting.get(channel);
      if (found) return void found.values.push(value);
      const timer = setTimeout(() => void send(channel, take(channel)).catch(() => {}), carryWithinMs);
      waiting.set(channel, { values: [value], timer });
    },
  };
}
