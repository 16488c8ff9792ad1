// A client on a simulated clock: its hours pass at once.

import type { UIMessageChunk } from 'ai';
import { expect, it, onTestFinished } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { bindChat } from '../../client/chat/bind-chat.ts';
import { simulatedTime } from '../fixtures/simulated-time.fixture.ts';
import { PlainChat } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld } from '../fixtures/world.fixture.ts';

const hour = 3_600_000;

it('repeats a send, and takes over a tool call, when its own clock says so', async () => {
  const time = simulatedTime();
  const world = createWorld(
    memoryChannel({}, time),
    chunkHandler(function* (): Generator<UIMessageChunk> {
      yield { type: 'start' };
      yield { type: 'tool-input-available', toolCallId: 'c', toolName: 'ask', input: {} };
      yield { type: 'finish' };
    }),
    {},
    time,
  );
  const { fetch } = world.client();
  const posts: unknown[] = [];
  const calls: string[] = [];
  const open = (name: string) => {
    const options = {
      id: 's',
      fetch: async (input: RequestInfo | URL, init?: RequestInit) => {
        if (init?.method === 'POST' && posts.push(input) < 3) throw new TypeError('Failed to fetch');
        return fetch(input, init);
      },
      retryDelay: () => hour,
      takeOverAfterMs: hour,
      onToolCall: () => void calls.push(name),
    };
    const bound = bindChat(options, (init) => new PlainChat(init), time);
    const disconnect = bound.connect();
    onTestFinished(disconnect);
    return { ...bound, disconnect };
  };
  const tab = open('own');
  const other = open('other');
  for (const { session } of [tab, other])
    await expect.poll(() => session.getSnapshot().state !== undefined).toBe(true);
  const sent = tab.chat.sendMessage({ text: 'hello' });
  await expect.poll(() => posts.length).toBe(1);
  await time.advance(hour - 1);
  expect(posts.length).toBe(1);
  await time.advance(1);
  expect(posts.length).toBe(2);
  await time.advance(hour);
  await sent;
  await expect.poll(() => calls).toEqual(['own']);

  tab.disconnect();
  expect(calls).toEqual(['own']);
  // Its claim ends within five minutes.
  await time.advance(2 * hour);
  await expect.poll(() => calls).toEqual(['own', 'other']);
});
