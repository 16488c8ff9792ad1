// The only file that recognises network errors. They get `code: 'network'`.

import { DurableChatError } from '../../protocol/errors.ts';

/**
 * The names of the errors with which a request fails in the network: `fetch` rejects with a `TypeError`, as the Fetch
 * standard says. The others come from a signal of the app's own `fetch`, for instance a timeout.
 */
const names = ['TypeError', 'AbortError', 'TimeoutError'];

/** Whether a request failed in the network, so a retry can succeed. */
export function isNetworkFailure(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'network';
}

/** The error for a request that did not reach the server. */
export function unreachable(cause?: unknown): DurableChatError {
  return new DurableChatError(
    'network',
    'The server could not be reached. Check the connection, then try again.',
    { cause },
  );
}

/**
 * `fetch`, or the app's own. An error of another class is the app's, and a retry would fail again.
 *
 * @throws the same error, with `code: 'network'` if it is a network error and the request was not aborted by its own signal
 */
export async function fetchWith(
  own: typeof fetch | undefined,
  ...request: Parameters<typeof fetch>
): Promise<Response> {
  try {
    return await (own ?? fetch)(...request);
  } catch (error) {
    if (error instanceof Error && names.includes(error.name) && !request[1]?.signal?.aborted)
      // The `code` of a `DOMException` cannot be assigned.
      Object.defineProperty(error, 'code', { value: 'network', configurable: true });
    throw error;
  }
}
