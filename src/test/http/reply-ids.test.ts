// The ids of an answer count exactly the chunks of its run, in order. Other events do not belong to the run.

import type { UIMessage, UIMessageChunk } from 'ai';
import { expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { memoryChannel } from '../../channel/memory.ts';
import { chunkCounts, createSseParser } from '../../protocol/sse.ts';
import { createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';
import { answerOf } from '../fixtures/answers.fixture.ts';

const url = 'http://durable.test/api/chat';
const post = (world: World, body: string) => world.routes.POST(new Request(url, { method: 'POST', body }));

const said: UIMessageChunk[] = answerOf('said');
const call: UIMessageChunk = { type: 'tool-input-available', toolCallId: 'c', toolName: 'ask', input: {} };

/** Answers with these chunks; the last one waits for the gate. */
const answering =
  (chunks: () => UIMessageChunk[], gate: Promise<void> = Promise.resolve()) =>
  () =>
    new ReadableStream<UIMessageChunk>({
      async start(controller) {
        const all = chunks();
        for (const chunk of all.slice(0, -1)) controller.enqueue(chunk);
        await gate;
        controller.enqueue(all.at(-1)!);
        controller.close();
      },
    });

function newGate() {
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  return { gate, open };
}

interface Event {
  /** How many chunks the run has with it. */
  readonly count: number | undefined;
  readonly type: string;
}

async function eventsOf(response: Response): Promise<Event[]> {
  const events: Event[] = [];
  const count = chunkCounts();
  createSseParser(({ data, id }) => {
    if (data !== '[DONE]') events.push({ count: count(id), type: (JSON.parse(data) as UIMessageChunk).type });
  })(await response.text());
  return events;
}

/** How many chunks the log says that the run had. */
async function countOf(channel: Channel, runId: string | null): Promise<number> {
  const frames = (await channel.readLog('s', '')).flatMap((entry) => entry.frames);
  const end = frames.find((frame) => frame.type === 'run-end' && frame.runId === runId);
  return end?.type === 'run-end' ? end.chunks : NaN;
}

async function expectIds(channel: Channel, response: Response, others: readonly string[]): Promise<void> {
  const events = await eventsOf(response);
  const length = await countOf(channel, response.headers.get('x-durable-run'));
  const counts = events.flatMap(({ count }) => count ?? []);
  expect(counts).toEqual(Array.from({ length }, (_, index) => index + 1));
  expect(events.filter(({ count }) => count === undefined).map(({ type }) => type)).toEqual(others);
}

it('an edit that loses to another one at the same moment gets an error', async () => {
  const store = memoryChannel();
  let claims = 0;
  const both = newGate();
  const channel: Channel = {
    ...store,
    async reserve(...args) {
      if (++claims === 3) both.open();
      return store.reserve(...args);
    },
    async append(sessionId, entry, options) {
      if (claims > 1 && entry.key.endsWith(' start')) await both.gate;
      return store.append(sessionId, entry, options);
    },
  };
  const world = createWorld(
    channel,
    answering(() => said),
  );
  await (await post(world, sendBody('s', 'one', 'u'))).text();
  const edit = (text: string) =>
    post(world, JSON.stringify({ ...(JSON.parse(sendBody('s', text, 'u')) as object), messageId: 'u' }));
  const [lost, won] = await Promise.all([edit('two'), edit('three')]);
  await expectIds(channel, won, []);
  await expectIds(channel, lost, ['error']);
  await world.settled();
});

it('a send that was posted twice, and failed before its first chunk', async () => {
  const channel = memoryChannel();
  const { gate, open } = newGate();
  let isCalled = false;
  const world = createWorld(channel, async () => {
    isCalled = true;
    await gate;
    throw new Error('no answer');
  });
  const first = post(world, sendBody('s', 'one'));
  await expect.poll(() => isCalled).toBe(true);
  const second = await post(world, sendBody('s', 'one'));
  open();
  expect((await first).status).toBe(500);
  await expectIds(channel, second, ['error']);
});

it('a run that continues a message, read the way the AI SDK resumes', async () => {
  const channel = memoryChannel();
  const { gate, open } = newGate();
  let calls = 0;
  const world = createWorld(channel, () =>
    calls++ === 0
      ? answering(() => [{ type: 'start' }, call, { type: 'finish' }])()
      : answering(() => said, gate)(),
  );
  await (await post(world, sendBody('s', 'one'))).text();
  await world.settled();
  const { messages } = await world.chat.session('s').read();
  const asked = messages[1]!;
  const [part] = asked.parts;
  const answered = {
    ...asked,
    parts: [{ ...part, state: 'output-available', output: 1 } as UIMessage['parts'][number]],
  };
  const body = { id: 's', trigger: 'submit-message', messages: [messages[0], answered] };
  const continued = await post(world, JSON.stringify(body));
  const resumed = await world.routes.GET(new Request(`${url}/s/stream`));
  open();
  await continued.text();
  await expectIds(channel, resumed, ['start', 'tool-input-available', 'tool-output-available']);
});

it('a run whose chunks are gone, posted again', async () => {
  const store = memoryChannel();
  const first = createWorld(
    store,
    answering(() => said),
  );
  await (await post(first, sendBody('s', 'one'))).text();
  await first.settled();
  const gone: Channel = { ...store, readRun: async () => ({ chunks: [] }) };
  const events = await eventsOf(
    await post(
      createWorld(
        gone,
        answering(() => said),
      ),
      sendBody('s', 'one'),
    ),
  );
  expect(events.length).toBeGreaterThan(2);
  expect(events.filter(({ count }) => count !== undefined)).toEqual([]);
});
