// The server's types have the app's messages and users, which the compiler checks. The object that `authorize` returned
// reaches the handler.

import { createUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import {
  createDurableChat,
  memoryChannel,
  type AuthorizeInput,
  type AuthOf,
  type HandlerContext,
  type RunEnd,
  type SessionHandle,
  type StoredMessage,
} from '../index.ts';
import { durableRoute } from '../next.ts';
import { textOf } from '../test/fixtures/tab.fixture.ts';
import { createWorld, sendBody } from '../test/fixtures/world.fixture.ts';

type Custom = UIMessage<{ model: string }, { weather: { degrees: number } }>;
interface Pro {
  readonly userId: string;
  readonly plan: 'pro' | 'free';
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only if the two types are equal. */
function same<A, B>(..._not: Same<A, B> extends true ? [] : ['not the same', A, B]): void {}

declare const db: {
  load(chat: string): Promise<Custom[]>;
  save(chat: string, messages: Custom[]): Promise<void>; // as the SDK's guide types its `saveChat`
  upsert(chat: string, message: Custom): Promise<void>;
};
declare function signedIn(request: Request): Promise<Pro | null>;

/** Code that is only compiled. */
function compiled(_app: () => unknown): void {
  expect(_app).toBeTypeOf('function');
}

describe('the types of an app', () => {
  it('createDurableChat infers messages and users from its functions', () => {
    compiled(() => {
      const durable = createDurableChat({
        authorize: ({ request }) => signedIn(request),
        loadMessages: ({ sessionId }) => db.load(sessionId),
        onMessage: ({ sessionId, message }) => db.upsert(sessionId, message),
        onRunEnd: async ({ sessionId, message, messages }) => {
          same<typeof message, Custom | undefined>();
          same<typeof messages, Custom[]>();
          await db.save(sessionId, messages);
        },
      });
      same<ReturnType<typeof durable.session>, SessionHandle<Custom>>();
      return durable.route(async (_request, { auth, session }) => {
        same<typeof auth, Pro>();
        const { messages } = await session.read();
        same<typeof messages, Custom[]>();
        return auth.plan === 'pro' ? messages[0]?.metadata?.model.length : undefined;
      });
    });
  });

  it('they can be named, and have wide defaults', () => {
    compiled(() => {
      const named = createDurableChat<Custom, Pro | null>({
        authorize: async ({ request }) => signedIn(request),
        onRunEnd: ({ sessionId, messages }) => db.save(sessionId, messages),
      });
      named.route((_request, { auth }) => same<typeof auth, Pro>());
      const messagesOnly = createDurableChat<Custom>({
        authorize: () => ({ userId: 'ann', plan: 'pro' }),
        onMessage: ({ sessionId, message }) => db.upsert(sessionId, message),
      });
      messagesOnly.route((_request, { auth }) =>
        same<typeof auth, { readonly userId: string } | undefined>(),
      );
      const bare = createDurableChat();
      same<ReturnType<typeof bare.session>, SessionHandle>();
      const byEnd = createDurableChat({ onRunEnd: ({ messages }: RunEnd<Custom>) => db.save('', messages) });
      same<ReturnType<typeof byEnd.session>, SessionHandle<Custom>>();
      const byMessage = createDurableChat({
        onMessage: ({ message }: StoredMessage<Custom>) => db.upsert('', message),
      });
      same<ReturnType<typeof byMessage.session>, SessionHandle<Custom>>();
      const load = ({ sessionId }: { sessionId: string }) => db.load(sessionId);
      // @ts-expect-error not what the app's own database holds
      createDurableChat<UIMessage<{ other: number }>>({ loadMessages: load });
      // @ts-expect-error two types that differ
      same<Pro, Custom>();
      // @ts-expect-error a user needs a userId
      return createDurableChat({ authorize: () => ({ plan: 'pro' }) });
    });
  });

  it('durableRoute too: its options are read after its handler, so their parameters have types there', () => {
    compiled(() => {
      durableRoute(
        async (_request, { auth, session }) => {
          same<typeof auth, Pro>();
          same<typeof session, SessionHandle<Custom>>();
        },
        {
          authorize: ({ request }: AuthorizeInput) => signedIn(request),
          loadMessages: ({ sessionId }: { sessionId: string }) => db.load(sessionId),
          onRunEnd: ({ sessionId, messages }) => db.save(sessionId, messages),
        },
      );
      durableRoute<Custom, Pro | null>(
        (_request, { auth, session }) => {
          same<typeof auth, Pro>();
          same<typeof session, SessionHandle<Custom>>();
        },
        {
          authorize: ({ request }) => signedIn(request),
          loadMessages: ({ sessionId }) => db.load(sessionId),
        },
      );
      // A handler without a context needs no types.
      const { session } = durableRoute(async (request) => request.nextUrl, {
        loadMessages: ({ sessionId }) => db.load(sessionId),
        onRunEnd: ({ sessionId, messages }) => db.save(sessionId, messages),
      });
      same<ReturnType<typeof session>, SessionHandle<Custom>>();
      const bare = durableRoute<Custom>(() => {}, { authorize: () => true });
      same<ReturnType<typeof bare.session>, SessionHandle<Custom>>();
      return durableRoute(
        async (_request, { params, auth }: HandlerContext<Promise<{ team: string }>, Custom, Pro>) =>
          same<[typeof params, typeof auth], [Promise<{ team: string }>, Pro]>(),
        { authorize: () => ({ userId: 'ann', plan: 'pro' as const }) },
      );
    });
  });

  it('auth has the type of a granted authorization', () => {
    same<AuthOf<true>, undefined>();
    same<AuthOf<boolean>, undefined>();
    same<AuthOf<Pro | null | undefined | Response>, Pro>();
    same<AuthOf<Pro | boolean>, Pro | undefined>();
    expect(true).toBe(true);
  });
});

it('onRunEnd may change its list: the session keeps its messages', async () => {
  const sizes: number[] = [];
  const world = createWorld(memoryChannel(), () => createUIMessageStream({ execute: () => {} }), {
    authorize: () => true,
    onRunEnd: ({ messages }) => void sizes.push(messages.splice(0).length),
  });
  const body = sendBody('emptied', 'hello');
  await world.routes.POST(new Request('http://durable.test/api/chat', { method: 'POST', body }));
  await world.settled();
  expect(sizes).toEqual([1]);
  expect((await world.chat.session('emptied').read()).messages).toHaveLength(1);
});

describe('auth', () => {
  it('is the object that authorize returned for the send, also for one that waited; undefined for true', async () => {
    const users = [{ userId: 'ann', plan: 'pro' }, { userId: 'bob', since: new Date() }, true] as const;
    const texts = ['first', 'second', 'third'];
    const seen: [string, unknown][] = [];
    let finish = () => {};
    const held = new Promise<void>((resolve) => (finish = resolve));
    const world = createWorld(
      memoryChannel(),
      async (request, { auth }) => {
        const { messages } = (await request.json()) as { messages: UIMessage[] };
        seen.push([textOf(messages.at(-1)), auth]);
        return new ReadableStream<UIMessageChunk>({
          async start(controller) {
            await held;
            controller.enqueue({ type: 'finish' });
            controller.close();
          },
        });
      },
      { authorize: ({ request }) => users[Number(request.headers.get('x-user'))]! },
    );
    const url = 'http://durable.test/api/chat';
    for (const [user, text] of texts.entries()) {
      const headers = { 'x-user': String(user) };
      const body = sendBody('authorized', text);
      await world.routes.POST(new Request(url, { method: 'POST', headers, body }));
    }
    // The other two wait for their turn: their requests are over before their handler is called.
    expect((await world.chat.session('authorized').read()).runs.length).toBe(3);
    expect(seen).toEqual([['first', users[0]]]);
    finish();
    await world.settled();
    expect(seen).toEqual([
      ['first', users[0]],
      ['second', users[1]],
      ['third', undefined],
    ]);
  });
});
