// @vitest-environment jsdom
// On a route that is not durable, and with the app's own transport, useDurableChat is useChat: an app sees no
// difference in any of these scenarios.

import { DefaultChatTransport } from 'ai';
import { describe, expect, it, vi } from 'vitest';
import type { UseDurableChatHelpers } from '../../react/use-durable-chat.ts';
import { gate, hooks, mount, network, type Message, type Options } from '../fixtures/hooks.fixture.tsx';
import { createList, differences } from '../compare/meant.fixture.ts';
import { plainList } from '../compare/plain-list.fixture.ts';
import { onPlainRoute } from '../compare/plain-route.fixture.ts';
import type { Trace } from '../compare/record.fixture.tsx';
import { text } from '../compare/played.fixture.ts';
import { scenarios } from '../compare/scenarios.fixture.ts';
import { createScript } from '../compare/script.fixture.ts';

const list = createList(plainList);
function same(scenario: string, plain: Trace, durable: Trace): void {
  expect(list.check(scenario, differences(plain, durable))).toEqual({ unlisted: [], gone: [] });
}

/** Not a class of the SDK. */
class OwnTransport extends DefaultChatTransport<Message> {}

describe('the same renders, callbacks, requests and identities as useChat', () => {
  it.each(scenarios)('on a plain route: %s', async (name, scenario) => {
    same(
      name,
      await onPlainRoute(hooks.useChat, scenario),
      await onPlainRoute(hooks.useDurableChat, scenario),
    );
  });

  it.each(scenarios)("with the app's own transport: %s", async (name, scenario) => {
    const options = (fetch: Options['fetch']): Options => {
      // The hook's request options have no effect on the app's own transport.
      const { api, headers, body, credentials, ...prepare } = scenario.options?.({} as never) ?? {};
      const request = { api, headers, body, credentials, fetch, ...prepare };
      return { transport: new OwnTransport(request as object) };
    };
    same(
      name,
      await onPlainRoute(hooks.useChat, scenario, { options }),
      await onPlainRoute(hooks.useDurableChat, scenario, { options }),
    );
  });

  // A resume waits for that answer, and so does a stop that has nothing to stop here.
  it.each(scenarios.filter(([name]) => !/resum|nothing to stop/.test(name)))(
    'on a plain route whose first answer is slow: %s',
    async (name, scenario) => {
      const late = gate();
      const asked = () => late.opened.then(() => new Response(null, { status: 405 }));
      same(
        name,
        await onPlainRoute(hooks.useChat, scenario),
        await onPlainRoute(hooks.useDurableChat, scenario, { asked }),
      );
    },
  );
});

describe('it asks once whether the route has sessions', () => {
  it.each<[string, () => Response]>([
    ['404', () => new Response('Not found', { status: 404 })],
    ['405', () => new Response(null, { status: 405 })],
    ['a page', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
    ['204', () => new Response(null, { status: 204 })],
  ])('when GET answers %s', async (_, get) => {
    const script = createScript();
    const { fetch, requests } = network({ GET: get, POST: () => script.reply(text('there')) });
    const onError = vi.fn<NonNullable<Options['onError']>>();
    const view = mount(hooks.useDurableChat, { id: 's', fetch, onError });
    const chat = () => view.chat as UseDurableChatHelpers<Message>;
    await expect.poll(() => view.states.length).toBe(1);
    await expect.poll(() => chat().connection).toBe('closed');
    await view.chat.sendMessage({ text: 'hello' });
    await expect.poll(view.texts).toEqual(['hello', 'there!']);
    expect(requests.map(({ method }) => method)).toEqual(['GET', 'POST']);
    expect(onError).not.toHaveBeenCalled();
  });
});
