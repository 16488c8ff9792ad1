// What an answer costs on the wire, beside the plain route of the AI SDK.

import { createUIMessageStreamResponse, type UIMessageChunk } from 'ai';
import { expect, it } from 'vitest';
import { subscriptionHeader } from '../../protocol/requests.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { readWire } from '../fixtures/wire.fixture.ts';
import { chunkHandler, createWorld, sendBody } from '../fixtures/world.fixture.ts';

const { stores } = useStores();
const url = 'http://durable.test/api/chat';

const deltas = 500;
const chunks: UIMessageChunk[] = [
  { type: 'start' },
  { type: 'start-step' },
  { type: 'text-start', id: '0' },
  ...Array.from({ length: deltas }, (_, index): UIMessageChunk => ({
    type: 'text-delta',
    id: '0',
    delta: `w${index} `,
  })),
  { type: 'text-end', id: '0' },
  { type: 'finish-step' },
  { type: 'finish' },
];

const sizeOf = async (response: Response) => (await response.arrayBuffer()).byteLength;

async function plainBytes(): Promise<number> {
  const stream = new ReadableStream<UIMessageChunk>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  return sizeOf(createUIMessageStreamResponse({ stream }));
}

it.each(stores)(
  'a client reads at most 1.2 times the bytes of the plain route for an answer of short deltas (%s)',
  async (name, open) => {
    const { routes, settled } = createWorld(
      open()(),
      chunkHandler(async function* () {
        for (const [index, chunk] of chunks.entries()) {
          if (index % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
          yield chunk;
        }
      }),
    );
    const id = `bytes ${name}`;
    const subscription = 'abcdefghijkl';
    const query = new URLSearchParams({ id, subscription });
    const wire = readWire(await routes.GET(new Request(`${url}?${query.toString()}`)));
    await expect.poll(() => wire.frames.length).toBe(1);
    const headers = { [subscriptionHeader]: subscription };
    const body = sendBody(id, 'hello');
    const post = await sizeOf(await routes.POST(new Request(url, { method: 'POST', headers, body })));
    await expect.poll(() => wire.frames.at(-1)?.type).toBe('run-end');
    await wire.close();
    await settled();
    const plain = await plainBytes();
    expect(post / plain).toBeLessThanOrEqual(1.02);
    expect((post + wire.bytes) / plain).toBeLessThanOrEqual(1.2);
  },
);
