// Random requests: each gets a typed answer soon, and leaves nothing in memory.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { UIMessage, UIMessageChunk } from 'ai';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import type { Routes, WhenBusy } from '../../index.ts';
import { encodeCursor } from '../../protocol/cursor.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { awkwardStrings, jsonValues } from '../fixtures/chunks.fixture.ts';
import { createWorld } from '../fixtures/world.fixture.ts';

const total = 20_000;
const batch = 500;
const atOnce = 200;
const answerWithinMs = 60_000;

const policies: WhenBusy[] = ['queue', 'interrupt', 'steer', 'reject', 'parallel'];
const ids = ['s', 'S', '../s', '}{', '💾', '__proto__', 'constructor', 's%2F', 'x'.repeat(256)];
const strange = ['', 'a\nb', '\ud83d', 'x'.repeat(257), '\u0000'];

const one = fc.constantFrom;
const rarely = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const id = fc.oneof(
  { weight: 15, arbitrary: one(...ids) },
  { weight: 4, arbitrary: fc.nat(99_999).map((n) => `session ${n}`) },
  { weight: 1, arbitrary: one(...strange) },
);
const messageId = fc.oneof(
  { weight: 1, arbitrary: one('m1', 'm2', '__proto__') },
  { weight: 18, arbitrary: fc.nat(99_999).map((n) => `m${n}`) },
  { weight: 1, arbitrary: id },
);

const text = fc.oneof(awkwardStrings(), one('wait', 'throw', 'refuse', 'break', 'nonsense'));
const tool = fc.record({
  type: one('tool-x', 'dynamic-tool'),
  toolCallId: one('c1', 'c2'),
  toolName: fc.constant('x'),
  state: one('input-available', 'output-available', 'output-error', 'approval-responded'),
  input: jsonValues(),
  output: jsonValues(),
  approval: fc.record({ id: fc.constant('a'), approved: jsonValues() }),
});
const part = fc.oneof(
  { weight: 12, arbitrary: text.map((value): unknown => ({ type: 'text', text: value })) },
  { weight: 4, arbitrary: tool },
  { weight: 1, arbitrary: jsonValues() },
);
const message = fc.record({
  id: messageId,
  role: fc.oneof(
    { weight: 12, arbitrary: fc.constant('user') },
    { weight: 4, arbitrary: fc.constant('assistant') },
    { weight: 1, arbitrary: one('system', 'nobody') },
  ),
  parts: fc.array(part, { maxLength: 3 }),
});
/** A function makes a cursor of the requested session. */
const cursor = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ log: one('', '1-0', '70-0', '99999999-0'), run: fc.nat(9) }).map(
      ({ log, run }) =>
        (sessionId: string) =>
          encodeCursor(sessionId, { log, runs: { run } }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.oneof(awkwardStrings(), fc.string({ maxLength: 200 })).map((text) => () => text),
  },
);
const send = fc
  .record({
    id,
    messages: fc.oneof(
      { weight: 19, arbitrary: fc.array(message, { minLength: 1, maxLength: 3 }) },
      { weight: 1, arbitrary: fc.constant([]) },
    ),
    trigger: rarely(one('submit-message', 'regenerate-message', 'regenerate-message', 'resume')),
    messageId: rarely(messageId),
    whenBusy: rarely(one<unknown[]>(...policies, ...policies, 'never', 7)),
    by: fc.constant('eve'),
    changes: rarely(
      fc.record(
        {
          seen: cursor,
          removed: fc.array(messageId, { maxLength: 4 }),
          edited: fc.array(message, { maxLength: 2 }),
        },
        { requiredKeys: ['seen'] },
      ),
    ),
  })
  .map(({ changes, ...value }) => ({
    ...value,
    changes: changes && { ...changes, seen: changes.seen(value.id) },
  }));
