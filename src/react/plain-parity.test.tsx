// @vitest-environment jsdom
// Against a route that is not durable, useDurableChat is useChat: the same requests, states and callbacks.

import type { UIMessageChunk } from 'ai';
import { describe, expect, it, vi } from 'vitest';
import { textOf } from '../test/fixtures/tab.fixture.ts';
import {
  hooks,
  isAi7,
  mount,
  network,
  sse,
  answer,
  said,
  plain,
  type Message,
  type Options,
  type Hook,
  type View,
} from '../test/fixtures/hooks.fixture.tsx';
import type { UseDurableChatHelpers } from './use-durable-chat.ts';

describe('against a route that is not durable', () => {
  type Step = (view: View) => Promise<unknown>;
  type Answers = (request: globalThis.Request, nth: number) => Response | Promise<Response>;
  const text = (request: globalThis.Request) => sse(answer(`to ${request.method}`));
  const send: Step = async (view) => {
    await view.chat.sendMessage({ text: 'hello' });
    await expect.poll(() => view.chat.status).toMatch(/ready|error/);
  };
  const cases: Record<string, { answers: Answers; steps: readonly Step[] }> = {
    'two sends and a regenerate': {
      answers: text,
      steps: [send, send, (view) => view.chat.regenerate()],
    },
    'an edit': {
      answers: text,
      steps: [
        send,
        send,
        (view) => view.chat.sendMessage({ messageId: view.chat.messages[0]!.id, text: 'hello again' }),
      ],
    },
    'a refusal, then a success': {
      answers: (request, nth) => (nth === 0 ? new Response('No credit.', { status: 402 }) : text(request)),
      steps: [send, async (view) => view.chat.clearError(), (view) => view.chat.regenerate()],
    },
    'an error chunk': {
      answers: () => sse([...[...answer('so far')].slice(0, 3), { type: 'error', errorText: 'It broke.' }]),
      steps: [send],
    },
    'no network': {
      answers: () => Promise.reject(new TypeError('fetch failed')),
      steps: [send],
    },
    'a stream that breaks': {
      answers() {
        async function* broken(): AsyncGenerator<UIMessageChunk> {
          yield* [...answer('so far')].slice(0, 3);
          throw new TypeError('network error');
        }
        return sse(broken());
      },
      steps: [send],
    },
    'a stream that ends in the middle': {
      answers: () => sse([...answer('so far')].slice(0, 3)),
      steps: [send],
    },
    'an answer that is no stream': {
      answers: () => new Response('<html>', { headers: { 'content-type': 'text/html' } }),
      steps: [send],
    },
    'an answer without a body': { answers: () => new Response(null, { status: 204 }), steps: [send] },
    'a chunk of no known type': {
      answers: () => sse([{ type: 'start' }, { type: 'nonsense' } as never]),
      steps: [send],
    },
    'messages that the app sets': {
      answers: text,
      steps: [
        send,
        async (view) => view.chat.setMessages([said('u', 'user', 'old'), said('a', 'assistant', 'older')]),
        send,
      ],
    },
    'a stop in the middle': {
      answers: () => sse(endless()),
      steps: [
        async (view) => {
          const sent = view.chat.sendMessage({ text: 'hello' });
          await expect.poll(() => view.texts()[1]).toBe('so far');
          // Whether it resolves is a case of its own.
          await view.chat.stop().catch(() => {});
          await sent;
        },
      ],
    },
    'a stop before the answer has begun': {
      answers: () => new Promise(() => {}),
      steps: [
        async (view) => {
          const sent = view.chat.sendMessage({ text: 'hello' });
          await expect.poll(() => view.chat.status).toBe('submitted');
          void view.chat.stop().catch(() => {});
          await view.ready();
          await sent;
        },
      ],
    },
    'a stop with nothing to stop': {
      answers: text,
      steps: [send, (view) => view.chat.stop()],
    },
  };
  async function* endless(): AsyncGenerator<UIMessageChunk> {
    yield* [...answer('so far')].slice(0, 3);
    await new Promise(() => {});
  }

  /** What a hook asks for and shows. */
  async function trace(hook: Hook, { answers, steps }: (typeof cases)[string]) {
    let nth = 0;
    let ids = 0;
    const events: string[] = [];
    const server = network({
      POST: (request) => answers(request, nth++),
    });
    const view = mount(hook, {
      id: 's',
      fetch: server.fetch,
      generateId: () => `id-${ids++}`,
      onError: ({ name, message }) => events.push(`error ${name} ${message}`),
      onFinish: ({ isAbort, isDisconnect, isError }) =>
        events.push(`finish ${JSON.stringify({ isAbort, isDisconnect, isError })}`),
    });
    await expect.poll(() => view.states.length).toBe(1);
    ids = 0;
    for (const step of steps) {
      await step(view);
      // React renders a moment after the chat has changed.
      await view.render({});
    }
    return {
      posts: server.posts().map(({ method, url, body, signal, ...request }) => {
        // Whether it is sent is a case of its own.
        const { 'idempotency-key': _key, ...headers } = request.headers;
        return { method, url, headers, body, aborted: signal?.aborted ?? false };
      }),
      others: server.requests.filter(({ method }) => method !== 'POST'),
      states: view.states,
      messages: view.chat.messages.map(({ role, parts }) => ({ role, parts })),
      events,
    };
  }

  const all = Object.entries(cases);
  it.each(all)('%s: the same requests, states and callbacks', compare);
  async function compare(_: string, scenario: (typeof cases)[string]): Promise<void> {
    const plainly = await trace(hooks.useChat, scenario);
    const durably = await trace(hooks.useDurableChat, scenario);
    expect({ ...durably, others: [] }).toEqual(plainly);
    const { others } = durably;
    // One request may ask whether there is a session.
    expect(others.slice(1)).toEqual([]);
    expect(others.map(({ method }) => method)).toEqual(others.length === 0 ? [] : ['GET']);
  }

  // A regeneration and an edit carry an `idempotency-key`, which other origins have to allow.
  it('it sends no header that useChat does not send', async () => {
    const { fetch, posts } = plain(text);
    const view = mount(hooks.useDurableChat, { id: 's', fetch });
    await expect.poll(() => view.states.length).toBe(1);
    await view.chat.sendMessage({ text: 'hello' });
    await view.chat.regenerate();
    await expect.poll(view.texts).toEqual(['hello', 'to POST']);
    const sent = { 'content-type': 'application/json' };
    expect(posts().map(({ headers }) => headers)).toEqual([sent, sent]);
  });

  // What the app leaves out is added.
  it('it sends the body that the app prepares as it is', async () => {
    const { fetch, posts } = plain(text);
    const view = mount(hooks.useDurableChat, {
      id: 's',
      fetch,
      prepareSendMessagesRequest: ({ messages }) => ({ body: { prompt: textOf(messages.at(-1)) } }),
    });
    await expect.poll(() => view.states.length).toBe(1);
    await view.chat.sendMessage({ text: 'hello' });
    expect(posts().map(({ body }) => body)).toEqual([{ prompt: 'hello' }]);
  });

  // The hook of the older SDK lets it run.
  const unmounting = Object.entries(hooks).filter(([name]) => isAi7 || name !== 'useChat');
  it.each(unmounting)('%s: unmounted in the middle, it closes the connection', async (_, hook) => {
    const { fetch, posts } = plain(() => sse(endless()));
    const view = mount(hook, { id: 's', fetch });
    await expect.poll(() => view.states.length).toBe(1);
    void view.chat.sendMessage({ text: 'hello' });
    await expect.poll(() => view.texts()[1]).toBe('so far');
    view.unmount();
    await expect.poll(() => posts()[0]?.signal?.aborted).toBe(true);
  });

  it.each<[string, () => Response]>([
    ['404', () => new Response('Not found', { status: 404 })],
    ['405', () => new Response(null, { status: 405 })],
  ])('it asks for a session once, and gives up, when GET answers %s', givesUp);
  // Only a status of 4xx ends the attempts.
  it.each<[string, () => Response]>([
    ['a page', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
    ['204', () => new Response(null, { status: 204 })],
  ])('it asks for a session once, and gives up, when GET answers %s', givesUp);
  async function givesUp(_: string, get: () => Response): Promise<void> {
    const { fetch, requests } = network({ GET: get, POST: text });
    const onError = vi.fn<NonNullable<Options['onError']>>();
    const view = mount(hooks.useDurableChat, { id: 's', fetch, onError });
    const chat = () => view.chat as UseDurableChatHelpers<Message>;
    await expect.poll(() => view.states.length).toBe(1);
    await expect.poll(() => chat().connection).toBe('closed');
    await view.chat.sendMessage({ text: 'hello' });
    await expect.poll(view.texts).toEqual(['hello', 'to POST']);
    expect(requests.map(({ method }) => method)).toEqual(['GET', 'POST']);
    expect(onError).not.toHaveBeenCalled();
  }
});
