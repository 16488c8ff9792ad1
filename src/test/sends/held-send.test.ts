// A send that has no response yet, and the changes of other tabs meanwhile.

import { expect, it, onTestFinished } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { openTab, textOf } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler } from '../fixtures/world.fixture.ts';

it('G4: a tab whose own send waits for its handler shows the changes of other tabs', async () => {
  let letGo = () => {};
  const released = new Promise<void>((resolve) => (letGo = resolve));
  const answer = modelHandler(scriptedModel());
  let isFirst = true;
  const world = createWorld(
    memoryChannel(),
    async (request, info) => {
      const waits = isFirst;
      isFirst = false;
      if (waits) await released;
      return answer(request, info);
    },
    { whenBusy: 'parallel' },
  );
  const [tab, other] = [openTab(world.client(), 's'), openTab(world.client(), 's')];
  onTestFinished(() => [tab, other].forEach((one) => one.close()));
  for (const { session } of [tab, other]) await expect.poll(() => session.getSnapshot().state).toBeDefined();
  const sent = tab.chat.sendMessage({ text: 'count to 2' });
  await expect.poll(() => other.chat.messages.length).toBe(1);
  await other.chat.sendMessage({ text: 'count to 3' });
  await expect.poll(() => tab.chat.messages.map(textOf)).toEqual(['count to 2', 'count to 3', '1 2 3']);
  expect(tab.core.sending).toBe(true);
  expect(tab.chat.status).toBe('submitted');
  letGo();
  await sent;
  await world.settled();
  const { messages } = await world.chat.session('s').read();
  expect(messages.map(textOf)).toEqual(['count to 2', '1 2', 'count to 3', '1 2 3']);
  for (const { chat } of [tab, other]) await expect.poll(() => chat.messages).toEqual(messages);
});
