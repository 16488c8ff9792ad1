// @vitest-environment jsdom
// A component that shows one chat after the other: the previous chat keeps its options.

import { expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { createStorage } from '../fixtures/browser.fixture.ts';
import { cleanUp, mount } from '../fixtures/hooks.fixture.tsx';
import { textOf } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler } from '../fixtures/world.fixture.ts';
import { useDurableChat } from '../../react/use-durable-chat.ts';

it('G5: a message sent without a network is delivered with the options of its chat', async () => {
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
  cleanUp.push(() => world.settled());
  const client = world.client();
  const storage = createStorage();
  const bodies: unknown[] = [];
  const fetchOf: typeof fetch = (input, init) => {
    if (init?.method === 'POST' && !client.refuse) bodies.push([input, JSON.parse(init.body as string)]); // the SDK's own
    return client.fetch(input, init);
  };
  const finished: string[] = [];
  const optionsOf = (id: string) => ({
    id,
    api: `/api/chat?chat=${id}`,
    body: { of: id },
    fetch: fetchOf,
    outbox: storage,
    onFinish: () => void finished.push(id),
  });
  const view = mount((options) => useDurableChat(options), optionsOf('one'));
  const session = () => (view.chat as ReturnType<typeof useDurableChat>).session;
  await expect.poll(() => session().getSnapshot().state).toBeDefined();
  client.refuse = true;
  client.cut();
  void view.chat.sendMessage({ text: 'count to 2' });
  await expect
    .poll(() => client.requests.filter(({ method }) => method === 'POST').length)
    .toBeGreaterThan(0);
  await view.render(optionsOf('two'));
  client.refuse = false;
  await expect.poll(() => finished, { timeout: 10_000 }).toEqual(['one']);
  await world.settled();
  const { messages } = await world.chat.session('one').read();
  expect(messages.map(textOf)).toEqual(['count to 2', '1 2']);
  expect(bodies).toMatchObject([['/api/chat?chat=one', { id: 'one', of: 'one' }]]);
  expect(storage.entries.size).toBe(0);
}, 15_000);
