// A run that its client reads from the POST: its chunks come once, and what the POST does not bring comes on the
// subscription.

import type { UIMessageChunk } from 'ai';
import { expect, it, onTestFinished } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { bindChat } from '../../client/chat/bind-chat.ts';
import { sleep } from '../../lib/time.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { simulatedTime } from '../fixtures/simulated-time.fixture.ts';
import { openTab, PlainChat, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import {
  chunkHandler,
  createWorld,
  modelHandler,
  type Client,
  type World,
} from '../fixtures/world.fixture.ts';

const count = (n: number) => Array.from({ length: n }, (_, index) => String(index + 1)).join(' ');

type Bodies = (method: string, body: ReadableStream<Uint8Array>) => ReadableStream<Uint8Array>;

/** A client whose answers pass through `change`. */
function through(client: Client, change: Bodies): Client {
  return {
    ...client,
    fetch: async (input, init) => {
      const response = await client.fetch(input, init);
      return new Response(response.body && change(init?.method ?? 'GET', response.body), response);
    },
  };
}

/** Passes text on when `take` allows it; records it. */
function recorded(texts: string[], ready: () => Promise<void> = async () => {}) {
  const decoder = new TextDecoder();
  return new TransformStream<Uint8Array, Uint8Array>({
    async transform(part, controller) {
      await ready();
      texts.push(decoder.decode(part, { stream: true }));
      controller.enqueue(part);
    },
  });
}

async function open(world: World, change: Bodies, init: Parameters<typeof openTab>[2] = {}): Promise<Tab> {
  const tab = openTab(through(world.client(), change), 's', init);
  onTestFinished(() => tab.close());
  await expect.poll(() => tab.session.getSnapshot().connection).toBe('connected');
  return tab;
}

it('its chunks do not come on the subscription as well', async () => {
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
  const frames: string[] = [];
  const tab = await open(world, (method, body) =>
    method === 'GET' ? body.pipeThrough(recorded(frames)) : body,
  );
  await tab.chat.sendMessage({ text: 'count to 50 at 500/s' });
  await expect.poll(() => frames.join('')).toContain('"type":"run-end"');
  expect(frames.join('')).not.toContain('"type":"chunks"');
  expect(tab.chat.messages.map(textOf)).toEqual(['count to 50 at 500/s', count(50)]);
});

it('G1: the answer is whole although its end comes first on the subscription', async () => {
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
  const frames: string[] = [];
  const hasEnded = () => frames.join('').includes('"type":"run-end"');
  // The first part names the run; the others are late.
  let parts = 0;
  const late = async () => {
    if (parts++ > 1) await expect.poll(hasEnded).toBe(true);
  };
  const finished: string[] = [];
  const tab = await open(
    world,
    (method, body) => body.pipeThrough(method === 'GET' ? recorded(frames) : recorded([], late)),
    { onFinish: ({ message }) => void finished.push(textOf(message)) },
  );
  await tab.chat.sendMessage({ text: 'count to 50 at 500/s' });
  expect(finished).toEqual([count(50)]);
  expect(tab.chat.messages.map(textOf)).toEqual(['count to 50 at 500/s', count(50)]);
});

it('G1: the rest comes on the subscription when the POST breaks off, and when its answer is lost', async () => {
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
  const client = world.client();
  const tab = openTab(client, 's');
  onTestFinished(() => tab.close());
  await expect.poll(() => tab.session.getSnapshot().connection).toBe('connected');
  client.limit = (method) => (method === 'POST' ? 2_000 : undefined);
  await tab.chat.sendMessage({ text: 'count to 200 at 500/s' });
  expect(textOf(tab.chat.messages.at(-1))).toBe(count(200));
  client.limit = () => undefined;
  let losses = 0;
  client.lose = (method) => method === 'POST' && losses++ === 0;
  await tab.chat.sendMessage({ text: 'count to 100 at 500/s' });
  expect(textOf(tab.chat.messages.at(-1))).toBe(count(100));
  await world.settled();
  expect(tab.chat.messages).toHaveLength(4);
});

it('G1: the rest comes on the subscription when the POST falls silent, and not while it is alive', async () => {
  const time = simulatedTime();
  const world = createWorld(
    memoryChannel({}, time),
    chunkHandler(async function* (): AsyncGenerator<UIMessageChunk> {
      yield { type: 'start' };
      yield { type: 'text-start', id: 't' };
      for (let n = 0; n < 4; n++) {
        yield { type: 'text-delta', id: 't', delta: `${n} ` };
        // Longer than a connection may be silent: meanwhile it is kept alive.
        await sleep(time, 40_000);
      }
      yield { type: 'text-end', id: 't' };
      yield { type: 'finish' };
    }),
    {},
    time,
  );
  let isHalfOpen = false;
  const client = through(world.client(), (method, body) =>
    method === 'GET'
      ? body
      : body.pipeThrough(
          new TransformStream<Uint8Array, Uint8Array>({
            transform: (part, controller) => (isHalfOpen ? undefined : controller.enqueue(part)),
          }),
        ),
  );
  const finished: string[] = [];
  const { chat, session, connect } = bindChat(
    {
      id: 's',
      fetch: client.fetch,
      onFinish: ({ message }) => void finished.push(textOf(message)),
    },
    (init) => new PlainChat(init),
    time,
  );
  onTestFinished(connect());
  await expect.poll(() => session.getSnapshot().connection).toBe('connected');
  const requests = () => client.requests.filter(({ method }) => method === 'GET').length;
  const sent = chat.sendMessage({ text: 'hello' });
  await expect.poll(() => textOf(chat.messages.at(-1))).toBe('0 ');
  const before = requests();
  await time.advance(60_000);
  await expect.poll(() => textOf(chat.messages.at(-1))).toBe('0 1 ');
  expect(requests()).toBe(before);
  isHalfOpen = true;
  await time.advance(55_000);
  await expect.poll(() => textOf(chat.messages.at(-1))).toBe('0 1 2 ');
  await time.advance(60_000);
  await sent;
  expect(finished).toEqual(['0 1 2 3 ']);
});
