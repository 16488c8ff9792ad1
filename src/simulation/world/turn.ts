// One turn of the real event loop. Web streams, bodies and promises use microtasks and ticks only, and all of them have
// run before the next turn begins. So nothing is under way after it.

const { setImmediate } = globalThis;

/** Resolves in the next turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
