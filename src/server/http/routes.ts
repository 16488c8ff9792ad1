// The route's four methods, Request to Response. GET, POST and DELETE call `authorize` before they touch the store (G10).

import type { Runtime } from '../../lib/runtime.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { checkVersion, isDurableRequest } from '../../protocol/requests.ts';
import { resume } from '../send/attach.ts';
import { corsHeaders, preflight } from './cross-origin.ts';
import { eventStreamHeaders } from '../lib/stream-headers.ts';
import { deadlineOf } from '../lib/deadline.ts';
import { errorResponse, isFrameworkResponse, json, sealed } from './respond.ts';
import type { Opened } from '../keep/app-history.ts';
import type { Handler } from '../handler.ts';
import type { Action, Authorize } from '../options.ts';
import type { RouteSettings, SendSettings } from '../settings.ts';
import { authorized } from './authorize.ts';
import { handlerInvocation } from './handler-invocation.ts';
import { checkMessages } from '../send/check-message.ts';
import { send } from '../send/send.ts';
import { createSessionHandle } from '../handle/session-handle.ts';
import { parseGet } from './parse-get.ts';
import { anyOf, subscribe } from './subscribe.ts';
import { parsePost, parseRemoval, parseSessionId, type RemovalQuery } from './parse-request.ts';

/** The second argument of a route. In Next, `params` is a promise. */
export interface RouteContext<Params = Promise<unknown>> {
  readonly params: Params;
}

/**
 * The methods of a route. Each method has two signatures instead of an optional second argument: the route check of
 * Next 15 reads the type of that argument, and refuses one that may be undefined.
 */
export interface Routes<Params = Promise<unknown>> {
  /** Subscribes to sessions. `GET {api}/<id>/stream` is the AI SDK's resume. */
  GET(request: Request): Promise<Response>;
  GET(request: Request, context: RouteContext<Params>): Promise<Response>;
  /** Takes a send (the AI SDK's chat request), a tool outcome, or a claim on a tool call. */
  POST(request: Request): Promise<Response>;
  POST(request: Request, context: RouteContext<Params>): Promise<Response>;
  /**
   * Stops one run or all, withdraws a run, or deletes one message or all. A DELETE without `durable` in its query
   * is a 404: see `isDurableRequest`. An unknown value of `durable` is a 400.
   */
  DELETE(request: Request): Promise<Response>;
  DELETE(request: Request, context: RouteContext<Params>): Promise<Response>;
  /** Responds to the preflights of `allowedOrigins`. Only these need it. */
  OPTIONS(request: Request): Promise<Response>;
  OPTIONS(request: Request, context: RouteContext<Params>): Promise<Response>;
}

/** What one route needs: its handler, and what it shares with the other routes of its chat. */
export interface RouteOptions<Params, R extends Request> {
  readonly handler: Handler<Params, R>;
  /** Makes a request of the framework's type. */
  readonly toRequest: (request: Request) => R;
  readonly authorize: Authorize | undefined;
  readonly open: () => Promise<Opened>;
  readonly runtime: Runtime;
  readonly waitUntil: (promise: Promise<unknown>) => void;
  readonly settings: RouteSettings;
  readonly sends: SendSettings;
}

