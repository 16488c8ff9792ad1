// @vitest-environment jsdom
// The status that a component renders never flashes: it is not `ready` while an answer continues, and not `streaming`
// once it was stopped.

import { lastAssistantMessageIsCompleteWithToolCalls, type UIMessage, type UIMessageChunk } from 'ai';
import { beforeEach, expect, it } from 'vitest';
import { createRoot } from 'react-dom/client';
import { memoryChannel } from '../../channel/memory.ts';
import type { DurableChatOptions, Handler } from '../../index.ts';
import {
  useDurableChat,
  type UseDurableChatHelpers,
  type UseDurableChatOptions,
} from '../../react/use-durable-chat.ts';
import { answer, cleanUp, gate, isAi7, streamOf } from '../fixtures/hooks.fixture.tsx';
import { textOf } from '../fixtures/tab.fixture.ts';
import { createWorld, type Client } from '../fixtures/world.fixture.ts';

let client: Client;
let statuses: string[];
let shown: UseDurableChatHelpers<UIMessage> | undefined;

beforeEach(() => {
  statuses = [];
  shown = undefined;
});

/** The helpers of the latest render. */
const chat = () => {
  if (!shown) throw new Error('It has not rendered yet.');
  return shown;
};

/** A connected component, and the statuses that it renders from now on. */
async function show(
  handler: Handler,
  options: UseDurableChatOptions<UIMessage> = {},
  server: Omit<DurableChatOptions, 'channel'> = {},
) {
  const world = createWorld(memoryChannel(), handler, server);
  cleanUp.push(() => world.settled());
  client = world.client();
  function Component() {
    shown = useDurableChat({ id: 's', fetch: client.fetch, ...options });
    if (statuses.at(-1) !== shown.status) statuses.push(shown.status);
    return null;
  }
  const root = createRoot(document.createElement('div'));
  root.render(<Component />);
  cleanUp.push(() => root.unmount());
  await expect.poll(() => shown?.connection).toBe('connected');
  await expect.poll(() => chat().session.getSnapshot().state).toBeDefined();
  statuses = [chat().status];
  return world;
}

/** The answer as a step, so that a call before it is not the last step's. */
function* stepOf([start, ...chunks]: Iterable<UIMessageChunk>): Generator<UIMessageChunk> {
  if (start) yield start;
  yield { type: 'start-step' };
  yield* chunks;
}

/** An answer whose end waits for `opened`, or for its stop. */
async function* long(signal: AbortSignal, opened: Promise<void>): AsyncGenerator<UIMessageChunk> {
  yield { type: 'start' };
  yield { type: 'text-start', id: '1' };
  yield { type: 'text-delta', id: '1', delta: 'long' };
  await Promise.race([opened, new Promise((resolve) => signal.addEventListener('abort', resolve))]);
  if (signal.aborted) return yield { type: 'abort' };
  yield { type: 'text-end', id: '1' };
  yield { type: 'finish' };
}

it.each([
  // `ai` 6 itself is `ready` for a moment if the output is there before the answer ends.
  ...(isAi7 ? [['at once', 0] as const] : []),
  ['later', 100] as const,
])('between the rounds of a client tool whose output comes %s', async (_, afterMs) => {
  await show(
    async (request) => {
      const { messages } = (await request.json()) as { messages: UIMessage[] };
      if (messages.at(-1)?.role === 'assistant') return streamOf(stepOf(answer('done')));
      return streamOf<UIMessageChunk>([
        { type: 'start' },
        { type: 'tool-input-available', toolCallId: 'call', toolName: 'where', input: {} },
        { type: 'finish' },
      ]);
    },
    {
      sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
      onToolCall: () => {
        const output = () =>
          void chat().addToolOutput({ tool: 'where', toolCallId: 'call', output: 'Lisbon' });
        if (afterMs === 0) output();
        else setTimeout(output, afterMs);
      },
    },
  );
  void chat().sendMessage({ text: 'Hello' });
  await expect.poll(() => textOf(chat().messages.at(-1))).toBe('done');
  await expect.poll(() => chat().status).toBe('ready');
  // A call without an output waits for the app, so the chat is ready meanwhile.
  const waits = afterMs === 0 ? '' : ' ready';
  expect(statuses.join(' ')).toMatch(
    new RegExp(`^ready submitted streaming${waits}( submitted| streaming)+ ready$`),
  );
});

it('after a stop before the first token', async () => {
  const { opened } = gate();
  await show(
    ({ signal }) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve(streamOf(long(signal, opened))));
      }),
  );
  void chat().sendMessage({ text: 'Hello' });
  await expect.poll(() => chat().runs.length).toBe(1);
  await chat().stop();
  await expect.poll(() => chat().runs).toEqual([]);
  expect(statuses).toEqual(['ready', 'submitted', 'ready']);
});

it('after a stop that waits for the network', async () => {
  const { opened } = gate();
  await show(({ signal }) => streamOf(long(signal, opened)));
  void chat().sendMessage({ text: 'Hello' });
  await expect.poll(() => textOf(chat().messages.at(-1))).toBe('long');
  client.refuse = true;
  client.cut();
  const stopped = chat().stop();
  await expect.poll(() => chat().runs).toMatchObject([{ status: 'stopping' }]);
  await expect.poll(() => chat().status).toBe('ready');
  client.refuse = false;
  expect((await stopped).stopped.length).toBe(1);
  await expect.poll(() => chat().runs).toEqual([]);
  await expect.poll(() => chat().connection).toBe('connected');
  expect(statuses).toEqual(['ready', 'submitted', 'streaming', 'ready']);
});

it('after a message that the running answer takes', async () => {
  const { opened, open } = gate();
  let taken: Promise<readonly unknown[]> | undefined;
  await show(
    ({ signal }, { run }) =>
      streamOf(
        (async function* () {
          for await (const chunk of long(signal, opened)) {
            if (chunk.type === 'text-end') taken = run.takeMessages();
            await taken;
            yield chunk;
          }
        })(),
      ),
    { body: { whenBusy: 'steer' } },
    { allowWhenBusy: ['steer'] },
  );
  void chat().sendMessage({ text: 'Hello' });
  await expect.poll(() => textOf(chat().messages.at(-1))).toBe('long');
  const steered = chat().sendMessage({ text: 'and more' });
  await expect.poll(() => chat().runs.length).toBe(2);
  open();
  await steered;
  await expect.poll(() => chat().runs).toEqual([]);
  await expect.poll(() => chat().status).toBe('ready');
  expect(await taken).toHaveLength(1);
  expect(statuses.join(' ')).toMatch(/^ready submitted streaming( submitted)?( streaming)? ready$/);
});

it('when a message is sent while a stop is on its way', async () => {
  const { opened, open } = gate();
  await show(async (request) => {
    const { messages } = (await request.json()) as { messages: UIMessage[] };
    if (textOf(messages.at(-1)) === 'first') return streamOf(long(request.signal, opened));
    await opened;
    return streamOf(answer('second'));
  });
  void chat().sendMessage({ text: 'first' });
  await expect.poll(() => textOf(chat().messages.at(-1))).toBe('long');
  const stopped = chat().stop();
  void chat().sendMessage({ text: 'more' });
  await stopped;
  await expect.poll(() => chat().runs).toMatchObject([{ status: 'running' }]);
  open();
  await expect.poll(() => textOf(chat().messages.at(-1))).toBe('second');
  await expect.poll(() => chat().status).toBe('ready');
  expect(statuses.join(' ')).toMatch(/^ready submitted streaming submitted streaming ready$/);
});
