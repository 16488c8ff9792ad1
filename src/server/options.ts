// The options of an app, and the types of its callbacks.

import type { UIMessage } from 'ai';
import type { Channel } from '../channel/channel.ts';
import type { RunEndReason } from '../protocol/frames.ts';
import type { DurableChatEvent } from './lib/events.ts';

/** What a request does. `delete` deletes one message, or all of them. */
export type Action = 'read' | 'send' | 'stop' | 'delete';

/** The argument of `authorize`. */
export interface AuthorizeInput {
  /** The client's request. Its body has been read already. */
  readonly request: Request;
  /** The chat id, as the client named it: it is not validated against your database. */
  readonly sessionId: string;
  /** What the client asks for. */
  readonly action: Action;
}

/**
 * The result of `authorize`.
 *
 * - `true`: allowed.
 * - `{ userId }`: allowed. `userId` is recorded as `by`. The handler gets the whole object as `auth`.
 * - `false`: refused with 403.
 * - `null` or `undefined`: no user is signed in, refused with 401.
 * - a `Response` with a status of 300 or more: refused with that response. With a status of 200 to 299, refused with 403.
 *   `Response.error()` is a failure of `authorize`.
 */
export type Authorization = boolean | null | undefined | Response | { readonly userId: string };

/** Decides whether a request is allowed. `A` is its result, such as `{ userId: string; plan: Plan } | null`. */
export type Authorize<A extends Authorization = Authorization> = (input: AuthorizeInput) => A | Promise<A>;

/** The type of a handler's `auth`: the object with the `userId`, or undefined for `true`. */
export type AuthOf<A extends Authorization> = A extends { readonly userId: string }
  ? A
  : A extends true
    ? undefined
    : never;

/**
 * What happens to a send while another answer is being written.
 *
 * - `queue`: it waits for its turn. Every tab shows it, and it can be withdrawn.
 * - `interrupt`: the answer is stopped, its part so far is kept, and the send runs after sends that already wait.
 * - `steer`: its message is offered to the running answer, which takes it with `run.steering` or `run.takeMessages`. If the
 *   answer does not take it, it waits for its turn.
 * - `reject`: it is refused with `conflict` (409).
 * - `parallel`: both are answered at once.
 */
export type WhenBusy = 'queue' | 'interrupt' | 'steer' | 'reject' | 'parallel';

/** Sizes and counts. A request over a limit is refused, with the limit's name and value. */
export interface Limits {
  /** The size of a POST body, in bytes. Over it: 413 `too_large`. @defaultValue 4,194,304 */
  readonly bodyBytes: number;
  /** The size of a user message as JSON, in bytes. Over it: 413 `too_large`. @defaultValue only the body's limit */
  readonly messageBytes: number;
  /** The number of messages in a session. Over it: 413 `too_large`. @defaultValue 5,000 */
  readonly messagesPerSession: number;
  /** The number of viewers of a session in each process. Over it: 429 `too_many`. @defaultValue 1,000 */
  readonly viewersPerSession: number;
  /** The number of runs of a session that work or wait. Over it: 429 `too_many`. @defaultValue 100 */
  readonly activeRunsPerSession: number;
}

/** The end of a run, for `onRunEnd`. */
export interface RunEnd<M extends UIMessage = UIMessage> {
  /** The chat id. */
  readonly sessionId: string;
  /** Identifies the end, which can be reported more than once. */
  readonly runId: string;
  /** `interrupted`: its producer could not complete it; `cause` says why, if it is known. */
  readonly reason: RunEndReason;
  /** The `userId` of the user who stopped the run. */
  readonly by?: string;
  /**
   * The id of the run's user message, if the handler threw or its stream failed before it emitted a part. Absent if the
   * handler returned its own refusal or no UI message stream, or if the store failed. The cause is unknown: this message,
   * an earlier one, the provider, or the handler's own code. Let the user decide, and do not delete the message
   * automatically.
   */
  readonly failedOn?: string;
  /** The message that the run wrote; undefined if it wrote none. */
  readonly message: M | undefined;
  /** All messages of the session at this time, this one included. The list is a copy. */
  readonly messages: M[];
  /** The ids of the messages that a client supplied (`seed`). The server cannot verify them. */
  readonly seeded: readonly string[];
}

/** A stored user message, for `onMessage`. */
export interface StoredMessage<M extends UIMessage = UIMessage> {
  /** The chat id. */
  readonly sessionId: string;
  /** The run that answers it now, or after its turn has come. */
  readonly runId: string;
  /** The message as it was sent. An edited message keeps its id. */
  readonly message: M;
  /** The `userId` of the user who sent it. */
  readonly by?: string;
}

/**
 * What a session that the store does not know takes from its client, besides the last user message.
 *
 * - `text`: the messages of the user and the assistant, without tool calls that have no final result. A handler reads their
 *   text, their files, and their finished tool calls as text. Viewers and `onRunEnd` get them as posted, and `seeded` has
 *   their ids. System messages, and messages with no part left, are not taken.
 * - `none`: nothing.
 * - `all`: everything as posted, system messages and approved tool calls included. Only for clients that you trust like
 *   your own server.
 *
 * It has no effect with `loadMessages`, or while the store remembers that the session was deleted. While the store is down,
 * `onStoreDown: 'passthrough'` does not know about a deletion.
 */
export type Seed = 'text' | 'none' | 'all';

/**
 * What happens to a send while the store is down.
 *
 * - `reject`: it is refused with `store_failed` (503).
 * - `passthrough`: the handler gets the messages that an unknown session begins with (`loadMessages`, else `seed`), and the
 *   client's new message. Only that client gets the answer: it is not stored, and a broken connection loses it.
 */
export type OnStoreDown = 'reject' | 'passthrough';

