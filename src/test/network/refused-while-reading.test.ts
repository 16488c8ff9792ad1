// A viewer whose permission to read is refused in the middle of an answer, and is back before its end.

import type { UIMessageChunk } from 'ai';
import { expect, it, onTestFinished } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { openTab, textOf } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld } from '../fixtures/world.fixture.ts';

it.each(['another client', 'the viewer'])('it reads on the run of %s', async (sender) => {
  let isAllowed = true;
  /** What the handler waits for before its next chunk. */
  let next = () => {};
  const world = createWorld(
    memoryChannel(),
    chunkHandler(async function* (): AsyncGenerator<UIMessageChunk> {
      yield { type: 'start' };
      yield { type: 'text-start', id: 't' };
      for (let n = 0; n < 4; n++) {
        yield { type: 'text-delta', id: 't', delta: `${n} ` };
        await new Promise<void>((resolve) => (next = resolve));
      }
      yield { type: 'text-end', id: 't' };
      yield { type: 'finish' };
    }),
    {
      reauthorizeMs: 20,
      authorize: ({ request, action }) =>
        action !== 'read' || isAllowed || !request.headers.has('x-viewer') ? { userId: 'u' } : false,
    },
  );
  const open = (headers: Record<string, string>) => {
    const tab = openTab(world.client(), 's', { headers });
    onTestFinished(() => tab.close());
    return tab;
  };
  const viewer = open({ 'x-viewer': 'yes' });
  const other = open({});
  const shown = () => textOf(viewer.chat.messages.at(-1));
  for (const { session } of [viewer, other])
    await expect.poll(() => session.getSnapshot().connection).toBe('connected');

  const sent = (sender === 'the viewer' ? viewer : other).chat.sendMessage({ text: 'hello' });
  await expect.poll(shown).toBe('0 ');
  isAllowed = false;
  if (sender === 'the viewer') viewer.client.cut();
  await expect.poll(() => viewer.chat.status).toBe('error');
  expect(viewer.session.getSnapshot().connection).toBe('closed');
  expect(viewer.chat.error).toBe(viewer.session.getSnapshot().error);
  next();
  await expect.poll(() => textOf(other.chat.messages.at(-1))).toBe('0 1 ');
  expect(shown()).toBe('0 ');

  isAllowed = true;
  // As when its page is visible again.
  viewer.core.live.subscription.start();
  await expect.poll(shown).toBe('0 1 ');
  expect(viewer.chat.status).toBe('streaming');
  next();
  await expect.poll(shown).toBe('0 1 2 ');
  expect(viewer.chat.messages).toHaveLength(2);
  next();
  await expect.poll(shown).toBe('0 1 2 3 ');
  next();
  await expect.poll(() => viewer.chat.status).toBe('ready');
  await sent;
  await world.settled();
  expect(viewer.chat.messages).toEqual((await world.chat.session('s').read()).messages);
});
