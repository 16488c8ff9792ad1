// One POST of a send, made by the SDK's own code.

import {
  HttpChatTransport,
  type ChatTransport,
  type HttpChatTransportInitOptions,
  type UIMessage,
  type UIMessageChunk,
} from 'ai';
import { onAbort } from '../../lib/abort.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import {
  durableHeader,
  idempotencyHeader,
  isOurVersion,
  runHeader,
  subscriptionHeader,
} from '../../protocol/requests.ts';
import type { Core } from '../core.ts';
import { fetchWith, isNetworkFailure, unreachable } from '../network/network-failure.ts';
import { isEventStream } from '../network/requests.ts';
import { isPlainRoute } from '../sends/plain-route.ts';
import type { Changes } from '../sends/client-state.ts';
import { preparedBody } from './prepared-body.ts';

/** What the SDK's `Chat` passes to its transport for a send. */
export type SendOptions<M extends UIMessage> = Parameters<ChatTransport<M>['sendMessages']>[0];

/** The response to a send. */
export interface Sent {
  /** Undefined if the response is not durable. */
  readonly runId: string | undefined;
  readonly body: ReadableStream<Uint8Array>;
}

/** What a POST names for a durable route. */
export interface PostNames {
  /** Its idempotency key. */
  readonly name: string | undefined;
  /** The subscription that need not bring what the POST brings. */
  readonly subscriptionId: string | undefined;
  /** What the app has changed in the chat's list. */
  readonly changes: Changes | undefined;
}

/** An abort does not affect the POST until the run is known (G2). */
export class Post<M extends UIMessage> extends HttpChatTransport<M> {
  readonly sent: Promise<Sent>;

  /** `key` is the send's own. */
  constructor(
    options: HttpChatTransportInitOptions<M>,
    { abortSignal, ...send }: SendOptions<M>,
    core: Core,
    key: string,
    { name, subscriptionId, changes }: PostNames,
  ) {
    const last = send.messages.at(-1);
    /** Headers of durable-chat are sent only to a durable route. */
    const isDurable = () =>
      core.store.client.session !== undefined || core.deliveries.isLeft(name ?? last?.id ?? '');
    const leave = new AbortController();
    /** Leaves the response at an abort, if `isAllowed`. */
    const leaveWhen = (isAllowed: () => boolean) => onAbort(abortSignal, () => isAllowed() && leave.abort());
    let runId: string | undefined;
    const { prepareSendMessagesRequest: prepare } = options;
    const prepared = prepare && preparedBody(prepare, core);
    super({
      ...options,
      api: core.requests.api(),
      ...(prepared && { prepareSendMessagesRequest: prepared.prepare }),
      fetch: async (input, init) => {
        const post = (change?: RequestInit) => {
          const named = isDurable() && {
            ...(name !== undefined && { [idempotencyHeader]: name }),
            ...(subscriptionId !== undefined && { [subscriptionHeader]: subscriptionId }),
          };
          // The SDK's headers are a plain object.
          const headers = { ...named, ...(init?.headers as Record<string, string>) };
          const request = { ...init, ...change, headers, signal: leave.signal };
          return fetchWith(
            options.fetch,
            input,
            isDurable() && changes ? withChanges(request, changes) : request,
          );
        };
        let response = await post();
        core.requests.hear(response);
        let refusal = await refusalOf(response, isDurable());
        if (refusal?.code === 'bad_request' && prepared?.whole) {
          response = await post({ body: JSON.stringify(prepared.whole) });
          refusal = await refusalOf(response, isDurable());
        }
        if (refusal) throw refusal;
        runId = response.headers.get(runHeader) ?? undefined;
        // Before any listener is called, so that the run is not read twice.
        if (runId !== undefined && response.ok) core.accept(key, runId);
        // Now the run can be stopped by its id, and leaving the response stops nothing.
        leaveWhen(() => true);
        return response.ok && !isOurVersion(response.headers) ? unread(response) : response;
      },
    });
    // A route without sessions has no run to stop, so its response is left at once.
    const stay = leaveWhen(() => isPlainRoute(core));
    // Messages that are not in the session have their own sends, so a new session must not begin with them.
    const unsent = new Set(
      core.store.client.sends.flatMap(({ kind, isLogged, state, message }) =>
        kind === 'new' && !isLogged && state !== 'lost' ? message.id : [],
      ),
    );
    const messages = send.messages.filter(
      (message) => !isDurable() || message === last || !unsent.has(message.id),
    );
    this.sent = this.sendMessages({ ...send, messages, abortSignal: undefined })
      .then((stream) => ({
        runId,
        body: stream as unknown as ReadableStream<Uint8Array>, // processResponseStream hands it on
      }))
      .finally(stay);
  }

  protected override processResponseStream(
    stream: ReadableStream<Uint8Array>,
  ): ReadableStream<UIMessageChunk> {
    return stream as unknown as ReadableStream<UIMessageChunk>; // taken as bytes by `sent`
  }
}

/** The refusal of a durable route, or of a proxy in front of it. The SDK reports any other error. */
async function refusalOf(response: Response, isDurable: boolean): Promise<DurableChatError | undefined> {
  const { ok, status, headers } = response;
  const isOurs = headers.has(durableHeader);
  if (ok) {
    // The login page of a network, for instance. Our header can be hidden by CORS, but the route answers with a stream.
    if (!isDurable || isOurs || isEventStream(response)) return undefined;
    void response.body?.cancel();
    return unreachable();
  }
  const body = await response.clone().text();
  const error = DurableChatError.fromBody(status, body);
  const isGateway = isDurable && isNetworkFailure(error) && !isOurs;
  return isGateway ? error : DurableChatError.parse(status, body);
}

/** A response without its body. A chunk of another version can mean something else, so the session brings the run. */
function unread(response: Response): Response {
  response.body?.cancel().catch(() => {});
  return new Response('', response);
}

/** Adds the changes to the body, which is the SDK's JSON. */
function withChanges(request: RequestInit, changes: Changes): RequestInit {
  const body = JSON.parse(request.body as string) as object;
  return { ...request, body: JSON.stringify({ ...body, changes }) };
}
