import type { UIMessageChunk } from 'ai';
import { describe, expect, it, vi } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { createDurableChat, type Routes } from '../../index.ts';
import type { ErrorBody } from '../../protocol/errors.ts';
import { chunkHandler, createWorld, sendBody, type World } from '../../test/fixtures/world.fixture.ts';

const url = 'https://chat.example/api/chat';
const said: UIMessageChunk[] = [{ type: 'start' }, { type: 'text-start', id: '0' }, { type: 'finish' }];

type Headers_ = Record<string, string>;
const requests = {
  GET: (headers: Headers_) => new Request(`${url}?id=s`, { headers }),
  POST: (headers: Headers_) => new Request(url, { method: 'POST', headers, body: sendBody('s', 'hi') }),
  DELETE: (headers: Headers_) => new Request(`${url}?id=s&durable=stop`, { method: 'DELETE', headers }),
} satisfies Partial<Record<keyof Routes, (headers: Headers_) => Request>>;
type Method = keyof typeof requests;
const methods = Object.keys(requests) as Method[]; // the record's own keys

function open(allowedOrigins?: string[]) {
  const touched: string[] = [];
  const channel = memoryChannel();
  const watched = Object.fromEntries(
    Object.entries(channel).map(([name, method]) => [
      name,
      (...args: unknown[]) => {
        touched.push(name);
        return (method as (...all: unknown[]) => unknown)(...args);
      },
    ]),
  ) as unknown as typeof channel; // the same methods under the same names
  const authorize = vi.fn(() => true);
  const world = createWorld(
    watched,
    chunkHandler(() => said),
    { authorize, ...(allowedOrigins && { allowedOrigins }) },
  );
  return { world, touched, authorize };
}

async function ask({ routes }: World, method: Method, headers: Headers_): Promise<Response> {
  const response = await routes[method](requests[method](headers));
  if (method === 'GET' && response.ok) await response.body?.cancel();
  else await response.clone().text();
  return response;
}

const foreign: [string, Headers_][] = [
  ['cross-site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
  ['cross-site without an origin', { 'sec-fetch-site': 'cross-site' }],
  ['same-site', { 'sec-fetch-site': 'same-site', origin: 'https://blog.chat.example' }],
  ['what no browser says', { 'sec-fetch-site': 'own' }],
  ['an origin of another host', { origin: 'https://evil.example' }],
  ['an origin of another port', { origin: 'https://chat.example:8443' }],
  ['an origin of a longer name', { origin: 'https://chat.example.evil.example' }],
  ['an opaque origin', { origin: 'null' }],
  ['an origin that is none', { origin: 'chat.example' }],
  [
    'Sec-Fetch-Site before the host',
    { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example', 'x-forwarded-host': 'evil.example' },
  ],
  [
    'a proxy with another host',
    { origin: 'https://chat.example', 'x-forwarded-host': 'other.example', host: 'chat.example' },
  ],
];

const own: [string, Headers_][] = [
  ['no browser', {}],
  ['same-origin', { 'sec-fetch-site': 'same-origin', origin: 'https://chat.example' }],
  ['the address bar', { 'sec-fetch-site': 'none' }],
  ['an old browser', { origin: 'https://chat.example' }],
  ['an old browser, by the host', { origin: 'https://public.example', host: 'public.example' }],
  [
    'an old browser, behind a proxy',
    {
      origin: 'https://public.example:8443',
      'x-forwarded-host': 'Public.example:8443, inner',
      host: 'inner',
    },
  ],
];

describe.each(methods)('G10: %s', (method) => {
  it.each(foreign)('from another site is refused before anything else: %s', async (_, headers) => {
    const { world, touched, authorize } = open();
    const response = await ask(world, method, headers);
    expect(response.status).toBe(403);
    expect(((await response.json()) as ErrorBody).error).toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('allowedOrigins') as string,
    });
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect(authorize).not.toHaveBeenCalled();
    expect(touched).toEqual([]);
  });

  it.each(own)('from its own site is answered, without CORS headers: %s', async (_, headers) => {
    const { world } = open(['https://app.example']);
    const response = await ask(world, method, headers);
    // There is nothing to stop.
    expect(response.status).toBe(method === 'DELETE' ? 404 : 200);
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
    await world.settled();
  });

  it('from an allowed origin gets CORS headers, a refusal too', async () => {
    const origin = 'https://app.example';
    const { world, authorize } = open([origin]);
    for (const allow of [true, false]) {
      authorize.mockReturnValue(allow);
      const response = await ask(world, method, { origin, 'sec-fetch-site': 'cross-site' });
      expect(response.status).toBe(allow ? (method === 'DELETE' ? 404 : 200) : 403);
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        'access-control-expose-headers': 'x-durable-run, x-durable-chat',
        vary: 'origin',
      });
    }
    const other = await ask(world, method, {
      origin: 'https://other.example',
      'sec-fetch-site': 'cross-site',
    });
    expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([403, null]);
    await world.settled();
  });

  it('is not cached, also with a response of the app', async () => {
    const { world, authorize } = open();
    const kept = async () => (await ask(world, method, {})).headers.get('cache-control');
    expect(await kept()).toContain('no-store');
    authorize.mockReturnValue(false);
    expect(await kept()).toContain('no-store');
    authorize.mockImplementation(() => Response.redirect('https://chat.example/login') as unknown as true);
    const redirect = await ask(world, method, {});
    expect([redirect.status, redirect.headers.get('location')]).toEqual([302, 'https://chat.example/login']);
    expect(redirect.headers.get('cache-control')).toBe('no-store');
    authorize.mockImplementation(() => {
      throw new Error('no');
    });
    expect(await kept()).toContain('no-store');
    await world.settled();
  });
});

it('G10: a handler’s own refusal is not cached either, and keeps its cookies', async () => {
  const { routes, settled } = createWorld(
    memoryChannel(),
    () =>
      new Response('later', {
        status: 429,
        headers: [
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
          ['cache-control', 'max-age=60'],
        ],
      }),
  );
  const response = await routes.POST(requests.POST({}));
  expect([response.status, await response.text()]).toEqual([429, 'later']);
  expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  expect(response.headers.get('cache-control')).toBe('no-store');
  await settled();
});

describe('G10: a preflight', () => {
  const asking = (origin: string): Request =>
    new Request(url, {
      method: 'OPTIONS',
      headers: {
        origin,
        'sec-fetch-site': 'cross-site',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,idempotency-key',
      },
    });

  it('of an allowed origin is allowed, without a call of authorize or of the store', async () => {
    const { world, touched, authorize } = open(['https://app.example']);
    const response = await world.routes.OPTIONS(asking('https://app.example'));
    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': 'https://app.example',
      'access-control-allow-methods': 'GET, POST, DELETE',
      'access-control-allow-headers': 'content-type,idempotency-key',
    });
    expect(authorize).not.toHaveBeenCalled();
    expect(touched).toEqual([]);
  });

  it('of any other is refused', async () => {
    for (const { world } of [open(), open(['https://app.example'])]) {
      const response = await world.routes.OPTIONS(asking('https://evil.example'));
      expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([403, null]);
    }
  });
});

it.each(['*', 'app.example', 'https://app.example/', 'https://*.example', ''])(
  'G10: %j in allowedOrigins is an error at once',
  (origin) => {
    expect(() => createDurableChat({ channel: memoryChannel(), allowedOrigins: [origin] })).toThrow(
      expect.objectContaining({ code: 'config' }),
    );
  },
);
