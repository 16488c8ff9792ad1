// A client that reads its runs from its POSTs does not get them again, and misses nothing when a POST breaks.

import type { UIMessageChunk } from 'ai';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { systemRuntime } from '../../lib/runtime.ts';
import type { Frame } from '../../protocol/frames.ts';
import { Session } from '../../server/follow/session.ts';
import { openViewer } from '../../server/follow/viewer.ts';
import { subscriptionHeader } from '../../protocol/requests.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { readWire, type Wire } from '../fixtures/wire.fixture.ts';
import { chunkHandler, createWorld, sendBody } from '../fixtures/world.fixture.ts';

const sessionId = 's';
const chunk = (index: number): UIMessageChunk => ({ type: 'text-delta', id: '0', delta: `${index}` });
const indexOf = (one: UIMessageChunk) => (one.type === 'text-delta' ? Number(one.delta) : NaN);
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

interface Known {
  /** How many chunks were written. */
  written: number;
  /** How many chunks the client has, from its POST or from its subscription. */
  has: number;
  /** How many chunks came from the subscription, those of a snapshot included. */
  sent: number;
  /** The client reads the run from its POST, which named the subscription at that time. */
  post: boolean;
  ended: boolean;
}

/** A client with its subscription and its POSTs, and their session. */
function open() {
  const channel = memoryChannel();
  const session = new Session({
    sessionId,
    channel,
    runtime: systemRuntime,
    leaseMs: 15_000,
    onReaped: () => {},
  });
  const runs = new Map<string, Known>();
  const ended = new Set<string>();
  let name = 0;
  let cursor: string | undefined;
  let connection: { readonly leave: AbortController; readonly over: Promise<void> } | undefined;
  let failure: unknown;

  function take(frame: Frame): void {
    if (frame.type === 'snapshot') {
      for (const { runId, count } of frame.runs) {
        const run = runs.get(runId)!; // each of them is ours
        if (run.post) expect(count).toBe(0);
        run.sent = count;
        run.has = Math.max(run.has, count);
      }
      // The snapshot has the chunks so far.
      for (const { runId, chunks } of frame.ended) {
        ended.add(runId);
        runs.get(runId)!.has = chunks;
      }
    }
    if (frame.type === 'run-end') ended.add(frame.runId);
    if (frame.type !== 'chunks') return;
    const run = runs.get(frame.runId)!;
    expect(run.post).toBe(false);
    expect(frame.from).toBe(run.sent);
    expect(frame.chunks.map(indexOf)).toEqual(frame.chunks.map((_, index) => frame.from + index));
    run.sent = frame.from + frame.chunks.length;
    run.has = Math.max(run.has, run.sent);
  }

  async function read(signal: AbortSignal): Promise<void> {
    const viewer = await openViewer(session, { after: cursor, subscriptionId: `name${name}` });
    let group: Frame[] = [];
    for await (const next of viewer.frames(signal)) {
      if (signal.aborted) return;
      group.push(next.frame);
      if (next.cursor === undefined) continue;
      for (const frame of group) take(frame);
      group = [];
      cursor = next.cursor;
    }
  }

  async function reconnect(from: 'cursor' | 'snapshot' = 'cursor'): Promise<void> {
    connection?.leave.abort();
    await connection?.over;
    if (from === 'snapshot') cursor = undefined;
    const leave = new AbortController();
    connection = { leave, over: read(leave.signal).catch((error: unknown) => void (failure ??= error)) };
  }

  const nth = (index: number) => [...runs].filter(([, { ended }]) => !ended).at(index);
  return {
    runs,
    reconnect,
    async start(post: boolean) {
      const runId = `r${runs.size}`;
      runs.set(runId, { written: 0, has: 0, sent: 0, post, ended: false });
      const start = {
        type: 'run-start',
        runId,
        messageId: `m${runId}`,
        trigger: 'submit-message',
        at: 0,
        parallel: true,
        ...(post && { subscriptionId: `name${name}` }),
      } as const;
      const lease = { type: 'take', runId, ms: 60_000 } as const;
      await channel.append(sessionId, { key: `${runId} start`, frames: [start] }, { lease });
    },
    async write(index: number, count: number) {
      const [runId, run] = nth(index) ?? [];
      if (runId === undefined || !run) return;
      const chunks = Array.from({ length: count }, (_, at) => chunk(run.written + at));
      run.written += count;
      // Each chunk goes to the POST at once.
      if (run.post) run.has = run.written;
      await channel.write(sessionId, runId, run.written - count, chunks);
    },
    async end(index: number) {
      const [runId, run] = nth(index) ?? [];
      if (runId === undefined || !run) return;
      run.ended = true;
      const frame = { type: 'run-end', runId, reason: 'finish', chunks: run.written } as const;
      await channel.append(sessionId, { key: `${runId} end`, frames: [frame] }, {});
    },
    /** All POSTs break, and the client subscribes under another name. */
    async break(from: 'cursor' | 'snapshot') {
      name++;
      for (const run of runs.values()) run.post = false;
      await reconnect(from);
    },
    async untilAllEnded() {
      while (ended.size < runs.size && failure === undefined) await turn();
    },
    async close() {
      connection?.leave.abort();
      await connection?.over;
      session.close();
      if (failure !== undefined) throw failure as Error;
    },
  };
}

