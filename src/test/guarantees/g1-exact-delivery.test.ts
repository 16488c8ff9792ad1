// G1 as a property: any stream, any batches, any drops of connections, any moment of joining.

import { readUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { memoryChannel } from '../../channel/memory.ts';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import type { Frame } from '../../protocol/frames.ts';
import { createSseParser } from '../../protocol/sse.ts';
import { chunkStreams } from '../fixtures/chunks.fixture.ts';
import { startUpstashServer, type UpstashServer } from '../../testing/upstash-server.ts';
import { chunkHandler, createWorld, sendBody, type Client } from '../fixtures/world.fixture.ts';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));

async function fold(chunks: readonly UIMessageChunk[]): Promise<UIMessage | undefined> {
  let message: UIMessage | undefined;
  const stream = new ReadableStream<UIMessageChunk>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(structuredClone(chunk));
      controller.close();
    },
  });
  for await (const snapshot of readUIMessageStream({ stream, onError: () => {} })) message = snapshot;
  return message && (JSON.parse(JSON.stringify(message)) as UIMessage);
}

/** Reads a session through connections that break after these many bytes, until its first run has ended. */
async function view(client: Client, id: string, drops: readonly number[]): Promise<Frame[]> {
  const frames: Frame[] = [];
  let cursor: string | undefined;
  for (let connection = 0; ; connection++) {
    client.limit = () => drops[connection];
    const after = cursor === undefined ? '' : `&after=${encodeURIComponent(cursor)}`;
    const abort = new AbortController();
    const response = await client.fetch(`/api/chat?id=${id}${after}`, { signal: abort.signal });
    let ended = false;
    /** Frames without an id belong to the next id: after a drop they come again. */
    let group: Frame[] = [];
    const decoder = new TextDecoder();
    const feed = createSseParser((event) => {
      const frame = JSON.parse(event.data) as Frame;
      group.push(frame);
      if (event.id === undefined) return;
      cursor = event.id;
      frames.push(...group);
      ended ||= group.some(
        (one) =>
          one.type === 'run-end' ||
          (one.type === 'snapshot' && one.messages.length > 0 && one.runs.length === 0),
      );
      group = [];
    });
    try {
      for await (const bytes of response.body!) {
        feed(decoder.decode(bytes, { stream: true }));
        if (ended) break;
      }
    } catch {
      // The intended drop.
    }
    abort.abort();
    if (ended) return frames;
  }
}

/** The chunks that frames bring; a snapshot's are compacted. */
function chunksOf(frames: readonly Frame[]): UIMessageChunk[] {
  let count = 0;
  return frames.flatMap((frame): UIMessageChunk[] => {
    if (frame.type === 'snapshot') {
      count = frame.runs[0]?.count ?? 0;
      return [...(frame.runs[0]?.chunks ?? [])];
    }
    if (frame.type !== 'chunks') return [];
    expect(frame.from).toBe(count);
    count += frame.chunks.length;
    return [...frame.chunks];
  });
}

/** A source that a test releases chunk by chunk. */
function gatedSource(chunks: readonly UIMessageChunk[]) {
  let allowed = 0;
  let notify: () => void = () => {};
  return {
    release(count: number) {
      allowed = Math.max(allowed, count);
      notify();
    },
    async *produce() {
      for (const [index, chunk] of chunks.entries()) {
        while (index >= allowed) await new Promise<void>((resolve) => (notify = resolve));
        yield chunk;
      }
    },
  };
}

const plans = fc.record({
  chunks: chunkStreams(),
  /** Where the model pauses, as fractions of the stream. */
  pauses: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }),
  viewers: fc.array(
    fc.record({
      /** After which pause it joins; 0 is before the send. */
      joins: fc.nat(5),
      drops: fc.array(fc.nat(3_000), { maxLength: 6 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
});

function describeDelivery(name: string, open: () => Channel, runs: number): void {
  it(`G1: every viewer ends with exactly what the model emitted, on ${name} (seed ${seed})`, async () => {
    const channel = open();
    let count = 0;
    await fc.assert(
      fc.asyncProperty(plans, async ({ chunks, pauses, viewers }) => {
        const id = `${name}-${++count}`;
        const source = gatedSource(chunks);
        const world = createWorld(channel, chunkHandler(source.produce), { flushIntervalMs: 1 });
        const views: Promise<Frame[]>[] = [];
        const join = (pause: number) => {
          for (const viewer of viewers) {
            if (viewer.joins === pause) views.push(view(world.client(), id, viewer.drops));
          }
        };
        join(0);
        const sender = world.client();
        const response = await sender.fetch('/api/chat', { method: 'POST', body: sendBody(id, 'go') });
        const sent: UIMessageChunk[] = [];
        const reading = (async () => {
          const feed = createSseParser(({ data, id: position }) => {
            if (data === '[DONE]') return;
            sent.push(JSON.parse(data) as UIMessageChunk);
            // The first chunk says where the stream begins; the others count on.
            expect(position).toBe(sent.length === 1 ? '1' : undefined);
          });
          const decoder = new TextDecoder();
          for await (const bytes of response.body!) feed(decoder.decode(bytes, { stream: true }));
        })();
        const stops = pauses.map((part) => Math.floor(part * chunks.length)).sort((a, b) => a - b);
        for (const [index, stop] of stops.entries()) {
          source.release(stop);
          await new Promise((resolve) => setImmediate(resolve));
          join(index + 1);
        }
        source.release(chunks.length);
        await reading;
        await world.settled();
        // What the model emitted, under the message id that the server gave.
        const emitted = JSON.parse(JSON.stringify(chunks)) as UIMessageChunk[];
        const start = sent[0] as { type: string; messageId?: string };
        expect(start.type).toBe('start');
        const named = emitted.map((chunk) =>
          chunk.type === 'start' ? { ...chunk, messageId: start.messageId } : chunk,
        );
        const expected = emitted[0]?.type === 'start' ? named : [sent[0], ...named];
        expect(sent).toEqual(expected);
        const whole = await fold(sent);
        for (const frames of await Promise.all(views)) {
          const first = frames[0];
          if (first?.type === 'snapshot' && first.messages.length > 0 && first.runs.length === 0) {
            // It joined after the end.
            expect(first.messages).toEqual((await world.chat.session(id).read()).messages);
            continue;
          }
          const got = chunksOf(frames);
          // A viewer from the beginning has each chunk unchanged. A viewer that joined has chunks that build the same
          // message.
          if (first?.type === 'snapshot' && first.runs.length === 0) expect(got).toEqual(expected);
          expect(await fold(got)).toEqual(whole);
        }
        const { messages } = await world.chat.session(id).read();
        const late = (await world.chat.session(id).follow()[Symbol.asyncIterator]().next()).value;
        expect(late?.frame).toMatchObject({ type: 'snapshot', messages, runs: [] });
      }),
      { seed, numRuns: runs, endOnFailure: true },
    );
  }, 120_000);
}

describe('exact delivery', () => {
  let server: UpstashServer;
  beforeAll(async () => {
    server = await startUpstashServer();
  });
  afterAll(() => server.close());

  describeDelivery('memory', memoryChannel, 150);
  describeDelivery('upstash', () => upstashChannel({ url: server.url, token: server.token }), 60);
});