const answer = fc.record({
  id,
  trigger: fc.constant('tool-outcome'),
  messageId,
  toolCallId: one('c1', 'c2', 'c3'),
  outcome: fc.oneof(
    fc.record({ state: fc.constant('output-available'), output: jsonValues() }),
    fc.record({ state: fc.constant('output-error'), errorText: awkwardStrings() }),
    fc.record({ state: fc.constant('approval-responded'), approved: fc.boolean() }),
    jsonValues(),
  ),
});
const body = fc.oneof(
  { weight: 15, arbitrary: send.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: answer.map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: jsonValues().map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: awkwardStrings() },
  { weight: 1, arbitrary: send.map((value) => JSON.stringify(value).slice(0, -20)) },
  { weight: 1, arbitrary: fc.constant(`{"id":"s","pad":"${'x'.repeat(70_000)}"}`) },
  { weight: 1, arbitrary: fc.constant(undefined) },
);
const headers = fc.record(
  {
    'last-event-id': awkwardStrings(),
    'idempotency-key': fc.oneof(
      fc.nat(99_999).map((n) => `k${n}`),
      one('', 'a b', 'x'.repeat(200)),
    ),
    'x-durable-subscription': one('sub', '', 'a b'),
    'content-length': one('0', '-1', 'abc', '999999999999', '1e3'),
    'content-type': one('application/json', 'text/plain', 'multipart/form-data', ''),
    origin: one('http://durable.test', 'null', 'https://evil.example', '://', 'http://allowed.example'),
    'sec-fetch-site': one('same-origin', 'cross-site', 'none', 'same-site', ''),
    'x-forwarded-host': one('durable.test', 'evil.example', ',', ''),
    host: one('durable.test', '', '[::1'),
    'access-control-request-headers': one('content-type', '*'),
    cookie: awkwardStrings(),
    accept: one('text/event-stream', '*/*', ''),
  },
  { requiredKeys: [] },
);
const query = fc.record({
  id,
  after: fc.option(cursor, { nil: undefined, freq: 2 }),
  runId: rarely(fc.oneof(one('run', 'other'), awkwardStrings())),
  subscription: rarely(fc.oneof(one('sub', ''), awkwardStrings())),
  durable: fc.option(one('stop', 'withdraw', 'delete-message', 'clear', '', 'other'), {
    nil: undefined,
    freq: 9,
  }),
});
/** Further sessions of a GET: cursors of some of them, too few or too many. */
const others = rarely(
  fc.array(fc.tuple(id, fc.option(cursor, { nil: undefined })), { minLength: 1, maxLength: 40 }),
);
const asked = fc.record({
  route: one<(keyof Routes)[]>('GET', 'GET', 'POST', 'POST', 'POST', 'POST', 'DELETE', 'OPTIONS'),
  method: rarely(one('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS')),
  path: rarely(one('/', '/s/stream', '/%/stream', '/%00/stream', '/a/b/stream/', '//')),
  query: fc.oneof({ weight: 19, arbitrary: query }, { weight: 1, arbitrary: fc.constant(undefined) }),
  others,
  headers: rarely(headers),
  body,
  breaks: fc.nat(30).map((n) => n === 0),
  reads: one(0, 1, 2, Infinity),
});
type Asked = typeof asked extends fc.Arbitrary<infer T> ? T : never;

const present = (record: Record<string, string | undefined>) =>
  Object.entries(record).filter((entry): entry is [string, string] => entry[1] !== undefined);

/** Undefined for a value that no client can put into a request. */
function toRequest(spec: Asked): Request | undefined {
  const { route, method = route, path = '', query, others = [], headers = {}, body, breaks } = spec;
  try {
    const asked = query && { ...query, after: query.after?.(query.id) };
    const search = new URLSearchParams(present({ ...asked }));
    for (const [id, after] of others) {
      search.append('id', id);
      if (after) search.append('after', after(id));
    }
    const carries = method !== 'GET' && method !== 'HEAD' && body !== undefined;
    const broken = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode(body));
        controller.error(new TypeError('terminated'));
      },
    });
    return new Request(`http://durable.test/api/chat${path}?${search.toString()}`, {
      method,
      headers: present(headers),
      ...(carries && { body: breaks ? broken : body, duplex: 'half' }),
    });
  } catch {
    return undefined;
  }
}

