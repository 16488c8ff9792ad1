// G8 as a matrix: every failure of the store, at every phase of a run, for a while and until after the answer.

import { Redis } from '@upstash/redis';
import type { UIMessageChunk } from 'ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemRuntime } from '../../lib/runtime.ts';
import type { Channel } from '../../channel/channel.ts';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import type { ErrorBody } from '../../protocol/errors.ts';
import type { Frame } from '../../protocol/frames.ts';
import { applyFrame } from '../../protocol/fold.ts';
import { emptySession } from '../../protocol/session-state.ts';
import { createSseParser } from '../../protocol/sse.ts';
import { foldChunks } from '../fixtures/chunks.fixture.ts';
import {
  startUpstashServer,
  type FaultRequest,
  type UpstashServer,
  type Fault,
} from '../../testing/upstash-server.ts';
import { chunkHandler, createWorld, sendBody, type Client } from '../fixtures/world.fixture.ts';
import type { DurableChatEvent } from '../../server/lib/events.ts';
import { Log } from '../../server/follow/log.ts';
import { retry } from '../../server/lib/retry.ts';

let server: UpstashServer;
beforeAll(async () => {
  server = await startUpstashServer();
});
afterAll(() => server.close());

/** A short timeout, so that a hanging store fails often. */
function open(): Channel {
  const redis = new Redis({ url: server.url, token: server.token, retry: false, enableTelemetry: false });
  return upstashChannel({ redis, timeoutMs: 600 });
}

const closedId = '9007199254740991-0';
const addsTo = (part: string) => (args: string[]) => args[0] === 'XADD' && args[1]!.includes(part);
/** The id that an entry is to have. */
const idOf = (args: string[]) => args[args[2] === 'NOMKSTREAM' ? 3 : 2]!;
const holds = (text: string) => (args: string[]) => args.some((arg) => arg.includes(text));

/** The request with which each phase begins. */
const phases = {
  'before the start': ({ commands }) => commands.some(holds(':send:')),
  'run-start': ({ commands }) => commands.some(holds('"type":"run-start"')),
  'the first append': ({ commands }) => commands.some(addsTo(':run:')),
  'the middle': ({ commands }) =>
    commands.some((args) => addsTo(':run:')(args) && Number.parseInt(idOf(args), 10) > 10),
  'the closing': ({ commands }) => commands.some((args) => addsTo(':run:')(args) && idOf(args) === closedId),
  'run-end': ({ commands }) => commands.some(holds('"type":"run-end"')),
} satisfies Record<string, (request: FaultRequest) => boolean>;
type Phase = keyof typeof phases;

const isRead = ({ commands }: FaultRequest) => commands.every(([name]) => name === 'XRANGE');
const isSubscription = ({ path }: FaultRequest) => path.startsWith('/subscribe/');

const faults: Record<string, Fault> = {
  '500': { kind: 'status', status: 500 },
  '429': { kind: 'status', status: 429 },
  hang: { kind: 'hang' },
  'refused connections': { kind: 'refuse' },
  'lost replies': { kind: 'lose-reply' },
  'slow replies': { kind: 'delay', ms: 300 },
};

const answer: UIMessageChunk[] = [
  { type: 'start' },
  { type: 'text-start', id: '0' },
  ...Array.from({ length: 40 }, (_, index): UIMessageChunk => {
    return { type: 'text-delta', id: '0', delta: `${index} ` };
  }),
  { type: 'text-end', id: '0' },
  { type: 'finish' },
];

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function* speak(): AsyncGenerator<UIMessageChunk> {
  for (const chunk of answer) {
    yield chunk;
    await pause(10);
  }
}

interface View {
  /** Resolves once the session has been seen. */
  readonly joined: Promise<void>;
  /** Resolves with all frames once a run has ended. */
  readonly frames: Promise<readonly Frame[]>;
}

