import type { UIMessageChunk } from 'ai';
import { describe, expect, it, vi } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { memoryChannel } from '../../channel/memory.ts';
import { DurableSession } from '../../client/session.ts';
import type { Authorize, AuthorizeInput } from '../../index.ts';
import { encodeCursor } from '../../protocol/cursor.ts';
import type { ErrorBody } from '../../protocol/errors.ts';
import type { Frame, LogFrame } from '../../protocol/frames.ts';
import { chunkHandler, createWorld, sendBody } from '../fixtures/world.fixture.ts';
import { setUp, type Environment } from '../../server/setup.ts';
import { refusal } from '../fixtures/refusal.fixture.ts';

const url = 'http://durable.test/api/chat';
const said: UIMessageChunk[] = [{ type: 'start' }, { type: 'text-start', id: '0' }, { type: 'finish' }];

/** A store that fails the test when it is used. */
function forbiddenStore(): { channel: Channel; touched: string[] } {
  const touched: string[] = [];
  const channel = new Proxy({} as Channel, {
    get(_, name) {
      // A promise that resolves to the store reads its `then`.
      if (name === 'then') return undefined;
      return () => {
        touched.push(String(name));
        throw new Error('The store was touched.');
      };
    },
  });
  return { channel, touched };
}

const requests = {
  read: () => new Request(`${url}?id=s`),
  send: () => new Request(url, { method: 'POST', body: sendBody('s', 'hi') }),
  stop: () => new Request(`${url}?id=s&durable=stop&runId=r`, { method: 'DELETE' }),
} as const;
type Action = keyof typeof requests;
const actions = Object.keys(requests) as Action[]; // the record's own keys
const methods = { read: 'GET', send: 'POST', stop: 'DELETE' } as const;

async function ask(authorize: Authorize, action: Action) {
  const { channel, touched } = forbiddenStore();
  const handler = vi.fn();
  const { routes } = createWorld(channel, handler, { authorize });
  const response = await routes[methods[action]](requests[action]());
  return { response, touched, handler };
}

