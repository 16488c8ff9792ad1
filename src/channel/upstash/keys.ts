// The names of a session's keys. Ids and the prefix are encoded before they reach Redis: otherwise they could name
// another session's key, leave the hash tag that keeps a session on one shard, or end a URL's path.

/** The Redis keys of one session, all with one hash tag, and its pub/sub channel. */
export interface SessionKeys {
  readonly log: string;
  readonly run: (runId: string) => string;
  readonly lease: (runId: string) => string;
  readonly send: (key: string) => string;
  readonly claim: (key: string) => string;
  /** A key that never exists. */
  readonly none: string;
  /** The pub/sub channel. */
  readonly channel: string;
}

/** The keys of a session under the prefix of the app. */
export function keysOf(prefix: string, sessionId: string): SessionKeys {
  const name = encodeName(sessionId);
  // Colons need no encoding: encoded names contain none, so the end of the prefix is unambiguous.
  const first = prefix.split(':').map(encodeName).join(':');
  const tag = `${first}:{${name}}`;
  return {
    log: `${tag}:log`,
    run: (runId) => `${tag}:run:${runId}`,
    lease: (runId) => `${tag}:lease:${runId}`,
    send: (key) => `${tag}:send:${encodeName(key)}`,
    claim: (key) => `${tag}:claim:${encodeName(key)}`,
    none: `${tag}:none`,
    // No braces, because the client puts this name into a URL without encoding it.
    channel: `${first}:${name}`,
  };
}

/** Safe in a key, in a hash tag and in a URL, and different for different names. */
function encodeName(name: string): string {
  return encodeURIComponent(name).replace(/%/g, '=');
}
