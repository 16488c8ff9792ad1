// The one place that says which errors are the network's. They have `code: 'network'`.

import { DurableChatError } from '../../protocol/errors.ts';

/** How browsers and Node begin the message of the `TypeError` that `fetch` rejects with. */
const messages =
  /^(failed to fetch|fetch failed|load failed|network ?error|a network error|network request failed|(the )?network connection|the internet connection|terminated)/i;

/** What a proxy answers while the server behind it is away. */
const gatewayStatuses = [502, 503, 504];

/** Whether a request failed on the network, so that it may succeed when it is made again. */
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

/** Whether an answer that is not ours says that the server is away for now. */
export function isGatewayStatus(status: number): boolean {
  return gatewayStatuses.includes(status);
}

/**
 * `fetch`, or the app's own one. What the platform's rejects with is the network's. Of an app's own one that is only what
 * it passes on from the platform: another error is the app's, and would be thrown again.
 *
 * @throws the same error, with `code: 'network'` where it is the network's
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
