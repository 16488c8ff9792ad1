import {
  DefaultChatTransport,
  type ChatTransport,
  type HttpChatTransportInitOptions,
  type UIMessage,
} from 'ai';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { PlainChat, textOf } from '../../test/fixtures/tab.fixture.ts';
import { createWorld, modelHandler } from '../../test/fixtures/world.fixture.ts';
import { bindChat, type BindChatOptions } from './bind-chat.ts';

type Options = HttpChatTransportInitOptions<UIMessage>;

const closing: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

function open(options: BindChatOptions<UIMessage>) {
  const bound = bindChat<UIMessage, PlainChat>(
    { id: 's', generateId: () => 'made', ...options },
    (init) => new PlainChat(init),
  );
  closing.push(bound.connect());
  return bound;
}

/** The transports in the SDK's documentation. */
const documented: Record<string, Options> = {
  nothing: {},
  'an address': { api: '/api/custom-chat' },
  'values for headers, body and credentials': {
    api: '/api/custom-chat',
    headers: { Authorization: 'Bearer your-token', 'X-API-Version': '2024-01' },
    body: { model: 'large', stream: true },
    credentials: 'include',
  },
  'functions for headers, body and credentials': {
    api: '/api/chat',
    headers: () => ({ Authorization: 'Bearer token', 'X-User-ID': 'u' }),
    body: () => ({ sessionId: 's', preferences: { tone: 'dry' } }),
    credentials: () => 'include',
  },
  'promises, and Headers': {
    headers: async () => new Headers({ Authorization: 'Bearer token' }),
    body: Promise.resolve({ tenant: 't' }),
    credentials: async () => 'include' as const,
  },
  'the last message only': {
    api: '/api/chat',
    prepareSendMessagesRequest({ messages, id }) {
      return { body: { message: messages[messages.length - 1], id } };
    },
  },
  'the last ten messages, and the id in a header': {
    prepareSendMessagesRequest: ({ id, messages, trigger, messageId }) => ({
      headers: { 'X-Session-ID': id },
      body: { messages: messages.slice(-10), trigger, messageId },
    }),
  },
  'another address for each chat': {
    prepareSendMessagesRequest: ({ api, id, body, headers, messages }) => ({
      api: `${api}?chat=${id}`,
      ...(headers && { headers }),
      credentials: 'omit',
      body: { ...body, id, messages },
    }),
  },
};

