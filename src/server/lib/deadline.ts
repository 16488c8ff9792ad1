// The deadline of the function that serves a request.

import type { Runtime } from '../../lib/runtime.ts';

/** The request context of Vercel's runtime, which `getDeadline` of `@vercel/functions` also reads. */
const vercelContext = Symbol.for('@vercel/request-context');

type VercelGlobal = typeof globalThis & {
  readonly [vercelContext]?: { readonly get?: () => { readonly deadline?: number | string | Date } };
};

/**
 * The deadline on the monotonic clock; undefined if none is known. Call it at the beginning of the request,
 * because `maxDurationMs` counts from the call.
 */
export function deadlineOf(
  { maxDurationMs = Infinity }: { readonly maxDurationMs?: number | undefined },
  runtime: Runtime,
): number | undefined {
  const given = (globalThis as VercelGlobal)[vercelContext]?.get?.()?.deadline;
  const at = given === undefined ? NaN : new Date(given).getTime();
  const left = Math.min(Number.isNaN(at) ? Infinity : at - runtime.now(), maxDurationMs);
  return left === Infinity ? undefined : runtime.monotonic() + left;
}

/** How long before a deadline a run or a stream begins to end. */
export function marginBefore(ms: number): number {
  return Math.min(5_000, ms / 5);
}
