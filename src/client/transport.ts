// The AI SDK's ChatTransport over a durable session. A send's stream begins on the POST response and, if that
// breaks, goes on from the session at the same chunk. Against a server that is not durable it is the SDK's
// own transport.

import {
  DefaultChatTransport,
  HttpChatTransport,
  type ChatTransport,
  type HttpChatTransportInitOptions,
  type UIMessage,
  type UIMessageChunk,
} from 'ai';
import { DurableChatError } from '../protocol/errors.ts';
import { readEvents } from '../protocol/sse.ts';
import type { RunLog } from './run-log.ts';
import type { DurableSession } from './session.ts';

export interface DurableChatTransportOptions<M extends UIMessage> extends Omit<
  HttpChatTransportInitOptions<M>,
  'prepareReconnectToStreamRequest'
> {
  readonly session: DurableSession;
}

type SendOptions<M extends UIMessage> = Parameters<ChatTransport<M>['sendMessages']>[0];

export class DurableChatTransport<M extends UIMessage = UIMessage> implements ChatTransport<M> {
  /** What `reconnectToStream` returns begins at the beginning. */
  readonly resumeStreamIsReplay = true;
  readonly session: DurableSession;
  readonly #options: HttpChatTransportInitOptions<M>;

  constructor({ session, ...options }: DurableChatTransportOptions<M>) {
    this.session = session;
    this.#options = { ...session.requests.options, ...options };
  }

  async sendMessages(options: SendOptions<M>): Promise<ReadableStream<UIMessageChunk>> {
    const { session } = this;
    const { following } = session;
    const last = options.messages.at(-1);
    if (last?.role === 'user') following.addPending(last.id);
    const post = new Post(this.#options, options);
    // Followed before anybody learns that the send has its run: it is not to be followed twice.
    const started = post.run.then((run) => {
      if (run !== undefined) following.follow(run, 'own');
      return run;
    });
    session.trackSend(started.catch(() => undefined));
    const [run, response] = await Promise.all([started, post.response]);
    if (run === undefined) return new PlainStream<M>().read(response);

    const log = session.runLog(run);
    void pump(response, log, session);
    return log.stream([], (how) => following.leave(run, how));
  }

  /** The active run that nobody follows yet, from its start; null when there is none. */
  async reconnectToStream(): Promise<ReadableStream<UIMessageChunk> | null> {
    const { session } = this;
    const run = session.following.next(session.getSnapshot().runs);
    return run ? session.replay(run) : null;
  }
}

/** One POST, made by the SDK's own code. An abort leaves it alone until the run is known (G2). */
class Post<M extends UIMessage> extends HttpChatTransport<M> {
  readonly run: Promise<string | undefined>;
  readonly response: Promise<ReadableStream<Uint8Array>>;

  constructor(options: HttpChatTransportInitOptions<M>, { abortSignal, ...send }: SendOptions<M>) {
    const leave = new AbortController();
    const request = options.fetch ?? ((...args) => fetch(...args));
    let tellRun: (run: string | undefined) => void;
    const run = new Promise<string | undefined>((resolve) => (tellRun = resolve));
    super({
      ...options,
      fetch: async (input, init) => {
        const response = await request(input, { ...init, signal: leave.signal });
        tellRun(response.headers.get('x-durable-run') ?? undefined);
        // Now the run can be stopped by its name: leaving stops nothing.
        if (abortSignal?.aborted) leave.abort();
        else abortSignal?.addEventListener('abort', () => leave.abort());
        return response;
      },
    });
    const sent = this.sendMessages({ ...send, abortSignal: undefined });
    this.response = sent as unknown as Promise<ReadableStream<Uint8Array>>; // processResponseStream hands it on
    this.run = Promise.race([run, sent.then(() => undefined)]);
  }

  protected override processResponseStream(
    stream: ReadableStream<Uint8Array>,
  ): ReadableStream<UIMessageChunk> {
    return stream as unknown as ReadableStream<UIMessageChunk>; // taken as bytes by `response`
  }
}

/** Makes the SDK's own reading of a response available. */
class PlainStream<M extends UIMessage> extends DefaultChatTransport<M> {
  read(body: ReadableStream<Uint8Array>): ReadableStream<UIMessageChunk> {
    return this.processResponseStream(body);
  }
}

/** Feeds the run from the POST response; what that does not bring, the session does. */
async function pump(body: ReadableStream<Uint8Array>, log: RunLog, session: DurableSession): Promise<void> {
  try {
    const reader = readEvents(body).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (value.data === '[DONE]') return log.end();
      const chunk = JSON.parse(value.data) as UIMessageChunk; // our own server's
      log.accept(Number(value.id) - 1, [chunk]);
    }
  } catch {
    // The session brings the rest.
  }
  await finishFromSession(log, session);
}

/** Keeps the subscription up until the run has ended; gives up only when the subscription cannot be had. */
function finishFromSession(log: RunLog, session: DurableSession): Promise<void> {
  return new Promise((resolve) => {
    const close = session.open();
    const check = () => {
      const { connection, error, state } = session.getSnapshot();
      if (connection === 'closed')
        log.end(error ?? new DurableChatError('network', 'The connection was lost.'));
      else if (state?.ended.has(log.run)) log.end();
      if (!log.ended) return;
      off();
      close();
      resolve();
    };
    const off = session.subscribe(check);
    check();
  });
}
