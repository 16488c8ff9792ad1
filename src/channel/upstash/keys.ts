// What a session's keys are called. No id reaches Redis as it came: it could name another session's key, or
// break out of the hash tag that keeps a session on one shard.

export interface SessionKeys {
  readonly log: string;
  readonly run: (run: string) => string;
  readonly lease: (run: string) => string;
  readonly send: (key: string) => string;
  readonly hold: (key: string) => string;
  /** Pub/sub. */
  readonly channel: string;
}

export function keysOf(prefix: string, session: string): SessionKeys {
  const name = encodeName(session);
  const tag = `${prefix}:{${name}}`;
  return {
    log: `${tag}:log`,
    run: (run) => `${tag}:run:${run}`,
    lease: (run) => `${tag}:lease:${run}`,
    send: (key) => `${tag}:send:${encodeName(key)}`,
    hold: (key) => `${tag}:hold:${encodeName(key)}`,
    // No braces: the client puts this name into a URL as it is.
    channel: `${prefix}:${name}`,
  };
}

/** Safe in a key, in a hash tag and in a URL, and different for different names. */
function encodeName(name: string): string {
  return encodeURIComponent(name).replace(/%/g, '=');
}
