// A stop before the client knows whether the route has sessions.

import { describe, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { openTab, textOf } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler } from '../fixtures/world.fixture.ts';

describe('a stop before the first answer of the route', () => {
  /** A route whose first answer to GET waits, the requests that it gets, and a tab on it. */
  function slow() {
    const model = scriptedModel();
    const world = createWorld(memoryChannel(), modelHandler(model));
    const client = world.client();
    let open: () => void = () => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    const { fetch } = client;
    const methods: string[] = [];
    const late: typeof fetch = async (input, init) => {
      methods.push(init?.method ?? 'GET');
      if (init?.method === 'GET') await opened;
      return fetch(input, init);
    };
    return { world, model, client: { ...client, fetch: late }, open: () => open(), methods };
  }

  it('G3: waits for the answer, and stops a run from before', async () => {
    const { world, model, client, open, methods } = slow();
    const earlier = openTab(world.client(), 'early stop');
    const sent = earlier.chat.sendMessage({ text: 'count to 100000 at 100/s' });
    await expect.poll(() => textOf(earlier.chat.messages.at(-1))).toContain('2');
    const tab = openTab(client, 'early stop');
    const stopped = tab.stop();
    await new Promise((resolve) => setImmediate(resolve));
    expect(methods).not.toContain('DELETE');
    open();
    expect((await stopped).stopped.length).toBe(1);
    await sent;
    expect(model.calls[0]?.aborted).toBe(true);
    for (const one of [earlier, tab]) one.close();
    await world.settled();
  });

  it('G3: a send that has become a run is stopped at once', async () => {
    const { world, model, client, open } = slow();
    const tab = openTab(client, 'early send');
    const sent = tab.chat.sendMessage({ text: 'count to 100000 at 100/s' });
    await expect.poll(() => textOf(tab.chat.messages.at(-1))).toContain('2');
    expect((await tab.stop()).stopped.length).toBe(1);
    await sent;
    expect(model.calls[0]?.aborted).toBe(true);
    open();
    tab.close();
    await world.settled();
  });

  it('rejects with `network` if the route cannot be reached', async () => {
    const client = createWorld(memoryChannel(), modelHandler(scriptedModel())).client();
    client.refuse = true;
    const tab = openTab(client, 'unreachable');
    await expect(tab.stop()).rejects.toMatchObject({ code: 'network' });
    expect(client.requests.map(({ method }) => method)).not.toContain('DELETE');
    tab.close();
  });
});