/** A handler that answers, or fails in every possible way. */
async function handler(request: Request): Promise<unknown> {
  const { messages } = (await request.json()) as { messages: UIMessage[] };
  const text = JSON.stringify(messages.at(-1));
  if (text.includes('throw')) throw new Error('thrown');
  if (text.includes('refuse')) return new Response('no', { status: 402 });
  if (text.includes('nonsense')) return { nonsense: true };
  const chunks: UIMessageChunk[] = [
    { type: 'start' },
    { type: 'tool-input-available', toolCallId: 'c1', toolName: 'x', input: {} },
    { type: 'text-start', id: '0' },
    { type: 'text-delta', id: '0', delta: 'fine' },
    { type: 'finish' },
  ];
  return new ReadableStream<UIMessageChunk>({
    async pull(controller) {
      const chunk = chunks.shift();
      if (!chunk) {
        if (text.includes('break')) return controller.error(new Error('broken'));
        return controller.close();
      }
      if (text.includes('wait')) await new Promise((resolve) => setTimeout(resolve, 10));
      controller.enqueue(chunk);
    },
  });
}

async function within<T>(promise: Promise<T>, what: () => string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer: ${what()}`)), answerWithinMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function read(response: Response, times: number): Promise<void> {
  if (!response.body) return;
  const reader = response.body.getReader();
  for (let count = 0; count < times; count++) {
    const { done } = await reader.read();
    if (done) return;
  }
  await reader.cancel();
}

const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

it(`G10: ${total} random requests get typed answers and leave no memory behind (FUZZ_SEED=${seed})`, async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const channel = memoryChannel({ ttl: 4 });
  const { routes, chat, settled } = createWorld(channel, handler, {
    limits: { bodyBytes: 64_000, messagesPerSession: 30, activeRunsPerSession: 10, viewersPerSession: 20 },
    allowWhenBusy: policies,
    allowedOrigins: ['http://allowed.example'],
    authorize: ({ request }) => (request.headers.get('cookie') === '42' ? null : { userId: 'ann' }),
    stopGraceMs: 100,
    leaseMs: 3_000,
  });
  const counts: Record<string, number> = {};

  async function ask(spec: Asked): Promise<void> {
    const request = toRequest(spec);
    if (!request) return;
    const what = () => `seed ${seed}: ${JSON.stringify(spec)}`;
    const response = await within(routes[spec.route](request), what);
    counts[response.status] = (counts[response.status] ?? 0) + 1;
    const isOurs = response.headers.get('content-type')?.includes('application/json');
    expect(response.headers.get('cache-control'), what()).toContain('no-store');
    if (response.status >= 400 && !(response.status === 402 && !isOurs)) {
      const text = await within(response.text(), what);
      const error = DurableChatError.parse(response.status, text);
      expect([error?.status, text], what()).toEqual([response.status, text]);
      expect(new DurableChatError(error!.code, '').status, what()).toBe(response.status);
      return;
    }
    // A subscription does not end by itself.
    const endless = spec.route === 'GET' && isOurs !== true;
    await within(read(response, endless ? Math.min(spec.reads, 2) : spec.reads), what);
  }

  async function heap(): Promise<number> {
    await settled();
    await Promise.all(ids.map((sessionId) => chat.session(sessionId).delete()));
    // By then all sessions have expired, and this process has released them.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    gc();
    return process.memoryUsage().heapUsed;
  }

  /** Requests `from` to `to`, some at a time. */
  async function run(from: number, to: number): Promise<void> {
    const specs = (function* () {
      for (let done = from; done < to; done += batch) {
        yield* fc.sample(asked, { numRuns: batch, seed: seed + done });
      }
    })();
    const worker = async () => {
      for (const spec of specs) await ask(spec);
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  }

  await run(0, total / 2);
  const warm = await heap();
  await run(total / 2, total);
  const grown = (await heap()) - warm;
  console.log(`fuzz: seed ${seed}, by status ${JSON.stringify(counts)}, heap ${Math.round(grown / 1024)} KB`);
  expect(grown).toBeLessThan(2 * 1024 * 1024);
}, 300_000);
