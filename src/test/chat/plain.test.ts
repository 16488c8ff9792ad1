// A drop-in in both directions: the SDK's client on a durable route, and the durable client on a plain route.

import { DefaultChatTransport } from 'ai';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { openTab, PlainChat, textOf } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type Client } from '../fixtures/world.fixture.ts';
import { coreOf } from '../../client/session.ts';
import { isPlainRoute } from '../../client/sends/plain-route.ts';
import { DurableSession } from '../../client/session.ts';
import { DurableChatTransport } from '../../client/chat/transport.ts';

const model = scriptedModel();
const answer = modelHandler(model);

describe("the SDK's chat on a durable route", () => {
  const world = createWorld(memoryChannel(), answer);
  const client = world.client();
  const open = (id: string) =>
    new PlainChat({ id, transport: new DefaultChatTransport({ api: '/api/chat', fetch: client.fetch }) });
  afterEach(() => world.settled());

  it('sends and regenerates, and a durable tab shows it', async () => {
    const chat = open('plain');
    const tab = openTab(world.client(), 'plain');
    await chat.sendMessage({ text: 'count to 5' });
    expect(textOf(chat.messages[1])).toBe('1 2 3 4 5');
    expect(chat.status).toBe('ready');
    await chat.sendMessage({ text: 'count to 6' });
    await chat.regenerate();
    await world.settled();
    await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(chat.messages.map(textOf));
    expect(tab.chat.messages.map(({ id }) => id)).toEqual(chat.messages.map(({ id }) => id));
    tab.close();
  });

  it('G2: its stop closes the connection, and stops no run', async () => {
    const chat = open('gone');
    const sent = chat.sendMessage({ text: 'count to 30 at 200/s' });
    await expect.poll(() => textOf(chat.messages[1])).toContain('3');
    await chat.stop();
    await sent;
    await world.settled();
    const { messages } = await world.chat.session('gone').read();
    expect(textOf(messages[1])).toBe(Array.from({ length: 30 }, (_, index) => index + 1).join(' '));
  });

  it("resumes with the SDK's GET {api}/{id}/stream, which is a 204 when there is nothing to resume", async () => {
    const id = 'resumed / once?';
    const chat = open(id);
    const sent = chat.sendMessage({ text: 'count to 40 at 200/s' });
    await expect.poll(() => textOf(chat.messages[1])).toContain('3');
    const reloaded = open(id);
    reloaded.messages = chat.messages.slice(0, 1);
    await reloaded.resumeStream();
    await sent;
    expect(textOf(reloaded.messages[1])).toBe(Array.from({ length: 40 }, (_, index) => index + 1).join(' '));
    expect(reloaded.messages.map((message) => message.id)).toEqual(
      chat.messages.map((message) => message.id),
    );
    await world.settled();
    await reloaded.resumeStream();
    expect(reloaded.status).toBe('ready');
    expect(client.requests.at(-1)).toEqual({
      method: 'GET',
      url: '/api/chat/resumed%20%2F%20once%3F/stream',
    });
    expect((await client.fetch('/api/chat/nobody/stream')).status).toBe(204);
    expect((await client.fetch('/api/chat/%zz/stream')).status).toBe(400);
  });

  it("may post only the last message, as in the SDK's documentation", async () => {
    const chat = new PlainChat({
      id: 'last alone',
      transport: new DefaultChatTransport({
        api: '/api/chat',
        fetch: client.fetch,
        prepareSendMessagesRequest: ({ id, messages }) => ({ body: { id, message: messages.at(-1) } }),
      }),
    });
    await chat.sendMessage({ text: 'count to 5' });
    await chat.sendMessage({ text: 'count to 6' });
    expect(chat.error).toBeUndefined();
    expect(chat.messages.map(textOf)).toEqual(['count to 5', '1 2 3 4 5', 'count to 6', '1 2 3 4 5 6']);
    await world.settled();
    expect((await world.chat.session('last alone').read()).messages).toEqual(chat.messages);
  });

  it('shows an error of the route as its error', async () => {
    const chat = new PlainChat({
      id: 'x'.repeat(300),
      transport: new DefaultChatTransport({ api: '/api/chat', fetch: client.fetch }),
    });
    await chat.sendMessage({ text: 'hello' });
    expect(chat.status).toBe('error');
    expect(chat.error?.message).toContain('bad_request');
  });
});

/** The same route without durable-chat. */
async function plainAnswer(request: Request): Promise<Response> {
  return (await answer(request, {} as never)) as Response; // it needs no context
}

