// Whether a request failed on the network, so that it may succeed when it is made again.

/** How browsers and Node begin the message of the `TypeError` that `fetch` rejects with. */
const messages =
  /^(failed to fetch|fetch failed|load failed|network ?error|a network error|network request failed|(the )?network connection|the internet connection|terminated)/i;

/**
 * Whether no answer came. Any other error that the app's own `fetch` throws is an error of the app: it would be thrown
 * again.
 */
export function isNetworkFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && error.code === 'network') return true;
  return error instanceof TypeError && messages.test(error.message);
}