/** Where an error happened, if that is known. */
export interface ErrorContext {
  /** Absent if the error belongs to no session. */
  readonly sessionId?: string;
  /** Absent if the error belongs to no run. */
  readonly runId?: string;
  /** The id of the user message that the run answers. Every error of a run has it, with any cause. */
  readonly messageId?: string;
}

/**
 * The options of `createDurableChat` and `durableRoute`. `M` is the app's message type, and `A` the result of its
 * `authorize`. Both are inferred from the functions, or named: `createDurableChat<MyMessage, MyUser | null>({ … })`.
 */
export interface DurableChatOptions<
  M extends UIMessage = UIMessage,
  A extends Authorization = Authorization,
> {
  /**
   * The store of sessions.
   * @defaultValue Upstash if its variables are set, else memory if NODE_ENV is `development` or `test`
   */
  readonly channel?: Channel;
  /**
   * Called for each request before the store is touched, with `read` for each session of a GET, and again while a viewer is
   * connected, see `reauthorizeMs`. Required unless NODE_ENV is `development` or `test`.
   */
  readonly authorize?: Authorize<A>;
  /** What happens to a send while another answer is being written. @defaultValue `queue` */
  readonly whenBusy?: WhenBusy;
  /** Other values that a client may post as `whenBusy`. @defaultValue none */
  readonly allowWhenBusy?: readonly WhenBusy[];
  /**
   * Other origins whose pages may use the route, such as `https://app.example`. They get CORS headers; export the route's
   * `OPTIONS` too. Pages of all other sites get a 403.
   * @defaultValue none
   */
  readonly allowedOrigins?: readonly string[];
  /** Sizes and counts. A request over a limit is refused. @defaultValue see `Limits` */
  readonly limits?: Partial<Limits>;
  /**
   * Returns the messages of a session that the store does not have, because it is new, has expired or was deleted. With
   * this option, earlier messages that a client posts are ignored.
   */
  readonly loadMessages?: (session: {
    readonly sessionId: string;
  }) => readonly M[] | null | undefined | Promise<readonly M[] | null | undefined>;
  /** What a session that the store does not know takes from its client. @defaultValue `text` */
  readonly seed?: Seed;
  /**
   * Called at least once with each user message that a send stores. Only `onRunEnd` of the same run waits for it. If a
   * crash or a rejection prevents the call, it is made after the run's end, when the session is next read, watched or
   * sent to, unless the message is gone by then. Not called for refused messages, or for messages of `seed` and
   * `loadMessages`.
   */
  readonly onMessage?: (stored: StoredMessage<M>) => void | Promise<void>;
  /**
   * Called at least once for the end of each run, sometimes twice, or by two processes at once. If a crash or a rejection
   * prevents the call, it is made when the session is next read, watched or sent to. Not called for a run that a server
   * without `onRunEnd` accepted, that never had its turn, or that `session.delete()` ended.
   */
  readonly onRunEnd?: (end: RunEnd<M>) => void | Promise<void>;
  /**
   * Returns the id of each message that the server makes (`run.messageId`). Called once per send; for a continuation the
   * result is not used. An id has 1 to 256 characters, no control characters, and belongs to no other message of the
   * session. Any other result refuses the send with `config` (500).
   * @defaultValue 16 random characters of `[A-Za-z0-9_-]`
   */
  readonly generateId?: () => string;
  /** The least time between two writes of a run, in milliseconds. @defaultValue 50 */
  readonly flushIntervalMs?: number;
  /**
   * How long a run outlives its producer, in milliseconds. Then a server ends it as `interrupted`: within 2 s if a
   * viewer watches the session, else when the session is next read, watched or sent to.
   * @defaultValue 15,000
   */
  readonly leaseMs?: number;
  /** How long a stopped handler may run after its signal aborts, in milliseconds. @defaultValue 2,000 */
  readonly stopGraceMs?: number;
  /**
   * How long the function that serves a request may live, in milliseconds. A run that comes near it ends as `interrupted`,
   * while there is time to store its part so far.
   * @defaultValue the deadline of Vercel's runtime, else no limit
   */
  readonly maxDurationMs?: number;
  /**
   * How often `authorize` is called again for a session that a viewer watches, in milliseconds, on average. `Infinity`:
   * never. It gets the request with which the viewer connected, in the same `AsyncLocalStorage` context; use only its URL
   * and its headers. A refusal ends the session for this viewer. A thrown error, a status of 500 or more, and no
   * answer within this time (at least 10 s) end nothing. They go to `onError`, and `authorize` is called again.
   * @defaultValue 60,000
   */
  readonly reauthorizeMs?: number;
  /** What happens to a send while the store is down. @defaultValue `reject` */
  readonly onStoreDown?: OnStoreDown;
  /**
   * How much output of a run may wait for the store, in characters of JSON. If the store fails, the log loses the output
   * beyond it and ends the run as `interrupted`, and the run's own client still gets all. If the store works, nothing is
   * lost: the handler's stream is read only when there is room.
   * @defaultValue 8,388,608
   */
  readonly maxUnwrittenBytes?: number;
  /** Keeps a serverless function alive until the promise settles, such as Vercel's `waitUntil`. */
  readonly waitUntil?: (promise: Promise<unknown>) => void;
  /**
   * Called with errors that no response shows, such as a handler that threw. An error can contain chat text. An exception
   * of this function is ignored.
   * @defaultValue writes the error's name to the console
   */
  readonly onError?: (error: unknown, context: ErrorContext) => void;
  /**
   * Called when a run of this server starts or ends, and when the store fails it or works again. Events contain no chat
   * text. An exception of this function is ignored.
   */
  readonly onEvent?: (event: DurableChatEvent) => void;
}
