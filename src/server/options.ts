// What an app can set.

import type { UIMessage } from 'ai';
import type { Channel } from '../channel/channel.ts';
import type { RunEndReason } from '../protocol/frames.ts';
import type { DurableChatEvent } from './lib/events.ts';

/** What a request asks for. `delete` is for a message or all of them. */
export type Action = 'read' | 'send' | 'stop' | 'delete';

export interface AuthorizeInput {
  readonly request: Request;
  readonly sessionId: string;
  readonly action: Action;
}

/**
 * - `true`: allowed. `{ userId }`: allowed, and recorded as `by` on what the user does. With whatever else it holds, the
 *   object is the handler's `auth`.
 * - `false`: refused with 403. `null` or `undefined`: nobody is signed in, refused with 401.
 * - a `Response`: refused with that answer.
 */
export type Authorization = boolean | null | undefined | Response | { readonly userId: string };

/** `A` is what it returns, as in `{ userId: string; plan: Plan } | null`. */
export type Authorize<A extends Authorization = Authorization> = (input: AuthorizeInput) => A | Promise<A>;

/** What a handler is given of an authorization: the object with the `userId`; undefined for a plain `true`. */
export type AuthOf<A extends Authorization> = A extends { readonly userId: string }
  ? A
  : A extends true
    ? undefined
    : never;

/**
 * What becomes of a send while the session is busy with another answer.
 *
 * - `queue`: it waits for its turn; every tab sees it wait, and it can be withdrawn.
 * - `interrupt`: the answer is stopped, its part so far is kept, and the send runs after sends that wait already.
 * - `steer`: its message is offered to the running answer, where the handler takes it (`run.steering`, or
 *   `run.takeMessages`); a message that was not taken waits for its turn, as with `queue`.
 * - `reject`: it is refused with `conflict` (409).
 * - `parallel`: both are answered at once.
 */
export type WhenBusy = 'queue' | 'interrupt' | 'steer' | 'reject' | 'parallel';

/** What one client, or all of them together, may put on the server. Over a limit a request is refused. */
export interface Limits {
  /** The largest POST body, in bytes; over it a 413 `too_large`. Default 4,194,304. */
  readonly bodyBytes: number;
  /** The largest user message, in bytes of its JSON; over it a 413 `too_large`. Default: no limit but the body's. */
  readonly messageBytes: number;
  /** How many messages a session holds; a send beyond it is a 413 `too_large`. Default 5,000. */
  readonly messagesPerSession: number;
  /** How many viewers of one session each process serves at once; beyond it a 429 `too_many`. Default 1,000. */
  readonly viewersPerSession: number;
  /** How many runs of a session may work or wait at once; beyond it a 429 `too_many`. Default 100. */
  readonly activeRunsPerSession: number;
}

/** A run's end, as `onRunEnd` gets it. */
export interface RunEnd<M extends UIMessage = UIMessage> {
  readonly sessionId: string;
  /** Identifies this end: the same end can be reported more than once. */
  readonly runId: string;
  readonly reason: RunEndReason;
  /** The user who stopped it, as named by `authorize`. */
  readonly by?: string;
  /**
   * The id of the user message that the run had to answer. Present if the handler was called, and it threw or its
   * stream failed before it emitted a part. Absent if it refused with a `Response` of its own, returned no UI message
   * stream, or failed with a `DurableChatError`, such as that of a store that is away. The cause is unknown: it can be
   * this message, an earlier one, the provider (a rate limit, an outage) or the handler's own code. Show the user a
   * choice; never delete the message for this alone.
   */
  readonly failedOn?: string;
  /** The message that the run wrote; undefined if the run left no message. */
  readonly message: M | undefined;
  /** All messages of the session as they are now, this one among them. The list is a copy. */
  readonly messages: M[];
  /** The ids of those that a client supplied (`seed`). No server has seen how they came about. */
  readonly seeded: readonly string[];
}

/** A user message that was stored, as `onMessage` gets it. */
export interface StoredMessage<M extends UIMessage = UIMessage> {
  readonly sessionId: string;
  /** The run that answers it, or waits to. */
  readonly runId: string;
  /** The message as it was sent. An edited one has the id that it had before. */
  readonly message: M;
  /** The user who sent it, as named by `authorize`. */
  readonly by?: string;
}

/**
 * What a session that the store does not know takes from its client besides its last user message.
 *
 * - `text`: the earlier messages of the user and the assistant. A handler reads their text, their files, and their
 *   finished tool calls as text. Viewers and `onRunEnd` get the messages as posted, without tool calls that have no
 *   final result; `seeded` contains their ids. System messages, and messages with no part left, are not taken.
 * - `none`: nothing.
 * - `all`: everything as posted, system messages and approved tool calls included: the client decides what the
 *   session's truth is. Only for clients that you trust like your own server.
 *
 * With `loadMessages`, and for as long as the store remembers that the session was deleted, it is `none`. While the
 * store is down, `onStoreDown: 'passthrough'` cannot know about a deletion.
 */
export type Seed = 'text' | 'none' | 'all';

/**
 * What becomes of a send while the store is down.
 *
 * - `reject`: it is refused with `store_failed` (503).
 * - `passthrough`: the handler is called with the messages that an unknown session begins with (`loadMessages`, else
 *   `seed`) and the client's new message. Its answer goes to that client alone: no other viewer sees it, the log never
 *   contains it, and a broken connection loses it. The server cannot know whether the session was deleted.
 */
export type OnStoreDown = 'reject' | 'passthrough';

/** Where an error happened, as far as that is known. */
export interface ErrorContext {
  readonly sessionId?: string;
  readonly runId?: string;
  /** The id of the user message that the run answers. Every error of a run has it, whatever the cause. */
  readonly messageId?: string;
}

