// The only file that recognises network errors. They get `code: 'network'`.

import { DurableChatError } from '../../protocol/errors.ts';

/** The beginnings of the `TypeError` messages with which `fetch` rejects in browsers and Node. */
const messages =
  /^(failed to fetch|fetch failed|load failed|network ?error|a network error|network request failed|(the )?network connection|the internet connection|terminated)/i;

/** The statuses of a proxy whose server is away. */
const gatewayStatuses = [502, 503, 504];

/** Whether a request failed in the network, so a retry can succeed. */
export function isNetworkFailure(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'network';
}

export function unreachable(cause?: unknown): DurableChatError {
  return new DurableChatError(
    'network',
    'The server could not be reached. Check the connection, then try again.',
    { cause },
  );
}

/** Whether a response that is not from durable-chat says that the server is away for now. */
export function isGatewayStatus(status: number): boolean {
  return gatewayStatuses.includes(status);
}

/**
 * `fetch`, or the app's own. Every rejection of the platform's `fetch` is a network error. A rejection of the app's
 * `fetch` is one only if it comes from the platform. Any other error is the app's, and a retry would fail again.
 *
 * @throws the same error, with `code: 'network'` if it is a network error
 */
export async function fetchWith(
  own: typeof fetch | undefined,
  ...request: Parameters<typeof fetch>
): Promise<Response> {
  try {
    return await (own ?? fetch)(...request);
  } catch (error) {
    const isNetwork = error instanceof TypeError && (own === undefined || messages.test(error.message));
    throw isNetwork ? Object.assign(error, { code: 'network' }) : error;
  }
}