/** The methods of one route. */
export function createRoutes<Params, R extends Request>(options: RouteOptions<Params, R>): Routes<Params> {
  const { handler, toRequest, authorize, open, runtime, waitUntil, settings, sends } = options;

  return {
    GET: (request) =>
      handle(settings, request, async () => {
        const deadline = deadlineOf(settings, runtime);
        const asked = parseGet(request);
        const ask = (sessionId: string) => authorized(authorize, { request, sessionId, action: 'read' });
        // No client reads the body of a response to HEAD.
        if (request.method === 'HEAD') {
          await anyOf(asked.sessions.map(({ sessionId }) => ask(sessionId)));
          return new Response(null, { headers: eventStreamHeaders });
        }
        if (asked.type === 'subscribe') {
          const { signal: gone } = request;
          return subscribe(asked, { runtime, settings, ask, open, waitUntil, deadline, gone });
        }
        const [{ sessionId }] = asked.sessions;
        await ask(sessionId);
        return resume((await open()).sessions, sessionId, waitUntil);
      }),

    POST: (request: Request, context?: RouteContext<Params>) =>
      handle(settings, request, async () => {
        const deadline = deadlineOf(settings, runtime);
        const posted = await parsePost(request, settings.limits.bodyBytes);
        const { sessionId } = posted;
        const auth = await authorized(authorize, { request, sessionId, action: 'send' });
        const by = auth && { by: auth.userId };
        switch (posted.type) {
          case 'tool-claim':
            return json({
              claimed: await createSessionHandle(sessionId, open, waitUntil).claim(posted.claim),
            });
          case 'tool-outcome':
            return json({
              message: await createSessionHandle(sessionId, open, waitUntil).addToolOutcome({
                ...posted.outcome,
                ...by,
              }),
            });
          case 'send': {
            const { body, unchecked } = posted.send;
            // Only for those who may send: for many edited messages it takes most of a second.
            if (unchecked.length > 0) await checkMessages(unchecked);
            const invoke = handlerInvocation(
              {
                handler,
                toRequest,
                session: createSessionHandle(sessionId, open, waitUntil),
                params: context?.params as Params, // undefined is what there is outside of a framework
                auth,
              },
              request,
              body,
            );
            return send(
              { ...(await open()), settings: sends, waitUntil },
              { request: posted.send, by: auth?.userId, invoke, deadline },
            );
          }
          default:
            return posted satisfies never;
        }
      }),

    DELETE: (request) =>
      handle(settings, request, async () => {
        if (!isDurableRequest(request)) {
          throw new DurableChatError(
            'not_found',
            'This DELETE has no `durable` parameter, so durable-chat ignores it. ' +
              'For a DELETE of your own on this route, call `isDurableRequest(request)` first.',
          );
        }
        const query = new URL(request.url).searchParams;
        const sessionId = parseSessionId(query.get('id'));
        const asked = parseRemoval(query);
        const user = await authorized(authorize, { request, sessionId, action: actionOf(asked) });
        const by = user && { by: user.userId };
        const session = createSessionHandle(sessionId, open, waitUntil);
        switch (asked.type) {
          case 'stop':
            return json(
              await session.stop({ ...(asked.runId !== undefined && { runId: asked.runId }), ...by }),
            );
          case 'withdraw':
            await session.withdraw({ runId: asked.runId, ...by });
            return json({ withdrawn: asked.runId });
          case 'delete-message':
            await session.deleteMessage(asked.messageId, by);
            return json({ deleted: asked.messageId });
          case 'clear':
            await session.clear(by);
            return json({ cleared: sessionId });
          default:
            return asked satisfies never;
        }
      }),

    OPTIONS: (request) => handle(settings, request, async (cors) => preflight(request, cors)),
  };
}

function actionOf({ type }: RemovalQuery): Action {
  return type === 'delete-message' || type === 'clear' ? 'delete' : 'stop';
}

/** Turns every failure into a typed response. A page of another site gets only a 403. */
async function handle(
  { allowedOrigins, onError }: Pick<RouteSettings, 'allowedOrigins' | 'onError'>,
  request: Request,
  respond: (cors: Record<string, string>) => Promise<Response>,
): Promise<Response> {
  let cors = {};
  try {
    cors = corsHeaders(request, allowedOrigins);
    if (request.method !== 'OPTIONS') checkVersion(new URL(request.url).searchParams);
    return sealed(await respond(cors), cors);
  } catch (error) {
    if (error instanceof Response) return sealed(error, cors);
    if (isFrameworkResponse(error)) throw error;
    if (!(error instanceof DurableChatError)) onError(error, {});
    return sealed(errorResponse(error), cors);
  }
}