describe('G10: authorize', () => {
  it.each([
    [false, 403],
    [true, 400],
  ])('is called before the messages of a send are checked one by one (%s)', async (may, status) => {
    const edited = [{ id: 'u1', role: 'user', parts: [{ type: 'no part of the SDK' }] }];
    const changes = { seen: encodeCursor('s', { log: '', runs: {} }), edited };
    const body = JSON.stringify({ ...(JSON.parse(sendBody('s', 'hi')) as object), changes });
    const { channel, touched } = forbiddenStore();
    const { routes } = createWorld(channel, vi.fn(), { authorize: () => may });
    const response = await routes.POST(new Request(url, { method: 'POST', body }));
    expect(response.status).toBe(status);
    expect(touched).toEqual([]);
  });

  describe.each(actions)('%s', (action) => {
    it.each([
      [false, 403, 'forbidden'],
      [null, 401, 'unauthorized'],
      [undefined, 401, 'unauthorized'],
    ] as const)('%s is a refusal with %i, before the store is touched', async (answer, status, code) => {
      const { response, touched, handler } = await ask(async () => answer, action);
      expect(response.status).toBe(status);
      expect(((await response.json()) as ErrorBody).error.code).toBe(code);
      expect(touched).toEqual([]);
      expect(handler).not.toHaveBeenCalled();
    });

    it('a Response is the answer', async () => {
      const { response, touched } = await ask(
        () => new Response('pay first', { status: 402, headers: { 'x-plan': 'free' } }),
        action,
      );
      expect([response.status, response.headers.get('x-plan'), await response.text()]).toEqual([
        402,
        'free',
        'pay first',
      ]);
      expect(touched).toEqual([]);
    });

    it('a throw is a refusal too, and its text is not shown', async () => {
      const secret = 'a-very-private-sentence';
      const { response, touched } = await ask(() => Promise.reject(new Error(secret)), action);
      expect(response.status).toBe(500);
      const text = await response.text();
      expect((JSON.parse(text) as ErrorBody).error.code).toBe('handler_failed');
      expect(text).not.toContain(secret);
      expect(touched).toEqual([]);
    });

    it('is called once, with the request, the session and the action', async () => {
      const asked: AuthorizeInput[] = [];
      await ask((input) => {
        asked.push(input);
        return false;
      }, action);
      expect(asked).toMatchObject([{ sessionId: 's', action }]);
      expect(asked[0]!.request.method).toBe(methods[action]);
      expect(asked[0]!.request.url).toContain('/api/chat');
    });

    it('an authorized request reaches the store', async () => {
      for (const answer of [true, { userId: 'ann' }]) {
        expect((await ask(() => answer, action)).touched).not.toEqual([]);
      }
    });

    // JavaScript callers can return other values than the type allows.
    it.each([
      ['an empty string', ''],
      ['zero', 0],
      ['NaN', Number.NaN],
    ])('closed by default: %s, as in `userId && …`, is a refusal', async (_, answer) => {
      const { touched } = await ask((() => answer) as unknown as Authorize, action);
      expect(touched).toEqual([]);
    });

    // An object of another kind.
    it('closed by default: an object without a userId is a refusal', async () => {
      const { touched } = await ask((() => ({ user: null })) as unknown as Authorize, action);
      expect(touched).toEqual([]);
    });
  });

  it('{ userId } becomes `by` on run-start, on run-stop and on the run-end of a stop', async () => {
    const channel = memoryChannel();
    const world = createWorld(
      channel,
      chunkHandler(async function* (signal) {
        yield said[0]!;
        yield said[1]!;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      }),
      { authorize: ({ request }) => ({ userId: request.headers.get('x-user')! }) },
    );
    const as = (user: string, request: Request) => {
      request.headers.set('x-user', user);
      return request;
    };
    const sent = await world.routes.POST(as('ann', requests.send()));
    const runId = sent.headers.get('x-durable-run')!;
    const stop = new Request(`${url}?id=s&durable=stop&runId=${runId}`, { method: 'DELETE' });
    const receipt = await world.routes.DELETE(as('bob', stop));
    expect(await receipt.json()).toMatchObject({ stopped: [{ runId }], alreadyEnded: [], pending: [] });
    await world.settled();
    const frames = (await channel.readLog('s', '')).flatMap((entry) => entry.frames);
    const of = <T extends LogFrame['type']>(type: T) => frames.find((frame: Frame) => frame.type === type);
    expect(of('run-start')).toMatchObject({ runId, by: 'ann' });
    expect(of('run-stop')).toMatchObject({ runId, by: 'bob' });
    expect(of('run-end')).toMatchObject({ runId, reason: 'stop', by: 'bob' });
  });

  it('true leaves no `by`, and a run that ends by itself has none either', async () => {
    const channel = memoryChannel();
    const world = createWorld(
      channel,
      chunkHandler(() => said),
      { authorize: () => true },
    );
    await (await world.routes.POST(requests.send())).text();
    await world.settled();
    const frames = (await channel.readLog('s', '')).flatMap((entry) => entry.frames);
    expect(frames.map(({ type }) => type)).toEqual(['message', 'run-start', 'run-end']);
    for (const frame of frames) expect(frame).not.toHaveProperty('by');
  });

  it('is called again on each reconnect, and a refusal closes the session', async () => {
    const asked: AuthorizeInput[] = [];
    const world = createWorld(
      memoryChannel(),
      chunkHandler(() => said),
      { authorize: (input) => asked.push(input) < 3 },
    );
    const client = world.client();
    const session = new DurableSession({ id: 's', fetch: client.fetch, retryDelay: () => 1 });
    const close = session.open();
    for (const times of [1, 2]) {
      await expect.poll(() => asked.length).toBe(times);
      await expect.poll(() => session.getSnapshot().connection).toBe('connected');
      client.cut();
    }
    await expect.poll(() => session.getSnapshot().connection).toBe('closed');
    expect(session.getSnapshot().error).toMatchObject({ code: 'forbidden' });
    expect(asked.map(({ action }) => action)).toEqual(['read', 'read', 'read']);
    close();
  });

  it('a client cannot set its own `by`', async () => {
    const channel = memoryChannel();
    const world = createWorld(
      channel,
      chunkHandler(() => said),
      { authorize: () => ({ userId: 'ann' }) },
    );
    const forged = JSON.stringify({
      ...JSON.parse(sendBody('s', 'hi')),
      by: 'eve',
      userId: 'eve',
      runId: 'r',
    });
    await (await world.routes.POST(new Request(url, { method: 'POST', body: forged }))).text();
    await world.settled();
    const log = JSON.stringify(await channel.readLog('s', ''));
    expect(log).toContain('"by":"ann"');
    expect(log).not.toContain('eve');
  });
});

