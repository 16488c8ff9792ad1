// @vitest-environment jsdom
// The same handler on a plain route with useChat, and on a durable route with useDurableChat.

import { describe, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { durableList } from '../compare/durable-list.fixture.ts';
import { cleanUp, hooks, network } from '../fixtures/hooks.fixture.tsx';
import { record, type Trace } from '../compare/record.fixture.tsx';
import type { Played } from '../compare/played.fixture.ts';
import { scenarios } from '../compare/scenarios.fixture.ts';
import { createList, differences } from '../compare/meant.fixture.ts';
import { answers, onPlainRoute } from '../compare/plain-route.fixture.ts';
import { createScript } from '../compare/script.fixture.ts';
import { createWorld } from '../fixtures/world.fixture.ts';

const onDurable = scenarios.filter(([, { plainOnly }]) => plainOnly === undefined);

async function onDurableRoute(scenario: Played): Promise<Trace> {
  const script = createScript();
  const answer = answers(scenario, script);
  let isBefore = scenario.before !== undefined;
  const world = createWorld(memoryChannel(), () => {
    const first = isBefore && scenario.stream?.(script);
    isBefore = false;
    return first || answer();
  });
  cleanUp.push(() => world.settled());
  const { GET, POST, DELETE } = world.routes;
  if (scenario.before) {
    const body = JSON.stringify({ id: 's', trigger: 'submit-message', messages: scenario.before });
    await POST(new Request('http://durable.test/api/chat', { method: 'POST', body }));
  }
  return record(scenario, {
    hook: hooks.useDurableChat,
    network: network({ GET, POST, DELETE }),
    turn: () => new Promise((resolve) => setTimeout(resolve, 12)),
    go: script.go,
    counts: () => true,
  });
}

const list = createList(durableList);

describe('on a durable route an app sees the listed differences, and no others', () => {
  it.each(onDurable)('%s', async (name, scenario) => {
    const plain = await onPlainRoute(hooks.useChat, scenario);
    expect(list.check(name, differences(plain, await onDurableRoute(scenario)))).toEqual({
      unlisted: [],
      gone: [],
    });
  });

  it('each difference that is listed for any scenario occurred in one', () => {
    expect(list.unseen()).toEqual([]);
  });
});