/**
 * `M` is the app's own message type, and `A` what its `authorize` returns. Both are taken from the functions that are
 * passed, or named: `createDurableChat<MyMessage, MyUser | null>({ … })`.
 */
export interface DurableChatOptions<
  M extends UIMessage = UIMessage,
  A extends Authorization = Authorization,
> {
  /**
   * Where sessions live. Default: Upstash if its variables are set; else memory if NODE_ENV is `development` or `test`.
   */
  readonly channel?: Channel;
  /**
   * Called for each request, before the store is touched, and with `read` for each session of a GET. Called again while a
   * viewer is connected: see `reauthorizeMs`. Required unless NODE_ENV is `development` or `test`.
   */
  readonly authorize?: Authorize<A>;
  /** What becomes of a send while another answer is being written. Default `queue`. */
  readonly whenBusy?: WhenBusy;
  /** What a client may ask for instead, in its body's `whenBusy`. Default: nothing. */
  readonly allowWhenBusy?: readonly WhenBusy[];
  /**
   * Origins besides the route's own whose pages may use it, as in `https://app.example`: they get the CORS headers
   * that they need (export the route's `OPTIONS` too). Pages of all others are refused with 403. Default: none.
   */
  readonly allowedOrigins?: readonly string[];
  /** Sizes and counts; a request over one of them is refused. */
  readonly limits?: Partial<Limits>;
  /**
   * Returns the messages that the app has kept. Called when the store does not have the session: it is new, has expired
   * or was deleted. With this option, earlier messages that a client posts are ignored.
   */
  readonly loadMessages?: (session: {
    readonly sessionId: string;
  }) => readonly M[] | null | undefined | Promise<readonly M[] | null | undefined>;
  /** What a session that the store does not know takes from its client. Default `text`. */
  readonly seed?: Seed;
  /**
   * Called at least once with each user message that a send stores, as soon as it is stored. Only `onRunEnd` of the
   * same run waits for it. If a crash or a rejection prevents the report, the message is reported after the run's end,
   * when the session is next read, watched or sent to, unless the message is gone by then. Not reported: a message that
   * was refused, and earlier messages that a session began with (`seed`, `loadMessages`).
   */
  readonly onMessage?: (stored: StoredMessage<M>) => void | Promise<void>;
  /**
   * Called at least once for the end of each run, also twice or by two processes at once. If a crash or a rejection
   * prevents the report, the end is reported when the session is next read, watched or sent to. Not reported: a run that
   * a server without `onRunEnd` accepted, a run that never had its turn (withdrawn, or its message went into another
   * run), and the runs that `session.delete()` ended.
   */
  readonly onRunEnd?: (end: RunEnd<M>) => void | Promise<void>;
  /**
   * Returns the id of each message that the server makes: `run.messageId` of a run that continues none. Called once per
   * send. It is called for continuations too; that result is unused. The id has 1 to 256 characters, no control
   * characters, and belongs to no other message of the session; anything else refuses the send with `config` (500).
   * Default: 16 random characters of `[A-Za-z0-9_-]`. Runs have ids of their own.
   */
  readonly generateId?: () => string;
  /** The least time between two writes of a run, in milliseconds. Default 50. */
  readonly flushIntervalMs?: number;
  /**
   * How long a run outlives its producer, in milliseconds. After that, a server ends it as `interrupted`: if a viewer
   * watches the session, about 3 s later, else when the session is next read, watched or sent to. Default 15,000.
   */
  readonly leaseMs?: number;
  /** How long a stopped handler may go on after its signal aborts, in milliseconds. Default 2,000. */
  readonly stopGraceMs?: number;
  /**
   * How long the function that serves a request may live, in milliseconds: a run that comes near it ends itself as
   * `interrupted`, while there is time to store its part so far. Default: what Vercel says; elsewhere, no limit.
   */
  readonly maxDurationMs?: number;
  /**
   * How often `authorize` is called again for a session that is being watched, in milliseconds: on average, so that not all
   * viewers are asked for at once. `Infinity`: never. It gets the request with which the viewer connected, in the same
   * `AsyncLocalStorage` context; use the URL and the headers of that request, nothing else. A refusal ends the session for
   * this viewer. An error that is thrown, an answer with a status of 500 or more, and a promise that never settles end
   * nothing; the first two go to `onError`. Default 60,000.
   */
  readonly reauthorizeMs?: number;
  /** What becomes of a send while the store is down. Default `reject`. */
  readonly onStoreDown?: OnStoreDown;
  /**
   * How much of what a run emits while its store fails may wait, in characters of its chunks' JSON. Beyond it the run
   * goes on for its own client; the log keeps what fitted, and ends the run as `interrupted`. While the store works
   * nothing is lost: once as much waits, the handler's stream is not read on until a part of it is stored. Default
   * 8,388,608.
   */
  readonly maxUnwrittenBytes?: number;
  /** Keeps a serverless function alive until a run has ended, e.g. Vercel's `waitUntil`. */
  readonly waitUntil?: (promise: Promise<unknown>) => void;
  /**
   * Called with errors that no answer shows: a handler that threw, a store that stayed away. The error can contain chat
   * text. Default: writes the name of the error, and nothing else, to the console. What it throws is ignored.
   */
  readonly onError?: (error: unknown, context: ErrorContext) => void;
  /**
   * Called when a run of this server starts or ends, and when the store fails it or takes it again. Events contain no
   * chat text. What it throws is ignored.
   */
  readonly onEvent?: (event: DurableChatEvent) => void;
}