/** Follows a session until a run has ended, over any number of connections. */
function view(client: Client, id: string): View {
  const frames: Frame[] = [];
  let join: () => void;
  const joined = new Promise<void>((resolve) => (join = resolve));
  async function read(): Promise<readonly Frame[]> {
    let cursor: string | undefined;
    let state = emptySession;
    for (;;) {
      const after = cursor === undefined ? '' : `&after=${encodeURIComponent(cursor)}`;
      const response = await client.fetch(`/api/chat?id=${id}${after}`);
      if (!response.ok) {
        expect(((await response.json()) as ErrorBody).error.code).toBe('store_failed');
        await pause(20);
        continue;
      }
      const feed = createSseParser((event) => {
        if (event.id !== undefined) cursor = event.id;
        const frame = JSON.parse(event.data) as Frame;
        frames.push(frame);
        state = applyFrame(state, frame);
        join();
      });
      const decoder = new TextDecoder();
      for await (const bytes of response.body!) {
        feed(decoder.decode(bytes, { stream: true }));
        if (state.ended.size > 0) return frames;
      }
    }
  }
  return { joined, frames: read() };
}

/** A viewer gets the chunks of a run without a gap and without a repetition, and its end once. */
async function expectExact(frames: readonly Frame[], sent: readonly UIMessageChunk[]): Promise<void> {
  const [first] = frames;
  if (first?.type !== 'snapshot') throw new Error('It did not begin with a snapshot.');
  if (first.ended.length > 0) return expect(first.messages[1]).toEqual(await foldChunks(sent));
  let count = first.runs[0]?.count ?? 0;
  const chunks = [...(first.runs[0]?.chunks ?? [])];
  for (const frame of frames) {
    if (frame.type !== 'chunks') continue;
    expect(frame.from).toBe(count);
    count += frame.chunks.length;
    chunks.push(...frame.chunks);
  }
  expect(frames.filter(({ type }) => type === 'run-end')).toEqual([frames.at(-1)]);
  if (first.runs.length === 0) expect(chunks).toEqual(sent);
  else expect(await foldChunks(chunks)).toEqual(await foldChunks(sent));
}

/** Reads a POST's stream to its end. */
async function chunksOf(response: Response): Promise<UIMessageChunk[]> {
  const chunks: UIMessageChunk[] = [];
  let done = false;
  createSseParser(({ data }) => {
    if (data === '[DONE]') done = true;
    else chunks.push(JSON.parse(data) as UIMessageChunk);
  })(await response.text());
  expect(done).toBe(true);
  return chunks;
}

const concernsSession = ({ path, commands }: FaultRequest, sessionId: string) =>
  path.includes(sessionId) || commands.some(holds(sessionId));

let sessions = 0;
function setUp(sessionId = `faults-${++sessions}-`) {
  const channel = open();
  const events: DurableChatEvent[] = [];
  const errors: unknown[] = [];
  const world = createWorld(channel, chunkHandler(speak), {
    flushIntervalMs: 20,
    onEvent: (event) => events.push(event),
    onError: (error) => errors.push(error),
  });
  const other = createWorld(open(), chunkHandler(speak));
  return {
    sessionId,
    channel,
    events,
    errors,
    world,
    send: () => world.client().fetch('/api/chat', { method: 'POST', body: sendBody(sessionId, 'go') }),
    viewers: [view(world.client(), sessionId), view(other.client(), sessionId)],
    /** Fails requests of this session from the first that `begins` on; `of` limits it to some. */
    inject(fault: Fault, begins: (request: FaultRequest) => boolean, times = Infinity): () => void {
      let begun = false;
      const match = (request: FaultRequest) =>
        concernsSession(request, sessionId) && (begun ||= begins(request));
      return server.faults.inject(fault, { match, times });
    },
  };
}
type SetUp = ReturnType<typeof setUp>;

