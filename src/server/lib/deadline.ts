// When the function that serves a request will be ended from outside.

import { systemRuntime, type Runtime } from '../../lib/runtime.ts';

/** What Vercel's runtime tells of the request it is serving; `getDeadline` of `@vercel/functions` reads the same. */
const vercelContext = Symbol.for('@vercel/request-context');

type VercelGlobal = typeof globalThis & {
  readonly [vercelContext]?: { readonly get?: () => { readonly deadline?: number | string | Date } };
};

/**
 * On the monotonic clock; undefined where nobody says. To be called while the request is being answered,
 * and at its beginning: `maxDurationMs` counts from now.
 */
export function deadlineOf(
  { maxDurationMs = Infinity }: { readonly maxDurationMs: number | undefined },
  runtime: Runtime = systemRuntime,
): number | undefined {
  const told = (globalThis as VercelGlobal)[vercelContext]?.get?.()?.deadline;
  const at = told === undefined ? NaN : new Date(told).getTime();
  const left = Math.min(Number.isNaN(at) ? Infinity : at - runtime.now(), maxDurationMs);
  return left === Infinity ? undefined : runtime.monotonic() + left;
}

/** A longer timeout goes off at once. */
export const longestTimeoutMs: number = 2 ** 31 - 1;

/** How long before a deadline there is to be nothing left to do but the last of it. */
export function marginBefore(ms: number): number {
  return Math.min(5_000, ms / 5);
}
