// The one error class of the library, and the HTTP status each of its codes travels with.

const statusOf = {
  bad_request: 400,
  invalid_cursor: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  too_many: 429,
  config: 500,
  handler_failed: 500,
  handler_result: 500,
  store_failed: 503,
  version: 503,
  network: 0,
} as const;

/**
 * What went wrong. The names of the codes do not change.
 *
 * - `bad_request`: the request is malformed; the same request fails again.
 * - `invalid_cursor`: the cursor is malformed or belongs to another session.
 * - `unauthorized`: `authorize` returned null or undefined.
 * - `forbidden`: `authorize` returned false, a page of another site made the request, or `allowWhenBusy` does not
 *   contain the `whenBusy` that the client asked for.
 * - `not_found`: the session, run, message or tool call does not exist; the route received a DELETE without `durable`;
 *   or, on the client, the route has no sessions.
 * - `conflict`: the session's state does not allow the request.
 * - `too_large`: the body, its message or the session is over one of the app's `limits`, or an entry is larger than the
 *   store accepts.
 * - `too_many`: the session has as many viewers or active runs as the app's `limits` allow; try again later.
 * - `config`: an option or an environment variable is wrong, or `generateId` returned an unusable id; the message says
 *   what to change.
 * - `handler_failed`: the app's handler threw before it returned a stream, or did not return within `stopGraceMs` of a
 *   stop. Also: `authorize`, `loadMessages` or `generateId` threw, or the server failed for an unknown reason. On the
 *   client, also any response with status 500 that has no code.
 * - `handler_result`: the app's handler returned something that is not a UI message stream.
 * - `store_failed`: the store did not respond. On the client, also any other response with a status over 500 that has no code.
 * - `version`: the other side is of another version of the format. With status 503 it is newer, during a deploy: try again
 *   later. With status 400 the page is older than the server: reload it.
 * - `network`: the client did not reach the server (status 0), or a proxy responded in its place (502, 503 or 504 without
 *   a code). The same request can succeed later.
 */
export type DurableChatErrorCode = keyof typeof statusOf;

/** The JSON body of every error response. */
export interface ErrorBody {
  /** `message` is for developers and contains no chat text. */
  readonly error: { readonly code: DurableChatErrorCode; readonly message: string };
}

/** Thrown or reported by every part of durable-chat. Carries no chat text and no secret. */
export class DurableChatError extends Error {
  override readonly name: string = 'DurableChatError';
  /** What went wrong. Compare this, and not the message. */
  readonly code: DurableChatErrorCode;
  /** The HTTP status of the response; 0 when there was none. */
  readonly status: number;

  constructor(code: DurableChatErrorCode, message: string, options?: { cause?: unknown; status?: number }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options?.status ?? statusOf[code];
  }

  /** The body of the HTTP response. */
  toJSON(): ErrorBody {
    return { error: { code: this.code, message: this.message } };
  }

  /** The error that an HTTP response of ours has; undefined when the response is not ours. */
  static parse(status: number, body: string): DurableChatError | undefined {
    try {
      const parsed = (JSON.parse(body) as Partial<ErrorBody>).error;
      if (parsed && Object.hasOwn(statusOf, parsed.code)) {
        return new DurableChatError(parsed.code, parsed.message, { status });
      }
    } catch {
      // Not JSON, so not ours.
    }
    return undefined;
  }

  /** Rebuilds the error from an HTTP response; a response that is not ours keeps its status. */
  static fromBody(status: number, body: string): DurableChatError {
    const ours = DurableChatError.parse(status, body);
    if (ours) return ours;
    return new DurableChatError(
      codeOf(status),
      `The server responded with status ${status}. Try again, or reload the page.`,
      { status },
    );
  }
}

/** The code for a status that came without one. */
function codeOf(status: number): DurableChatErrorCode {
  // Our own 503 has a code: this one is a proxy's.
  if ([502, 503, 504].includes(status)) return 'network';
  // Something threw. Nothing says that the set-up is wrong.
  if (status >= 500) return status === 500 ? 'handler_failed' : 'store_failed';
  const codes = Object.keys(statusOf) as DurableChatErrorCode[]; // the table's keys are the codes
  return codes.find((code) => statusOf[code] === status) ?? 'bad_request';
}

/** The `version` error for a request of a page that is older than the server. */
export function olderError(): DurableChatError {
  return new DurableChatError(
    'version',
    'The request is of an older version of durable-chat than the server. Reload the page.',
    { status: 400 },
  );
}

/** The `version` error for what is newer than this build: it passes when the deploy has ended. */
export function newerError(what: 'request' | 'response' | 'session'): DurableChatError {
  return new DurableChatError(
    'version',
    `The ${what} is of another version of durable-chat. A deploy is under way: try again in a minute.`,
  );
}