/** A route without sessions whose GET fails. */
function failingAtGet() {
  const requests: string[] = [];
  const aborted: string[] = [];
  const request: typeof fetch = async (input, init) => {
    const { pathname } = new URL(input as string, 'http://plain.test'); // the client's own
    requests.push(`${init?.method ?? 'GET'} ${pathname}`);
    init?.signal?.addEventListener('abort', () => void aborted.push(init.method ?? 'GET'));
    if (pathname.endsWith('/stream')) return new Response(null, { status: 204 });
    if (init?.method !== 'POST') return new Response('Unexpected end of JSON input', { status: 500 });
    const { signal, ...rest } = init;
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error));
      void plainAnswer(new Request(new URL(input as string, 'http://plain.test'), rest)).then(
        resolve,
        reject,
      );
    });
  };
  const gets = () => requests.filter((one) => one === 'GET /api/chat').length;
  return { fetch: request, requests, aborted, gets };
}

describe('the durable client on a route that fails at GET', () => {
  const errors: Error[] = [];
  function open(route: ReturnType<typeof failingAtGet>) {
    errors.length = 0;
    const tab = openTab({ fetch: route.fetch } as Client, 'plain', {
      onError: (error) => void errors.push(error),
    }); // no more of a client is used
    onTestFinished(() => tab.close());
    return tab;
  }

  it('soon asks less often, and stops and resumes like useChat', async () => {
    const route = failingAtGet();
    const tab = open(route);
    await expect.poll(() => tab.isPlain()).toBe(true);
    const before = route.gets();
    await tab.chat.resumeStream();
    expect(route.requests.at(-1)).toBe('GET /api/chat/plain/stream');
    void tab.chat.sendMessage({ text: 'count to 100000 at 100/s' });
    await expect.poll(() => route.requests.at(-1)).toBe('POST /api/chat');
    expect(await tab.stop()).toEqual({ stopped: [], alreadyEnded: [], pending: [] });
    await expect.poll(() => route.aborted).toContain('POST');
    await expect.poll(() => tab.chat.status).toBe('ready');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(route.gets()).toBe(before);
    expect(route.requests.some((one) => one.startsWith('DELETE'))).toBe(false);
    expect(errors).toEqual([]);
  });

  it('its first answer to a send shows that it is plain', async () => {
    const route = failingAtGet();
    const session = new DurableSession({ id: 'plain', fetch: route.fetch, retryDelay: () => 100 });
    const chat = new PlainChat({ id: 'plain', transport: new DurableChatTransport({ session }) });
    const close = session.open();
    onTestFinished(close);
    await chat.sendMessage({ text: 'count to 5' });
    expect(chat.messages.map(textOf)).toEqual(['count to 5', '1 2 3 4 5']);
    expect(isPlainRoute(coreOf(session))).toBe(true);
    await expect.poll(() => session.getSnapshot().connection).toBe('closed');
    expect(route.gets()).toBeLessThan(3);
  });

  it('is durable as soon as an answer shows it', async () => {
    const world = createWorld(memoryChannel(), answer);
    const client = world.client();
    let isBroken = true;
    const tab = open({
      ...failingAtGet(),
      fetch: async (input, init) =>
        isBroken && init?.method !== 'POST'
          ? new Response('Broken.', { status: 500 })
          : client.fetch(input, init),
    });
    await expect.poll(() => tab.isPlain()).toBe(true);
    isBroken = false;
    await tab.chat.sendMessage({ text: 'count to 5' });
    expect(tab.isPlain()).toBe(false);
    await expect.poll(() => tab.session.getSnapshot().connection).toBe('connected');
    await world.settled();
    await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(['count to 5', '1 2 3 4 5']);
  });
});

describe('the durable client on a route that is not durable', () => {
  const requests: string[] = [];
  const plainFetch: typeof fetch = (input, init) => {
    const request = new Request(new URL(input as string, 'http://plain.test'), init);
    requests.push(`${request.method} ${new URL(request.url).pathname}`);
    return request.method === 'POST'
      ? plainAnswer(request)
      : Promise.resolve(new Response(null, { status: 405 }));
  };

  it('answers like useChat, and does not ask for a session again and again', async () => {
    const session = new DurableSession({ id: 'plain', fetch: plainFetch, retryDelay: () => 1 });
    const chat = new PlainChat({ id: 'plain', transport: new DurableChatTransport({ session }) });
    const close = session.open();
    await chat.sendMessage({ text: 'count to 5' });
    expect(chat.messages.map(textOf)).toEqual(['count to 5', '1 2 3 4 5']);
    expect(chat.status).toBe('ready');
    await expect.poll(() => session.getSnapshot().connection).toBe('closed');
    await chat.sendMessage({ text: 'count to 6' });
    expect(textOf(chat.messages[3])).toBe('1 2 3 4 5 6');
    expect(requests.filter((request) => request.startsWith('GET')).length).toBe(1);
    close();
  });
});
