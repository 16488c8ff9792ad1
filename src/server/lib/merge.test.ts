import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { merge, type Source } from './merge.ts';

async function* of<T>(...values: T[]): Source<T> {
  yield* values;
}

/** Yields the values that a test pushes. */
function pushed<T>(): {
  readonly source: Source<T>;
  push(value: T): void;
  end(): void;
  readonly read: number;
} {
  const values: T[] = [];
  let over = false;
  let read = 0;
  let notify = () => {};
  async function* source(): Source<T> {
    for (;;) {
      while (values.length === 0 && !over) await new Promise<void>((resolve) => (notify = resolve));
      if (values.length === 0) return;
      read++;
      yield values.shift()!; // not empty
    }
  }
  return {
    source: source(),
    push(value) {
      values.push(value);
      notify();
    },
    end() {
      over = true;
      notify();
    },
    get read() {
      return read;
    },
  };
}

async function drain<T>(next: () => Promise<T | undefined>): Promise<T[]> {
  const all: T[] = [];
  for (let value; (value = await next()) !== undefined;) all.push(value);
  return all;
}

describe('merged sources', () => {
  it('yield each value of each source once, in the order of its source', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(fc.nat(), { maxLength: 8 }), { maxLength: 6 }), async (lists) => {
        const sources = lists.map((list, from) => of(...list.map((value) => ({ from, value }))));
        const all = await drain(merge(sources));
        const back = lists.map((_, from) => all.filter((one) => one.from === from).map(({ value }) => value));
        expect(back).toEqual(lists);
      }),
    );
  });

  it('do not wait for a silent source, and alternate', async () => {
    const silent = pushed<string>();
    const next = merge([silent.source, of('a1', 'a2', 'a3'), of('b1', 'b2')]);
    const first = [await next(), await next(), await next(), await next(), await next()];
    expect(first).toEqual(['a1', 'b1', 'a2', 'b2', 'a3']);
    const waiting = next();
    silent.push('late');
    expect(await waiting).toBe('late');
    silent.end();
    expect(await next()).toBeUndefined();
  });

  it('run at most one value ahead of their reader', async () => {
    const sources = [pushed<number>(), pushed<number>()];
    const next = merge(sources.map(({ source }) => source));
    for (const { push } of sources) for (let value = 0; value < 10; value++) push(value);
    expect(sources.map(({ read }) => read)).toEqual([0, 0]);
    await next();
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(sources.map(({ read }) => read)).toEqual([1, 1]);
    await next();
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(sources.map(({ read }) => read)).toEqual([2, 1]);
  });

  it('without a source end at once', async () => {
    expect(await merge([])()).toBeUndefined();
  });

  it('reject with the error of a source, also to a reader that waits', async () => {
    const waiting = pushed<string>();
    const error = new Error('broken');
    async function* broken(): Source<string> {
      yield 'first';
      throw error;
    }
    const read = merge([waiting.source, broken()]);
    expect(await read()).toBe('first');
    await expect(read()).rejects.toBe(error);
  });
});