describe('setUp', () => {
  const opened = { upstash: 'upstash', memory: 'memory' } as const;
  const stores = () => ({
    upstash: vi.fn(async () => opened.upstash as unknown as Channel), // told apart by name
    memory: vi.fn(() => opened.memory as unknown as Channel),
  });
  const own = memoryChannel();
  const authorize = () => true;
  const upstash = {
    UPSTASH_REDIS_REST_URL: 'https://u.test',
    UPSTASH_REDIS_REST_TOKEN: 'a-very-private-token',
  };
  const kv = { KV_REST_API_URL: 'https://k.test', KV_REST_API_TOKEN: 'a-very-private-token' };
  const production = { NODE_ENV: 'production' };
  const building = { ...production, NEXT_PHASE: 'phase-production-build' };

  it('G10: production without authorize is an error at once, with what to do', () => {
    for (const env of [production, building, { ...production, ...upstash }]) {
      for (const options of [{}, { channel: own }]) {
        const error = refusal(() => setUp(options, env, stores()));
        expect(error.code).toBe('config');
        expect(error.message).toContain('authorize');
        expect(error.message).toContain('sessionId');
      }
    }
  });

  it('production without a store is an error at once, with the names of the variables and no value', () => {
    const envs: Environment[] = [
      production,
      { ...production, UPSTASH_REDIS_REST_URL: upstash.UPSTASH_REDIS_REST_URL },
      { ...production, UPSTASH_REDIS_REST_TOKEN: upstash.UPSTASH_REDIS_REST_TOKEN },
      { ...production, UPSTASH_REDIS_REST_URL: '', UPSTASH_REDIS_REST_TOKEN: '' },
    ];
    for (const env of envs) {
      const error = refusal(() => setUp({ authorize }, env, stores()));
      expect(error.code).toBe('config');
      for (const name of [...Object.keys(upstash), ...Object.keys(kv), 'channel'])
        expect(error.message).toContain(name);
      expect(error.message).not.toContain('private');
    }
  });

  it('while Next builds, the store is chosen on first use', async () => {
    const open = setUp({ authorize }, building, stores());
    await expect((async () => open())()).rejects.toMatchObject({ code: 'config' });
    expect(await setUp({ authorize }, { ...building, ...kv }, stores())()).toBe(opened.upstash);
  });

  it.each([
    ['the Upstash variables', upstash],
    ['the KV variables', kv],
    ['both', { ...kv, ...upstash }],
  ])('%s choose Upstash, in production and in development', async (_, env) => {
    for (const base of [production, {}, { NODE_ENV: 'development' }]) {
      const all = stores();
      expect(await setUp({ authorize }, { ...base, ...env }, all)()).toBe(opened.upstash);
      expect(all.memory).not.toHaveBeenCalled();
    }
  });

  it('development without variables is memory, and needs no authorize', async () => {
    for (const NODE_ENV of ['development', 'test']) {
      const all = stores();
      expect(await setUp({}, { NODE_ENV }, all)()).toBe(opened.memory);
      expect(all.upstash).not.toHaveBeenCalled();
    }
  });

  it.each([upstash, kv].flatMap((pair) => Object.entries(pair)))(
    '%s without the other variable of its pair is an error at once, also in development, and names the other',
    async (name, value) => {
      const other = name.endsWith('URL') ? name.replace(/URL$/, 'TOKEN') : name.replace(/TOKEN$/, 'URL');
      for (const base of [{ NODE_ENV: 'development' }, { NODE_ENV: 'test' }, production]) {
        for (const half of [{ [name]: value }, { [name]: value, [other]: '' }]) {
          const error = refusal(() => setUp({ authorize }, { ...base, ...half }, stores()));
          expect(error.code).toBe('config');
          expect(error.message).toContain(`${other} is missing`);
          expect(error.message).not.toContain(value);
        }
        const own = { authorize, channel: memoryChannel() };
        expect(await setUp(own, { ...base, [name]: value }, stores())()).toBe(own.channel);
      }
      const open = setUp({ authorize }, { ...building, [name]: value }, stores());
      await expect((async () => open())()).rejects.toMatchObject({ code: 'config' });
    },
  );

  it('half of a pair does not hide the complete other pair', async () => {
    const env = { NODE_ENV: 'development', UPSTASH_REDIS_REST_URL: upstash.UPSTASH_REDIS_REST_URL, ...kv };
    expect(await setUp({ authorize }, env, stores())()).toBe(opened.upstash);
  });

  it('G10: a runtime that sets no NODE_ENV is closed', () => {
    expect(() => setUp({}, {}, stores())).toThrow(/authorize/);
    expect(() => setUp({ authorize }, {}, stores())).toThrow(/UPSTASH_REDIS_REST_URL/);
  });

  it('the option `channel` overrides all variables', async () => {
    expect(await setUp({ authorize, channel: own }, { ...production, ...upstash }, stores())()).toBe(own);
    expect(await setUp({ channel: own, authorize }, {}, stores())()).toBe(own);
  });

  it('opens no channel before the first use, and then one', async () => {
    const all = stores();
    const open = setUp({ authorize }, { ...production, ...upstash }, all);
    expect(all.upstash).not.toHaveBeenCalled();
    await Promise.all([open(), open(), open()]);
    expect(all.upstash).toHaveBeenCalledTimes(1);
  });

  // Dashboards and .env files can set empty variables.
  it('an empty Upstash variable does not hide the KV pair', async () => {
    const env = { ...kv, UPSTASH_REDIS_REST_URL: '', UPSTASH_REDIS_REST_TOKEN: '' };
    expect(await setUp({ authorize }, env, stores())()).toBe(opened.upstash);
  });

  // setUp and upstashChannel both look for a complete pair.
  it('half of one pair is not completed by half of the other', () => {
    const env = {
      ...production,
      UPSTASH_REDIS_REST_URL: upstash.UPSTASH_REDIS_REST_URL,
      KV_REST_API_TOKEN: kv.KV_REST_API_TOKEN,
    };
    expect(refusal(() => setUp({ authorize }, env, stores())).code).toBe('config');
  });
});