describe("the SDK's own transport, which the app has kept", () => {
  it.each(Object.entries(documented))('on a plain route with %s: the same request', async (_, options) => {
    async function requestOf(open: (transport: DefaultChatTransport<UIMessage>) => PlainChat) {
      const requests: unknown[] = [];
      const chat = open(
        new DefaultChatTransport<UIMessage>({
          ...options,
          async fetch(url, init) {
            if (init?.method !== 'POST') return new Response(null, { status: 404 });
            const { headers, credentials, body } = init;
            requests.push({ url, credentials, body: body as string, headers: [...new Headers(headers)] });
            return new Response('data: {"type":"start"}\n\ndata: [DONE]\n\n');
          },
        }),
      );
      await chat.sendMessage({ text: 'hello', metadata: 'kept' }, { body: { extra: 1 } });
      expect(chat.status).toBe('ready');
      return requests;
    }
    const plainly = await requestOf(
      (transport) => new PlainChat({ id: 's', generateId: () => 'made', transport }),
    );
    expect(plainly).toHaveLength(1);
    expect(await requestOf((transport) => open({ transport }).chat)).toEqual(plainly);
  });

  it.each(Object.entries(documented))(
    'on a durable route with %s: the chat is durable',
    async (_, options) => {
      const model = scriptedModel();
      const world = createWorld(memoryChannel(), modelHandler(model));
      closing.push(() => world.settled());
      const { fetch } = world.client();
      const { chat, session } = open({ transport: new DefaultChatTransport({ ...options, fetch }) });
      const viewer = open({ fetch });
      await expect.poll(() => session.getSnapshot().connection).toBe('connected');
      void chat.sendMessage({ text: 'count to 1000 at 100/s' });
      await expect.poll(() => textOf(viewer.chat.messages[1])).toContain('5');
      await chat.stop();
      expect(model.calls.map(({ aborted }) => aborted)).toEqual([true]);
      await world.settled();
      await expect.poll(() => viewer.chat.messages).toEqual(chat.messages);
    },
  );

  it('subscribes with its current headers, credentials and address', async () => {
    let token = 'old';
    const asked: unknown[] = [];
    const session = open({
      transport: new DefaultChatTransport({
        api: '/api/custom-chat',
        headers: () => ({ authorization: token }),
        credentials: () => 'include',
        fetch: async (url, init) => {
          asked.push([init?.method, url, new Headers(init?.headers).get('authorization'), init?.credentials]);
          return Response.json({ stopped: [], alreadyEnded: [], pending: [] });
        },
      }),
    }).session;
    const url = expect.stringMatching(/^\/api\/custom-chat\?id=s&subscription=[\w-]+&wire=2$/) as string;
    await expect.poll(() => asked).toEqual([['GET', url, 'old', 'include']]);
    token = 'new';
    await session.stop();
    expect(asked[1]).toEqual(['DELETE', expect.stringContaining('/api/custom-chat?id=s'), 'new', 'include']);
  });

  // The rest of an answer, from a route that sends only the rest: `so far` must stay.
  it.each([
    [false, 'so far and on'],
    [true, ' and on'],
  ])('on a plain route a resumed stream is read with resumeStreamIsReplay: %s', async (replays, text) => {
    const lines = [
      { type: 'start', messageId: 'a' },
      { type: 'text-start', id: '1' },
      { type: 'text-delta', id: '1', delta: ' and on' },
      { type: 'text-end', id: '1' },
      { type: 'finish' },
    ].map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`);
    let cut = () => {};
    const fetch: typeof globalThis.fetch = async (url, init) => {
      if (init?.method === 'POST') {
        const begun = [lines[0], lines[1], lines[2]?.replace(' and on', 'so far')].join('');
        return new Response(
          new ReadableStream({
            start: (controller) => controller.enqueue(new TextEncoder().encode(begun)),
            pull: (controller) =>
              new Promise((resolve) => {
                cut = () => resolve(controller.error(new TypeError('network error')));
              }),
          }),
        );
      }
      return (url as string).endsWith('/s/stream')
        ? new Response(lines.join(''))
        : new Response(null, { status: 404 });
    };
    const transport = new DefaultChatTransport<UIMessage>({ fetch, resumeStreamIsReplay: replays });
    const { chat, session } = open({ transport });
    await expect.poll(() => session.getSnapshot().connection).toBe('closed');
    for (const one of [new PlainChat({ id: 's', transport }), chat]) {
      const sent = one.sendMessage({ text: 'hello' });
      await expect.poll(() => textOf(one.messages[1])).toBe('so far');
      cut();
      await sent;
      await one.resumeStream();
      expect(textOf(one.messages[1])).toBe(text);
    }
  });

  it('asks at each resume whether the stream is read from its start', async () => {
    const fetch = async () => new Response(null, { status: 404 });
    const make = (resumeStreamIsReplay: boolean) =>
      new DefaultChatTransport<UIMessage>({ fetch, resumeStreamIsReplay });
    let transport = make(true);
    let used: ChatTransport<UIMessage> | undefined;
    const { connect, session } = bindChat<UIMessage, PlainChat>(
      () => ({ id: 's', transport }),
      (init) => {
        used = init.transport;
        return new PlainChat(init);
      },
    );
    closing.push(connect());
    await expect.poll(() => session.getSnapshot().connection).toBe('closed');
    expect(used?.resumeStreamIsReplay).toBe(true);
    transport = make(false);
    expect(used?.resumeStreamIsReplay).toBe(false);
  });

  it("an option of the chat replaces the transport's whole option, and the transport's other options stay", async () => {
    const requests: [unknown, unknown, unknown][] = [];
    const { chat } = open({
      api: '/api/durable',
      headers: { 'x-own': '1' },
      body: undefined as never,
      transport: new DefaultChatTransport({
        api: '/api/chat',
        headers: { 'x-transport': '1' },
        body: { tenant: 't' },
        fetch: async (url, init) => {
          if (init?.method !== 'POST') return new Response(null, { status: 404 });
          const { tenant } = JSON.parse(init.body as string) as { tenant?: string };
          requests.push([url, tenant, Object.keys(init.headers as object)]);
          return new Response('data: {"type":"start"}\n\ndata: [DONE]\n\n');
        },
      }),
    });
    await chat.sendMessage({ text: 'hello' });
    expect(requests).toEqual([['/api/durable', 't', ['content-type', 'x-own']]]);
  });
});

describe('any other transport', () => {
  class SubclassOfIt extends DefaultChatTransport<UIMessage> {}
  const changed = new DefaultChatTransport<UIMessage>();
  changed.sendMessages = async () => new ReadableStream();
  const ofAnotherVersion = new DefaultChatTransport<UIMessage>();
  Reflect.deleteProperty(ofAnotherVersion, 'headers');
  class Socket {
    sendMessages = async () => new ReadableStream<never>();
    reconnectToStream = async () => null;
  }
  const object = { sendMessages: new Socket().sendMessages, reconnectToStream: async () => null };

  it.each([
    ['a subclass', new SubclassOfIt(), /replace `transport: new SubclassOfIt\({ api, headers, … }\)` with/],
    ['one whose methods were changed', changed, /replace `transport: new DefaultChatTransport\(/],
    ['another class', new Socket(), /remove `transport` and pass .* `api`/],
    ['an object', object, /remove `transport` and pass .* `api`/],
  ])('%s stays, and its kind is warned of once, with the edit to make', async (_, transport, edit) => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const request = vi.spyOn(globalThis, 'fetch');
    const send = vi.spyOn(transport, 'sendMessages').mockResolvedValue(new ReadableStream());
    const { chat } = open({ transport });
    await expect.poll(() => warn.mock.calls.length).toBe(1);
    expect(warn.mock.calls[0]?.[0]).toMatch(edit);
    void chat.sendMessage({ text: 'hello' });
    await expect.poll(() => send.mock.calls.length).toBe(1);
    open({ transport });
    await vi.dynamicImportSettled();
    expect(warn).toHaveBeenCalledTimes(1);
    expect(request).not.toHaveBeenCalled();
  });

  it('a transport of an SDK that keeps its options elsewhere stays, with a warning', async () => {
    vi.resetModules();
    const fresh = await import('./bind-chat.ts');
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const { connect } = fresh.bindChat(
      { id: 's', transport: ofAnotherVersion },
      (init) => new PlainChat(init),
    );
    closing.push(connect());
    await expect.poll(() => warn.mock.calls.length).toBe(1);
    expect(warn.mock.calls[0]?.[0]).toMatch(/replace `transport: new DefaultChatTransport\(/);
  });

  it('production has no warning', async () => {
    vi.stubEnv('NODE_ENV', 'production');
    class Unknown extends Socket {}
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    open({ transport: new Unknown() });
    await vi.dynamicImportSettled();
    expect(warn).not.toHaveBeenCalled();
  });
});
