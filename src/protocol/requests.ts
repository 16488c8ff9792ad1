// What server and client have to agree on besides frames: the version, names, bodies and intervals.

import type { UIMessage } from 'ai';
import { newerError, olderError } from './errors.ts';
import type { ToolOutcome, Trigger } from './frames.ts';

/** The version of the format: of log entries, runs, cursors and requests. See "Versions" in README.md. */
export const formatVersion = 2;

/** On every response of a durable route, refusals included: the version of the response. */
export const durableHeader = 'x-durable-chat';

/** Names the run that a POST became. */
export const runHeader = 'x-durable-run';

/** A client's name for its send. A send that is repeated under its name is the same send. */
export const idempotencyHeader = 'idempotency-key';

/** A send's name for the subscription of its client. */
export const subscriptionHeader = 'x-durable-subscription';

/** The query parameters of this protocol. */
export type QueryName = 'id' | 'after' | 'subscription' | 'durable' | 'runId' | 'messageId' | 'wire';

/** The query of a request, read by these names only. */
export interface Query {
  get(name: QueryName): string | null;
  getAll(name: QueryName): string[];
  /** `run` is the name of `runId` in version 1. */
  has(name: QueryName | 'run'): boolean;
}

/** @throws `version` for a request of another version. A request that names none is of ours. */
export function checkVersion(query: Query): void {
  const isFirst = (query.has('durable') && query.has('run')) || query.getAll('after').some(isOfVersion1);
  const version = Number(query.get('wire') ?? (isFirst ? 1 : formatVersion));
  if (version === formatVersion) return;
  if (version > formatVersion) throw newerError('request');
  throw olderError();
}

/** Version 1 named its version in cursors only. */
function isOfVersion1(cursor: string): boolean {
  return cursor.startsWith('1~');
}

/** Whether a response is of our version, or of a route that is not durable. */
export function isOurVersion(headers: Headers): boolean {
  return (headers.get(durableHeader) ?? String(formatVersion)) === String(formatVersion);
}

/** How many sessions one GET can name. */
export const mostSessions = 32;

/** The operations of a DELETE: the values of `durable` in its query. */
export const removals = ['stop', 'withdraw', 'delete-message', 'clear'] as const;

/** The operation of a DELETE. */
export type Removal = (typeof removals)[number];

/**
 * @param send - The body of a send.
 * @param last - The last of its messages.
 * @returns Whether the send continues that message: the assistant's, unless another answer is asked for.
 */
export function continues(
  { trigger }: { readonly trigger: Trigger },
  { role }: Pick<UIMessage, 'role'>,
): boolean {
  return role === 'assistant' && trigger === 'submit-message';
}

/** The outcome of a tool call. */
export interface ToolOutcomeBody {
  readonly trigger: 'tool-outcome';
  /** The session. */
  readonly id: string;
  readonly messageId: string;
  readonly toolCallId: string;
  readonly outcome: ToolOutcome;
  /** Names the outcome: posted again, it is the same outcome. */
  readonly outcomeId?: string;
  /** The client that executes the tool. */
  readonly holder?: string;
}

/** Claims a tool call for a client that executes it. */
export interface ToolClaimBody {
  readonly trigger: 'tool-claim';
  /** The session. */
  readonly id: string;
  readonly messageId: string;
  readonly toolCallId: string;
  /** Identifies the client for its lifetime. */
  readonly holder: string;
  /** How long the claim lasts unless it is renewed, in milliseconds. */
  readonly ms: number;
}

/** The longest claim on a tool call. */
export const maxClaimMs: number = 600_000;

/** The response to a stop. */
export interface StopReceipt {
  /** Runs that the stop has ended. `at` is the server's time at this response, in milliseconds since the epoch. */
  readonly stopped: readonly { readonly runId: string; readonly at: number }[];
  /**
   * Runs that ended for another reason while the stop was on its way. With `runId`, also the named run if it had ended
   * before, for any reason.
   */
  readonly alreadyEnded: readonly string[];
  /** Runs whose stop is recorded, and whose end was not seen within 5 s. They still stop. */
  readonly pending: readonly string[];
}

/** How long a request waits for the runs that it stops to end. */
export const confirmWithinMs = 5_000;

/** A stream without an event for this long carries a comment. */
export const keepAliveMs = 15_000;

/** A connection that is silent for this long is dead. */
export const silenceMs: number = 2 * keepAliveMs;

/**
 * Tells a `DELETE` of durable-chat's client from one of the app's own on the same route.
 *
 * @param request - any request to the route
 * @returns false for a `DELETE` without `durable=…` in its query; true for every other request
 *
 * @example
 * ```ts
 * export function DELETE(request: Request) {
 *   return isDurableRequest(request) ? route.DELETE(request) : deleteChat(request);
 * }
 * ```
 */
export function isDurableRequest(request: Request): boolean {
  return request.method !== 'DELETE' || new URL(request.url).searchParams.has('durable' satisfies QueryName);
}
