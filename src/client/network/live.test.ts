import { afterEach, expect, it, vi } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { openTab, textOf } from '../../test/fixtures/tab.fixture.ts';
import { createWorld, modelHandler } from '../../test/fixtures/world.fixture.ts';

afterEach(() => {
  vi.doUnmock('./live.ts');
  vi.useRealTimers();
});

it('what loads later is asked for again when it does not come; until then a chat is the SDK’s own', async () => {
  let isReachable = false;
  vi.doMock('./live.ts', async (original) => {
    if (!isReachable) throw new TypeError('Failed to fetch dynamically imported module');
    return original();
  });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel({ chunksPerSecond: 1_000 })));
  const tab = openTab(world.client(), 's');
  await tab.chat.sendMessage({ text: 'count to 3' });
  expect(tab.chat.messages.map(textOf)).toEqual(['count to 3', '1 2 3']);
  expect(tab.session.getSnapshot().connection).toBe('connecting');
  vi.doUnmock('./live.ts');
  isReachable = true;
  await vi.advanceTimersByTimeAsync(6_000);
  await expect.poll(() => tab.session.getSnapshot().connection).toBe('connected');
  tab.close();
});
