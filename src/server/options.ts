// What an app can set, and what a handler is given.

import type { UIMessage } from 'ai';
import type { Channel } from '../channel/channel.ts';
import type { RunEndReason } from '../protocol/frames.ts';
import type { DurableChatEvent } from './lib/events.ts';
import type { SessionHandle } from './handle/session-handle.ts';
import type { Steered } from './run/steering.ts';

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
 * - `interrupt`: the answer is stopped, what there is of it kept, and the send takes its place.
 * - `steer`: its message is offered to the running answer, where the handler takes it (`run.steering`, or
 *   `run.takeMessages`); a message that was not taken waits for its turn, as with `queue`.
 * - `reject`: it is refused with `conflict` (409).
 * - `parallel`: both are answered at once.
 */
export type WhenBusy = 'queue' | 'interrupt' | 'steer' | 'reject' | 'parallel';

/** What one client, or all of them together, may put on the server. Over a limit a request is refused. */
export interface Limits {
  /** The largest POST body, in bytes; over it a 413 `too_large`. Default 4 MB. */
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

/** A run's end, as `onRunEnd` is told of it. */
export interface RunEnd<M extends UIMessage = UIMessage> {
  readonly sessionId: string;
  /** Names this end: the same one may be told more than once. */
  readonly run: string;
  readonly reason: RunEndReason;
  /** The user who stopped it, as named by `authorize`. */
  readonly by?: string;
  /**
   * The id of the user message that the run was to answer, where its handler failed before it said anything: what it
   * failed on may be that message. `session(id).deleteMessage(failedOn)` takes it out of the way.
   */
  readonly failedOn?: string;
  /** The message that the run wrote; undefined when nothing of it was kept. */
  readonly message: M | undefined;
  /** All messages of the session as they are now, this one among them. */
  readonly messages: readonly M[];
  /** The ids of those that a client brought along (`seed`): nobody but that client has seen them happen. */
  readonly seeded: readonly string[];
}

/** A user message that was stored, as `onMessage` gets it. */
export interface StoredMessage<M extends UIMessage = UIMessage> {
  readonly sessionId: string;
  /** The run that answers it, or waits to. */
  readonly run: string;
  /** The message as it was sent. An edited one has the id that it had before. */
  readonly message: M;
  /** The user who sent it, as named by `authorize`. */
  readonly by?: string;
}

/**
 * What a session that the store does not know takes from its client besides its last user message.
 *
 * - `text`: the earlier messages of the user and the assistant, of which a handler reads the text, the files, and what
 *   finished tool calls said, as text. Viewers and `onRunEnd` have them as posted, named in `seeded`, but without
 *   system messages and without calls that wait or were approved.
 * - `none`: nothing.
 * - `all`: everything as posted, system messages and approved tool calls included: the client decides what the
 *   session's truth is. Only for clients that you trust like your own server.
 *
 * With `loadMessages`, and for as long as a session is known to be deleted, it is `none`.
 */
export type Seed = 'text' | 'none' | 'all';

/**
 * What becomes of a send while the store is down.
 *
 * - `reject`: it is refused with `store_failed` (503).
 * - `passthrough`: the handler is called with the client's new message behind what a session that is not known begins
 *   with (`loadMessages`, else `seed`), and its answer goes to that client alone: no other viewer sees it, the log never
 *   holds it, and a broken connection loses it.
 */
export type OnStoreDown = 'reject' | 'passthrough';

/** Where an error happened, as far as that is known. */
export interface ErrorContext {
  readonly sessionId?: string;
  readonly run?: string;
  /** The id of the user message that the run answers. */
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
  /** Where sessions live. Default: Upstash when its variables are set; in development, memory. */
  readonly channel?: Channel;
  /** Asked on every route before the store is touched. Required in production. */
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
  /** Sizes and counts over which a request is refused. */
  readonly limits?: Partial<Limits>;
  /**
   * What the app has kept of a session: asked when the store has nothing of it, because it is new or has expired.
   * Then what a client says of earlier messages does not count.
   */
  readonly loadMessages?: (session: {
    readonly sessionId: string;
  }) => readonly M[] | null | undefined | Promise<readonly M[] | null | undefined>;
  /** What a session that the store does not know takes from its client. Default `text`. */
  readonly seed?: Seed;
  /**
   * Called at least once with each user message, as soon as it is stored; only `onRunEnd` of the same run waits for it.
   * What a crash or a rejection left unreported is reported after the run's end, when the session is next read, watched
   * or sent to, unless the message is gone by then. A message that was refused is not reported.
   */
  readonly onMessage?: (stored: StoredMessage<M>) => void | Promise<void>;
  /**
   * Told of each run's end at least once: what a crash or a rejection left untold is told when the session is next
   * read, watched or sent to. May be told twice, by two processes at once too. Only runs that a
   * server with an `onRunEnd` accepted are reported.
   */
  readonly onRunEnd?: (end: RunEnd<M>) => void | Promise<void>;
  /**
   * Names each message that the server makes: `run.messageId` of a run that continues none. Called once per send, also
   * for one that needs no new message. It has to return 1 to 256 characters without control characters that name no
   * other message of the session; anything else refuses the send with `config` (500). Default: 16 random characters of
   * `[A-Za-z0-9_-]`. Runs have ids of their own.
   */
  readonly generateId?: () => string;
  /** The least time between two writes of a run, in milliseconds. Default 50. */
  readonly flushIntervalMs?: number;
  /** How long a run outlives its producer, in milliseconds. Default 15,000. */
  readonly leaseMs?: number;
  /** How long a stopped handler may take to heed its signal, in milliseconds. Default 2,000. */
  readonly stopGraceMs?: number;
  /**
   * How long the function that serves a request may live, in milliseconds: a run that comes near it ends itself as
   * `interrupted`, while there is time to keep what there is of it. Default: what Vercel says; elsewhere, no limit.
   */
  readonly maxDurationMs?: number;
  /** What becomes of a send while the store is down. Default `reject`. */
  readonly onStoreDown?: OnStoreDown;
  /**
   * How much of what a run emits while its store fails may wait, in characters of its chunks' JSON. Beyond it the run
   * goes on for its own client; the log keeps what fitted, and ends the run as `interrupted`. While the store works
   * nothing is lost: once as much waits, the handler's stream is not read on until a part of it is stored. Default 8 MB.
   */
  readonly maxUnwrittenBytes?: number;
  /** Keeps a serverless function alive until a run has ended, e.g. Vercel's `waitUntil`. */
  readonly waitUntil?: (promise: Promise<unknown>) => void;
  /**
   * Told of what failed behind an answer: a handler that threw, a store that stayed away. The error may hold
   * chat text. Default: its name is written to the console, and nothing else of it. What it throws is ignored.
   */
  readonly onError?: (error: unknown, context: ErrorContext) => void;
  /**
   * Told what happens to the runs that this server produces: when they start and end, and when the store fails them.
   * Events hold no chat text. What it throws is ignored.
   */
  readonly onEvent?: (event: DurableChatEvent) => void;
}

/** The run that a handler works for. */
export interface HandlerRun extends Steered {
  readonly id: string;
  /**
   * The assistant message that it writes: everybody has it under this id, whatever id the handler's stream gives it.
   * Pass it on, as in `toUIMessageStream({ generateMessageId: () => run.messageId })`, and callbacks of the SDK see it too.
   */
  readonly messageId: string;
}

/** The second argument of a handler. */
export interface HandlerContext<
  Params = Promise<unknown>,
  M extends UIMessage = UIMessage,
  A extends Authorization = Authorization,
> {
  readonly session: SessionHandle<M>;
  readonly run: HandlerRun;
  /** The route's parameters, as the framework gives them; undefined where it gives none. */
  readonly params: Params;
  /** What `authorize` returned for this request: the object with the `userId`; undefined for a plain `true`. */
  readonly auth: AuthOf<A>;
}

/**
 * An existing chat route: gets the request with the session's own `messages` in its body and a `signal` that
 * aborts on Stop, and returns a `Response` with a UI message stream, a stream of UI message chunks, or a
 * `streamText` result.
 */
export type Handler<
  Params = Promise<unknown>,
  R extends Request = Request,
  M extends UIMessage = UIMessage,
  A extends Authorization = Authorization,
> = (request: R, context: HandlerContext<Params, M, A>) => unknown;