/** What must hold once the store works again. */
async function expectWhole(here: SetUp, sent: readonly UIMessageChunk[]): Promise<void> {
  const { sessionId, channel, world, events } = here;
  await world.settled();
  // A busy machine may take longer to answer than these channels wait.
  const { messages, runs } = await retry(systemRuntime, () => world.chat.session(sessionId).read());
  expect(runs).toEqual([]);
  expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant']);
  // A start that was applied after its sender gave up does not count.
  const log = new Log();
  for (const entry of await retry(systemRuntime, () => channel.readLog(sessionId, ''))) log.add(entry);
  const frames = log.entries.flatMap((entry) => entry.frames);
  const starts = new Set(frames.flatMap((frame) => (frame.type === 'run-start' ? frame.runId : [])));
  // A run that was given up before its start was applied has only an end.
  const ends = new Map(
    frames.flatMap((frame) =>
      frame.type === 'run-end' && starts.has(frame.runId) ? [[frame.runId, frame]] : [],
    ),
  );
  expect([...ends.keys()]).toEqual([...starts]);
  const [end] = ends.values();
  expect(end).toMatchObject({ reason: 'finish', chunks: sent.length, message: messages[1] });
  expect((await retry(systemRuntime, () => channel.readRun(sessionId, end!.runId, 0))).chunks).toEqual(sent);
  for (const { frames } of here.viewers) await expectExact(await frames, sent);
  const told = events.map((event) => ('durability' in event ? event.durability : event.type));
  // Each outage is reported once, and so is its end.
  expect(told.join()).toMatch(/^run-start(,degraded,durable)*,run-end$/);
  expect(events.at(-1)).toMatchObject({ reason: 'finish', chunks: sent.length, logged: true });
}

function expectAnswer(sent: readonly UIMessageChunk[]): void {
  expect(sent[0]?.type).toBe('start');
  expect(sent.slice(1)).toEqual(answer.slice(1));
}

describe.concurrent.each(Object.entries(faults))('G8: %s', (_, fault) => {
  const fails = fault.kind !== 'delay';

  it.each(Object.keys(phases) as Phase[])('for a while, from %s on', async (phase) => {
    const here = setUp();
    for (const { joined } of here.viewers) await joined;
    // As many failures as fit into the time of a send, each of them `timeoutMs` long.
    const clear = here.inject(fault, phases[phase], 3);
    const sent = await chunksOf(await here.send());
    expectAnswer(sent);
    await here.world.settled();
    // Not all of them may have been met.
    clear();
    await expectWhole(here, sent);
  });

  it.each(Object.keys(phases) as Phase[])('until after the answer, from %s on', async (phase) => {
    const here = setUp();
    for (const { joined } of here.viewers) await joined;
    const clear = here.inject(fault, phases[phase]);
    const response = await here.send();
    if (fails && (phase === 'before the start' || phase === 'run-start')) {
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({ error: { code: 'store_failed' } });
      expect(here.events).toEqual([]);
      clear();
      // A run whose start was stored although the send failed has no producer.
      if (fault.kind === 'lose-reply' && phase === 'run-start') return;

      const sent = await chunksOf(await here.send());
      expectAnswer(sent);
      return expectWhole(here, sent);
    }
    const sent = await chunksOf(response);
    expectAnswer(sent);
    if (fails) expect(here.events.at(-1)).toMatchObject({ durability: 'degraded' });
    clear();
    await expectWhole(here, sent);
  });

  it.each([
    ['reads', isRead],
    ['subscriptions', isSubscription],
  ])('on %s alone', async (_, concerns) => {
    const sessionId = `faults-${++sessions}-`;
    const clear = server.faults.inject(fault, {
      match: (request) => concernsSession(request, sessionId) && concerns(request),
    });
    const here = setUp(sessionId);
    const sent = await chunksOf(await here.send());
    expectAnswer(sent);
    await pause(300);
    clear();
    await expectWhole(here, sent);
  });
});
