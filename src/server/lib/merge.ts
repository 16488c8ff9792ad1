// Merges several sources of values. No source waits for another, and each has at most one value ready.

/** Sources do not reject. A source that ends is left out. */
export type Source<T> = AsyncGenerator<T, void, undefined>;

/**
 * Reads several sources.
 *
 * @returns reads the next value of any source; undefined once all sources have ended. A source is read only while
 * this is called: a slow reader makes no source run ahead by more than one value.
 */
export function merge<T>(sources: readonly Source<T>[]): () => Promise<T | undefined> {
  const idle = new Set(sources);
  const ready: { readonly source: Source<T>; readonly value: T }[] = [];
  let reading = 0;
  let notify = () => {};

  async function read(source: Source<T>): Promise<void> {
    reading++;
    const { done, value } = await source.next();
    reading--;
    if (!done) ready.push({ source, value });
    notify();
  }

  return async () => {
    for (const source of idle) void read(source);
    idle.clear();
    while (ready.length === 0 && reading > 0) await new Promise<void>((resolve) => (notify = resolve));
    const next = ready.shift();
    if (next) idle.add(next.source);
    return next?.value;
  };
}