const from = fc.constantFrom('cursor' as const, 'snapshot' as const);
const operation = fc.oneof(
  fc.record({ type: fc.constant('start' as const), post: fc.boolean() }),
  fc.record({ type: fc.constant('write' as const), index: fc.nat(3), count: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ type: fc.constant('end' as const), index: fc.nat(3) }),
  fc.record({ type: fc.constantFrom('drop' as const, 'break' as const), from }),
  fc.record({ type: fc.constant('turn' as const) }),
);

it('G1: the POSTs and the subscription together bring all chunks, each once while the POSTs last', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 40 }), async (operations) => {
      const client = open();
      await client.reconnect();
      for (const one of operations) {
        if (one.type === 'start') await client.start(one.post);
        else if (one.type === 'write') await client.write(one.index, one.count);
        else if (one.type === 'end') await client.end(one.index);
        else if (one.type === 'drop') await client.reconnect(one.from);
        else if (one.type === 'break') await client.break(one.from);
        else await turn();
      }
      while ([...client.runs.values()].some(({ ended }) => !ended)) await client.end(0);
      await client.untilAllEnded();
      await client.close();
      for (const { has, written } of client.runs.values()) expect(has).toBe(written);
    }),
    { numRuns: 200 },
  );
});

const { stores } = useStores();

it.each(stores)(
  'G1: a POST names its subscription: that one gets no chunks, others do (%s)',
  async (name, open) => {
    const url = 'http://durable.test/api/chat';
    let finish = () => {};
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const handler = chunkHandler(async function* () {
      yield { type: 'start' };
      yield { type: 'text-start', id: '0' };
      yield { type: 'text-delta', id: '0', delta: 'half' };
      await finished;
      yield { type: 'finish' };
    });
    const channelOf = open();
    const [here, elsewhere] = [createWorld(channelOf(), handler), createWorld(channelOf(), handler)];
    const id = `unsent ${name}`;
    const watch = async (query: Record<string, string>) =>
      readWire(
        await elsewhere.routes.GET(new Request(`${url}?${new URLSearchParams({ id, ...query }).toString()}`)),
      );
    const types = ({ frames }: Wire) => frames.map(({ type }) => type);
    const chunksOf = ({ frames }: Wire) =>
      frames.flatMap((frame) => (frame.type === 'chunks' ? frame.chunks.map(({ type }) => type) : []));

    const [own, other] = await Promise.all([watch({ subscription: 'own' }), watch({})]);
    for (const wire of [own, other]) await expect.poll(() => types(wire)).toEqual(['snapshot']);
    const headers = { [subscriptionHeader]: 'own' };
    const post = await here.routes.POST(
      new Request(url, { method: 'POST', headers, body: sendBody(id, 'hi') }),
    );
    await expect.poll(() => chunksOf(other)).toEqual(['start', 'text-start', 'text-delta']);
    expect(types(own)).toEqual(['snapshot', 'message', 'run-start']);
    const late = await watch({ subscription: 'own' });
    await expect.poll(() => late.frames[0]).toMatchObject({ runs: [{ count: 0, chunks: [] }] });
    // No viewer learns the name of another's subscription.
    const unnamed = await watch({});
    await expect.poll(() => types(unnamed)[0]).toBe('snapshot');
    const seen = [own, other, late, unnamed].flatMap(({ frames }) => frames);
    expect(JSON.stringify(seen)).not.toContain('subscriptionId');
    // The POST breaks.
    await post.body!.cancel();
    const again = await watch({ subscription: 'another', after: own.events.at(-1)!.id! });
    await expect.poll(() => chunksOf(again)).toEqual(['start', 'text-start', 'text-delta']);
    finish();
    for (const wire of [own, other, late, again, unnamed]) {
      await expect.poll(() => types(wire).at(-1)).toBe('run-end');
      await wire.close();
    }
    expect([own, late].map(chunksOf)).toEqual([[], []]);
    for (const wire of [other, again]) {
      expect(chunksOf(wire)).toEqual(['start', 'text-start', 'text-delta', 'finish']);
    }
    const bad = new Request(url, {
      method: 'POST',
      headers: { [subscriptionHeader]: 'a b' },
      body: sendBody(id, 'no'),
    });
    expect((await here.routes.POST(bad)).status).toBe(400);
    await here.settled();
  },
);
