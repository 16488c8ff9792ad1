// Merges several sources of values. No source waits for another, and each has at most one value ready.

/** A source that ends is left out. */
export type Source<T> = AsyncGenerator<T, void, undefined>;

/**
 * Reads several sources.
 *
 * @returns reads the next value of any source; undefined once all sources have ended. A source is read only while
 * this is called: a slow reader makes no source run ahead by more than one value. Rejects with the error of a source.
 */
export function merge<T>(sources: readonly Source<T>[]): () => Promise<T | undefined> {
  const idle = new Set(sources);
  const ready: { readonly source: Source<T>; readonly value: T }[] = [];
  let reading = 0;
  let failure: { readonly error: unknown } | undefined;
  let notify = () => {};

  async function read(source: Source<T>): Promise<void> {
    reading++;
    try {
      const { done, value } = await source.next();
      if (!done) ready.push({ source, value });
    } catch (error) {
      failure = { error };
    }
    reading--;
    notify();
  }

  return async () => {
    for (const source of idle) void read(source);
    idle.clear();
    while (!failure && ready.length === 0 && reading > 0)
      await new Promise<void>((resolve) => (notify = resolve));
    if (failure) throw failure.error;
    const next = ready.shift();
    if (next) idle.add(next.source);
    return next?.value;
  };
}
