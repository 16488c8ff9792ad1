// Next checks the types of the exports of a route file: Next 15 in a file that `next build` writes, Next 16 with a type
// of its own. This file repeats both checks, because a type check is faster than a build. `npm run apps` builds with both.

import { createUIMessageStream } from 'ai';
import type { NextRequest } from 'next/server.js';
import { expect, it } from 'vitest';
import { createDurableChat, memoryChannel } from './index.ts';
import { durableRoute, type HandlerContext } from './next.ts';

// oxlint-disable-next-line typescript/no-explicit-any
type Any = any; // Next's own
/** Next 15, as `.next/types/app/api/chat/route.ts` has it. */
type FirstArg<T> = T extends (...args: [infer A, Any]) => Any ? (unknown extends A ? Any : A) : never;
type SecondArg<T> = T extends (...args: [Any, infer A]) => Any ? (unknown extends A ? Any : A) : never;
type Next15<Method extends (...args: Any) => Any> = [
  FirstArg<Method> extends Request | NextRequest ? true : 'not a request',
  SecondArg<Method> extends { params: Promise<Any> } ? true : 'not a context',
  ReturnType<Method> extends Response | Promise<Response> ? true : 'not a response',
];
/** Compiles only if every check holds. */
function passes<_Checks extends true[]>(): void {}

/** Next 16, as `.next/types/validator.ts` has it. */
interface Next16<Params> {
  GET?: (request: NextRequest, context: { params: Promise<Params> }) => Promise<Response | void>;
  POST?: (request: NextRequest, context: { params: Promise<Params> }) => Promise<Response | void>;
  DELETE?: (request: NextRequest, context: { params: Promise<Params> }) => Promise<Response | void>;
  OPTIONS?: (request: NextRequest, context: { params: Promise<Params> }) => Promise<Response | void>;
}

const authorize = () => true;
const handler = () => new Response();

it('what durableRoute returns passes the route checks of Next 15 and of Next 16', () => {
  const route = durableRoute(handler, { authorize });
  passes<Next15<typeof route.GET>>();
  passes<Next15<typeof route.POST>>();
  passes<Next15<typeof route.DELETE>>();
  passes<Next15<typeof route.OPTIONS>>();
  expect(route satisfies Next16<object>).toBeTypeOf('object');
});

it('the routes of createDurableChat pass them too, and a route whose parameters have a type', () => {
  const chat = createDurableChat({ authorize }).route(handler);
  const typed = durableRoute(
    async (_request, { params }: HandlerContext<Promise<{ team: string }>>) =>
      Response.json((await params).team satisfies string),
    { authorize },
  );
  passes<Next15<typeof chat.GET>>();
  passes<Next15<typeof typed.POST>>();
  expect(chat satisfies Next16<object>).toBeTypeOf('object');
  expect(typed satisfies Next16<{ team: string }>).toBeTypeOf('object');
});

it('outside of Next a route works without a second argument', async () => {
  const { GET } = createDurableChat({ authorize }).route(handler);
  expect((await GET(new Request('http://localhost/api/chat'))).status).toBe(400);
});

it('durableRoute returns session(id), which reads and deletes what its route wrote', async () => {
  const ended: string[] = [];
  const { POST, session } = durableRoute(() => createUIMessageStream({ execute: () => {} }), {
    authorize,
    channel: memoryChannel(),
    waitUntil: () => {},
    onRunEnd: ({ runId }) => void ended.push(runId),
  });
  const message = { id: 'hello', role: 'user', parts: [{ type: 'text', text: 'hello' }] };
  const body = JSON.stringify({ id: 'of-next', messages: [message], trigger: 'submit-message' });
  const answer = await POST(new Request('http://localhost/api/chat', { method: 'POST', body }));
  await answer.text();
  await expect.poll(() => ended).toHaveLength(1);
  expect((await session('of-next').read()).messages).toEqual([message]);
  await session('of-next').delete();
  expect((await session('of-next').read()).messages).toEqual([]);
});

it('outside of a request, session(id) needs no `after`', async () => {
  const { session } = durableRoute(handler, { authorize, channel: memoryChannel(), onRunEnd: () => {} });
  expect(await session('of-a-script').read()).toEqual({ messages: [], runs: [] });
});
