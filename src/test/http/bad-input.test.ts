import { createUIMessageStreamResponse, type UIMessageChunk } from 'ai';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { memoryChannel } from '../../channel/memory.ts';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import { createDurableChat, isDurableRequest, type Handler, type Routes } from '../../index.ts';
import { encodeCursor } from '../../protocol/cursor.ts';
import type { ErrorBody } from '../../protocol/errors.ts';
import type { RunEndFrame } from '../../protocol/frames.ts';
import { createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';
import { startUpstashServer, type UpstashServer } from '../../testing/upstash-server.ts';
import { answerOf } from '../fixtures/answers.fixture.ts';

const secret = 'a-very-private-sentence';
const url = 'http://durable.test/api/chat';
const levels = ['log', 'info', 'warn', 'error', 'debug'] as const;

const said: UIMessageChunk[] = answerOf('fine');
const half = said.slice(0, 3);

function streamOf(chunks: readonly UIMessageChunk[], failure?: Error): ReadableStream<UIMessageChunk> {
  const left = [...chunks];
  return new ReadableStream(
    {
      pull(controller) {
        const chunk = left.shift();
        if (chunk) controller.enqueue(chunk);
        else if (failure) controller.error(failure);
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

let server: UpstashServer;
let written: string;
beforeAll(async () => {
  server = await startUpstashServer();
});
afterAll(() => server.close());
beforeEach(() => {
  written = '';
  for (const level of levels) {
    vi.spyOn(console, level).mockImplementation((...args: unknown[]) => {
      written += args
        .map((arg) => (arg instanceof Error ? `${arg.stack} ${String(arg.cause)}` : JSON.stringify(arg)))
        .join(' ');
    });
  }
});
afterEach(() => {
  vi.restoreAllMocks();
  expect(written).not.toContain(secret);
  expect(written).not.toContain(server.token);
});

const post = (routes: Routes, body: BodyInit | null, headers: Record<string, string> = {}) =>
  routes.POST(new Request(url, { method: 'POST', body, headers, duplex: 'half' } as RequestInit));
const get = (routes: Routes, query: string, headers: Record<string, string> = {}) =>
  routes.GET(new Request(`${url}?${query}`, { headers }));
const remove = (routes: Routes, query: string) =>
  routes.DELETE(new Request(`${url}?durable=stop&${query}`, { method: 'DELETE' }));

async function expectError(response: Response, status: number, code: string): Promise<string> {
  const text = await response.text();
  expect({ status: response.status, text }).toMatchObject({ status });
  const { error } = JSON.parse(text) as ErrorBody;
  expect(error).toEqual({ code, message: expect.stringMatching(/\w/) as string });
  expect(response.headers.get('content-type')).toContain('application/json');
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(text).not.toContain(secret);
  expect(text).not.toContain(server.token);
  return error.message;
}

async function expectUsable(world: World, sessionId: string): Promise<void> {
  const response = await post(world.routes, sendBody(sessionId, `again ${Math.random()}`));
  expect(response.status).toBe(200);
  expect(await response.text()).toContain('"delta":"fine"');
  await world.settled();
  const { messages, runs } = await world.chat.session(sessionId).read();
  expect(runs).toEqual([]);
  expect(messages.at(-1)).toMatchObject({ role: 'assistant', parts: [{ type: 'text', text: 'fine' }] });
}

const body = (more: Record<string, unknown>) =>
  JSON.stringify({ ...JSON.parse(sendBody('s', secret)), ...more });
const message = (more: Record<string, unknown>) =>
  body({ messages: [{ id: 'm', role: 'user', parts: [{ type: 'text', text: secret }], ...more }] });

describe('a request that is malformed', () => {
  let world: World;
  let called: number;
  const stores = vi.fn();
  beforeEach(() => {
    called = 0;
    stores.mockClear();
    const channel = memoryChannel();
    const watched = Object.fromEntries(
      Object.entries(channel).map(([name, method]) => [
        name,
        (...args: unknown[]) => {
          stores(name);
          return (method as (...all: unknown[]) => unknown)(...args);
        },
      ]),
    ) as unknown as Channel; // the same methods under the same names
    world = createWorld(watched, () => {
      called++;
      return streamOf(said);
    });
  });

  it.each([
    ['no body', null],
    ['an empty body', ''],
    ['malformed JSON', `{"id": "${secret}`],
    ['bytes that are no UTF-8', new Uint8Array([0xff, 0xfe, 0x7b])],
    ['JSON that is no object', `"${secret}"`],
    ['null', 'null'],
    ['an array', '[]'],
    ['no id', body({ id: undefined })],
    ['an id that is a number', body({ id: 42 })],
    ['an id that is null', body({ id: null })],
    ['an id that is an object', body({ id: { [secret]: secret } })],
    ['an empty id', body({ id: '' })],
    ['an id over 256 characters', body({ id: 'x'.repeat(257) })],
    ['an id with a control character', body({ id: `${secret}\u0000` })],
    ['an id with a line break', body({ id: `${secret}\r\nset-cookie: a` })],
    ['an id with a lone surrogate', body({ id: `${secret}\ud83d` })],
    ['no messages', body({ messages: undefined })],
    ['empty messages', body({ messages: [] })],
    ['messages that are no array', body({ messages: { [secret]: 1 } })],
    ['a message that is null', body({ messages: [null] })],
    ['a `message` that is null', body({ messages: undefined, message: null })],
    ['a `message` that is a list', body({ messages: undefined, message: [] })],
    ['a `message` without parts', body({ messages: undefined, message: { id: 'm', role: 'user' } })],
    ['empty messages and a `message`', body({ messages: [], message: JSON.parse(message({})) as unknown })],
    ['a message id that is a number', message({ id: 1 })],
    ['a message id over 256 characters', message({ id: 'x'.repeat(257) })],
    ['an unknown role', message({ role: secret })],
    ['no parts', message({ parts: undefined })],
    ['parts that are no array', message({ parts: secret })],
    ['a part without a type', message({ parts: [{ text: secret }] })],
    ['a part that is a string', message({ parts: [secret] })],
    ['a file without a url', message({ parts: [{ type: 'file' }] })],
    ['a url that is none', message({ parts: [{ type: 'file', mediaType: 'image/png', url: secret }] })],
    ['a text that is no text', message({ parts: [{ type: 'text', text: { [secret]: 1 } }] })],
    ['a part that the SDK does not know', message({ parts: [{ type: secret }] })],
    ['a message without a part', message({ parts: [] })],
    ['an unknown trigger', body({ trigger: secret })],
    ['a messageId that is a number', body({ messageId: 7 })],
  ])('POST with %s is a 400, and changes nothing', async (_, sent) => {
    await expectError(await post(world.routes, sent), 400, 'bad_request');
    expect(stores).not.toHaveBeenCalled();
    expect(called).toBe(0);
    await expectUsable(world, 's');
  });

  it.each(['text', 'all'] as const)(
    "an earlier message that the SDK cannot read is a 400 with seed: '%s', and nothing of it is stored",
    async (seed) => {
      const world = createWorld(memoryChannel(), () => streamOf(said), { seed });
      const bad = { id: 'bad', role: 'user', parts: [{ type: 'file', mediaType: 'image/png', url: secret }] };
      const { messages } = JSON.parse(sendBody('s', 'next')) as { messages: unknown[] };
      const sent = body({ messages: [bad, ...messages] });
      await expectError(await post(world.routes, sent), 400, 'bad_request');
      expect((await world.chat.session('s').read()).messages).toEqual([]);
      await expectUsable(world, 's');
      // A known session does not read it.
      expect((await post(world.routes, sent)).status).toBe(200);
    },
  );

  it('POST accepts an id of 256 characters, and unusual printable characters', async () => {
    for (const id of ['x'.repeat(256), '../💾 }{%2F?#', '__proto__', 'constructor'])
      await expectUsable(world, id);
  });

  it.each(['', 'a b', 'x'.repeat(129), 'ü'.normalize()])(
    'POST with the idempotency-key %j is a 400',
    async (key) => {
      const response = await post(world.routes, sendBody('s', secret), { 'idempotency-key': key });
      await expectError(response, 400, 'bad_request');
      expect(stores).not.toHaveBeenCalled();
    },
  );

  it.each(['', 'id=', `id=${'x'.repeat(257)}`, 'id=a%00b', 'id=a%0Ab', 'id=%7F'])(
    'GET and DELETE with ?%s are a 400',
    async (query) => {
      await expectError(await get(world.routes, query), 400, 'bad_request');
      await expectError(await remove(world.routes, query), 400, 'bad_request');
      expect(stores).not.toHaveBeenCalled();
    },
  );

  it.each(['a%20b', 'x'.repeat(65), '', '../x', '%00'])('DELETE with &runId=%s is a 400', async (runId) => {
    await expectError(await remove(world.routes, `id=s&runId=${runId}`), 400, 'bad_request');
    expect(stores).not.toHaveBeenCalled();
  });

  it.each(['', 'stops', 'STOP', 'post'])('DELETE with &durable=%s is a 400', async (durable) => {
    const asked = new Request(`${url}?id=s&durable=${durable}`, { method: 'DELETE' });
    await expectError(await world.routes.DELETE(asked), 400, 'bad_request');
    expect(stores).not.toHaveBeenCalled();
  });

  it.each(['tool-outcome', 'tool-claim'])(
    'a %s without its fields is a 400 that names them',
    async (trigger) => {
      const answer = await post(world.routes, JSON.stringify({ id: 's', trigger, messageId: 'm' }));
      const { error } = (await answer.clone().json()) as { error: { message: string } };
      expect(error.message).toContain('id, trigger, messageId, toolCallId, ');
      expect(error.message).not.toContain('AI SDK');
      await expectError(answer, 400, 'bad_request');
    },
  );

  it('a withdrawal without &runId= is a 400', async () => {
    const asked = new Request(`${url}?id=s&durable=withdraw`, { method: 'DELETE' });
    await expectError(await world.routes.DELETE(asked), 400, 'bad_request');
    expect(stores).not.toHaveBeenCalled();
  });

  it('a DELETE without durable=… belongs to the app: a 404 that says so, and changes nothing', async () => {
    const own = new Request(`${url}?id=s`, { method: 'DELETE' });
    const said = await expectError(await world.routes.DELETE(own), 404, 'not_found');
    expect(said).toContain('isDurableRequest');
    expect(stores).not.toHaveBeenCalled();
    expect(isDurableRequest(own)).toBe(false);
    expect(isDurableRequest(new Request(`${url}?id=s&durable=stop`, { method: 'DELETE' }))).toBe(true);
    expect(isDurableRequest(new Request(`${url}?id=s`))).toBe(true);
  });

  it('DELETE of a session or a run that does not exist is a 404', async () => {
    await expectError(await remove(world.routes, `id=${secret}`), 404, 'not_found');
    await expectUsable(world, 's');
    await expectError(await remove(world.routes, 'id=s&runId=never'), 404, 'not_found');
    await expectError(await remove(world.routes, `id=${secret}&runId=never`), 404, 'not_found');
  });

  it.each(['garbage', secret, '2~~', '2~x~1-0', 'x'.repeat(10_000), '2~0~99999999999999999999999-0'])(
    'GET with the cursor %j is a 400, in the query and as Last-Event-ID',
    async (cursor) => {
      await expectError(
        await get(world.routes, `id=s&after=${encodeURIComponent(cursor)}`),
        400,
        'invalid_cursor',
      );
      await expectError(await get(world.routes, 'id=s', { 'last-event-id': cursor }), 400, 'invalid_cursor');
      await expectUsable(world, 's');
    },
  );

  it('GET with the cursor of another session is a 400', async () => {
    const cursor = encodeCursor('other', { log: '', runs: {} });
    await expectError(await get(world.routes, `id=s&after=${cursor}`), 400, 'invalid_cursor');
    await expectError(await get(world.routes, 'id=s', { 'last-event-id': cursor }), 400, 'invalid_cursor');
  });

  it('POST to continue an unknown message is a 404, and a message that others follow is a 409', async () => {
    await expectUsable(world, 's');
    const first = (await world.chat.session('s').read()).messages.at(-1)!;
    await expectUsable(world, 's');
    const continuation = (id: string) => message({ id, role: 'assistant' });
    await expectError(await post(world.routes, continuation('nobody')), 404, 'not_found');
    await expectError(await post(world.routes, continuation(first.id)), 409, 'conflict');
    await expectError(await post(world.routes, message({ id: first.id })), 409, 'conflict');
    await expectUsable(world, 's');
  });
});

describe('a body over the limit', () => {
  const of = (bytes: number) => {
    const empty = sendBody('s', '');
    return sendBody('s', 'x'.repeat(bytes - empty.length), 'user-');
  };
  const chunked = (text: string) => {
    const bytes = new TextEncoder().encode(text);
    let at = 0;
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (at >= bytes.length) return controller.close();
          controller.enqueue(bytes.slice(at, (at += 64 * 1024)));
        },
        cancel: () => {
          cancelled = true;
        },
      },
      { highWaterMark: 0 },
    );
    return { stream, wasCancelled: () => cancelled };
  };
  const limit = 4 * 1024 * 1024;

  it('is a 413 by default over 4 MB, with and without a content-length; at 4 MB it is not', async () => {
    const world = createWorld(memoryChannel(), () => streamOf(said));
    expect(of(limit).length).toBe(limit);
    const large = of(limit + 1);
    const message = await expectError(
      await post(world.routes, large, { 'content-length': String(limit + 1) }),
      413,
      'too_large',
    );
    expect(message).toContain('limits.bodyBytes');
    await expectError(await post(world.routes, chunked(large).stream), 413, 'too_large');
    // A wrong content-length does not help.
    await expectError(
      await post(world.routes, chunked(large).stream, { 'content-length': '10' }),
      413,
      'too_large',
    );
    expect((await post(world.routes, chunked(of(limit)).stream)).status).toBe(200);
    await world.settled();
    await expectUsable(world, 's');
  });

  it('is not read to the end', async () => {
    const world = createWorld(memoryChannel(), () => streamOf(said), { limits: { bodyBytes: 1_000 } });
    const endless = chunked('x'.repeat(2_000_000));
    await expectError(await post(world.routes, endless.stream), 413, 'too_large');
    expect(endless.wasCancelled()).toBe(true);
  });

  it('is counted in bytes, not in characters', async () => {
    const world = createWorld(memoryChannel(), () => streamOf(said), { limits: { bodyBytes: 1_000 } });
    await expectError(await post(world.routes, sendBody('s', 'ü'.repeat(500), 'm')), 413, 'too_large');
    expect((await post(world.routes, sendBody('s', 'u'.repeat(500), 'm'))).status).toBe(200);
    await world.settled();
  });
});

describe.each(['memory', 'upstash'])('a handler that fails, on %s', (store) => {
  let world: World;
  let next: Handler;
  let told: unknown[];
  let sessionId: string;
  let sessions = 0;
  beforeEach(() => {
    told = [];
    sessionId = `bad ${store} ${++sessions}`;
    const channel =
      store === 'memory' ? memoryChannel() : upstashChannel({ url: server.url, token: server.token });
    let first = true;
    world = createWorld(
      channel,
      (request, context) => {
        if (!first) return streamOf(said);
        first = false;
        return next(request, context);
      },
      { onError: (error) => told.push(error) },
    );
  });

  async function endOf(): Promise<{ end: RunEndFrame; kept: string[] }> {
    await world.settled();
    const leaving = new AbortController();
    let end: RunEndFrame | undefined;
    const after = encodeCursor(sessionId, { log: '', runs: {} });
    for await (const { frame } of world.chat.session(sessionId).follow({ after, signal: leaving.signal })) {
      if (frame.type !== 'run-end') continue;
      end = frame;
      break;
    }
    leaving.abort();
    const { messages, runs } = await world.chat.session(sessionId).read();
    expect(runs).toEqual([]);
    const kept = messages.flatMap(({ role, parts }) =>
      role === 'assistant' ? parts.flatMap((part) => (part.type === 'text' ? part.text : [])) : [],
    );
    return { end: end!, kept };
  }

  const before: [string, string, Handler][] = [
    [
      'throws before the stream',
      'handler_failed',
      () => {
        throw new Error(secret);
      },
    ],
    ['rejects before the stream', 'handler_failed', async () => Promise.reject(new Error(secret))],
    ['throws something that is no error', 'handler_failed', () => Promise.reject(secret)],
    ['returns undefined', 'handler_result', () => undefined],
    ['returns a plain object', 'handler_result', () => ({ text: secret })],
    ['returns a 200 JSON Response', 'handler_result', () => Response.json({ text: secret })],
    ['returns text', 'handler_result', () => new Response(secret)],
  ];
  it.each(before)('that %s: a typed 500, and the run ends as error', async (_, code, handler) => {
    next = handler;
    await expectError(await post(world.routes, sendBody(sessionId, secret)), 500, code);
    const { end, kept } = await endOf();
    expect(end).toMatchObject({ reason: 'error', chunks: 0 });
    expect(end.message).toBeUndefined();
    expect(kept).toEqual([]);
    // Only onError gets the app's own error.
    expect(told.length).toBe(1);
    await expectUsable(world, sessionId);
  });

  const during: [string, Handler][] = [
    ['whose stream breaks', () => streamOf(half, new Error(secret))],
    [
      'whose streamed Response breaks',
      () => createUIMessageStreamResponse({ stream: streamOf(half, new Error(secret)) }),
    ],
    [
      'whose Response is cut before [DONE]',
      () =>
        new Response(half.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join(''), {
          headers: { 'content-type': 'text/event-stream' },
        }),
    ],
    [
      'whose Response is cut inside an event',
      () =>
        new Response(
          `${half.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('')}data: {"${secret}`,
          {
            headers: { 'content-type': 'text/event-stream' },
          },
        ),
    ],
    [
      'that reports an error chunk',
      () => streamOf([...half, { type: 'error', errorText: 'An error occurred.' }]),
    ],
  ];
  it.each(during)(
    '%s: an error chunk, the run ends as error, what was produced is kept',
    async (_, handler) => {
      next = handler;
      const response = await post(world.routes, sendBody(sessionId, secret));
      expect(response.status).toBe(200);
      const text = await response.text();
      expect(text).toContain('"delta":"fine"');
      expect(text).toContain('"type":"error"');
      expect(text).toContain('data: [DONE]');
      expect(text).not.toContain(secret);
      const { end, kept } = await endOf();
      expect(end).toMatchObject({ reason: 'error', chunks: 4 });
      expect(end.message).toMatchObject({ parts: [{ type: 'text', text: 'fine', state: 'done' }] });
      expect(kept).toEqual(['fine']);
      expect(JSON.stringify(end)).not.toContain(secret);
      await expectUsable(world, sessionId);
    },
  );

  // Viewers get no text of the error, but onError gets the error.
  it('whose stream breaks: onError is called', async () => {
    next = () => streamOf(half, new Error('broken'));
    await (await post(world.routes, sendBody(sessionId, secret))).text();
    await world.settled();
    expect(told).toMatchObject([{ message: 'broken' }]);
  });

  it('that returns its own 429: the sender gets it, and the run ends as error', async () => {
    next = () => Response.json({ limit: 'reached' }, { status: 429, headers: { 'retry-after': '7' } });
    const response = await post(world.routes, sendBody(sessionId, secret));
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '7']);
    expect(await response.json()).toEqual({ limit: 'reached' });
    const { end } = await endOf();
    expect(end).toMatchObject({ reason: 'error', chunks: 0 });
    await expectUsable(world, sessionId);
  });

  // The reservation and the log must not treat the send as done.
  it.each([
    ['refused', () => new Response('wait', { status: 429 })],
    ['failed before it produced anything', () => Promise.reject(new Error('no'))],
  ] as [string, Handler][])(
    'a send whose handler %s can be sent again and is answered',
    async (_, handler) => {
      next = handler;
      const sent = sendBody(sessionId, 'hello');
      expect((await post(world.routes, sent)).status).toBeGreaterThanOrEqual(400);
      await world.settled();
      expect(await (await post(world.routes, sent)).text()).toContain('"delta":"fine"');
    },
  );
});

describe('what is written to the console by default', () => {
  it('is the name of the error, and nothing else', async () => {
    const routes = createDurableChat({ channel: memoryChannel() }).route(() => {
      throw new RangeError(secret);
    });
    await expectError(await post(routes, sendBody('s', secret)), 500, 'handler_failed');
    await expect.poll(() => written).toContain('RangeError');
    expect(written).toContain('onError');
  });
});

describe('a store that is down', () => {
  it.each([{ kind: 'status', status: 500 }, { kind: 'refuse' }] as const)(
    'is a 503 on every route, without text or token ($kind)',
    async (fault) => {
      const { Redis } = await import('@upstash/redis');
      const redis = new Redis({ url: server.url, token: server.token, retry: false });
      const world = createWorld(upstashChannel({ redis }), () => streamOf(said));
      const clear = server.faults.inject(fault);
      await expectError(await post(world.routes, sendBody(secret, secret)), 503, 'store_failed');
      await expectError(await get(world.routes, `id=${secret}`), 503, 'store_failed');
      await expectError(await remove(world.routes, `id=${secret}`), 503, 'store_failed');
      clear();
      await expectUsable(world, secret);
    },
  );
});
