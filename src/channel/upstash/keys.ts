// What a session's keys are called. No id reaches Redis as it came, and neither does the prefix: it could name
// another session's key, break out of the hash tag that keeps a session on one shard, or end a URL's path.

export interface SessionKeys {
  readonly log: string;
  readonly run: (runId: string) => string;
  readonly lease: (runId: string) => string;
  readonly send: (key: string) => string;
  readonly hold: (key: string) => string;
  /** Never there. */
  readonly none: string;
  /** Pub/sub. */
  readonly channel: string;
}

export function keysOf(prefix: string, sessionId: string): SessionKeys {
  const name = encodeName(sessionId);
  // Colons stay readable: what follows the prefix holds none before its own.
  const first = prefix.split(':').map(encodeName).join(':');
  const tag = `${first}:{${name}}`;
  return {
    log: `${tag}:log`,
    run: (runId) => `${tag}:run:${runId}`,
    lease: (runId) => `${tag}:lease:${runId}`,
    send: (key) => `${tag}:send:${encodeName(key)}`,
    hold: (key) => `${tag}:hold:${encodeName(key)}`,
    none: `${tag}:none`,
    // No braces: the client puts this name into a URL as it is.
    channel: `${first}:${name}`,
  };
}

/** Safe in a key, in a hash tag and in a URL, and different for different names. */
function encodeName(name: string): string {
  return encodeURIComponent(name).replace(/%/g, '=');
}
