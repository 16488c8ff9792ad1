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
  network: 0,
} as const;

/**
 * What went wrong, as a stable word.
 *
 * - `bad_request`, `invalid_cursor`: the request is malformed; sending it again will not help.
 * - `unauthorized`, `forbidden`: `authorize` said no.
 * - `not_found`: no such session or run.
 * - `conflict`: the request is fine, the session's state does not allow it.
 * - `too_large`: the body, its message or the session is over one of the app's `limits`.
 * - `too_many`: as many viewers or runs as the app's `limits` allow; later there may be room.
 * - `config`: the library is set up wrongly; the message says what to change.
 * - `handler_failed`: the app's handler threw before it returned a stream.
 * - `handler_result`: the app's handler returned something that is not a UI message stream.
 * - `store_failed`: the store did not answer.
 * - `network`: the client could not reach the server (status 0).
 */
export type DurableChatErrorCode = keyof typeof statusOf;

/** The JSON body of every error answer. */
export interface ErrorBody {
  readonly error: { readonly code: DurableChatErrorCode; readonly message: string };
}

/** Thrown or reported by every part of durable-chat. Carries no chat text and no secret. */
export class DurableChatError extends Error {
  override readonly name: string = 'DurableChatError';
  readonly code: DurableChatErrorCode;
  /** The HTTP status the error is answered with; 0 when there was no answer. */
  readonly status: number;

  constructor(code: DurableChatErrorCode, message: string, options?: { cause?: unknown; status?: number }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options?.status ?? statusOf[code];
  }

  /** The body of the HTTP answer. */
  toJSON(): ErrorBody {
    return { error: { code: this.code, message: this.message } };
  }

  /** The error that an HTTP answer of ours holds; undefined when the answer is not ours. */
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

  /** Rebuilds the error from an HTTP answer; an answer that is not ours keeps its status. */
  static fromBody(status: number, body: string): DurableChatError {
    const ours = DurableChatError.parse(status, body);
    if (ours) return ours;
    const code = Object.entries(statusOf).find(([, known]) => known === status)?.[0];
    return new DurableChatError(
      // The entry came out of statusOf, so its key is a code.
      (code as DurableChatErrorCode | undefined) ?? (status >= 500 ? 'store_failed' : 'bad_request'),
      `The server answered ${status}.`,
      { status },
    );
  }
}
