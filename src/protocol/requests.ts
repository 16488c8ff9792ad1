// How a request to the route says what it asks for, and its answer that there are sessions.

/** On every answer of a durable route, whoever made it. */
export const durableHeader = 'x-durable-chat';

/** The header of an answer that names the run which a POST became. */
export const runHeader = 'x-durable-run';

/** The header of a send that names it: made again under the same name, it is the same send. */
export const idempotencyHeader = 'idempotency-key';

/** The header of a send that names the subscription of its client. */
export const subscriptionHeader = 'x-durable-subscription';

/** What a DELETE of ours asks for: the value of its query's `durable`. */
export const removals = ['stop', 'withdraw', 'delete-message', 'clear'] as const;

export type Removal = (typeof removals)[number];

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
  return request.method !== 'DELETE' || new URL(request.url).searchParams.has('durable');
}

/** How many sessions one GET may name. */
export const mostSessions = 32;
