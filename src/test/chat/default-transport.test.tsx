// @vitest-environment jsdom
// The SDK's transport, created in the call of the hook, as in most examples.

import { DefaultChatTransport } from 'ai';
import { describe, expect, it } from 'vitest';
import { scriptedModel } from '../../testing/scripted-model.ts';
import {
  durable,
  hooks,
  mount,
  type Helpers,
  type Message,
  type Options,
} from '../fixtures/hooks.fixture.tsx';
import { modelHandler } from '../fixtures/world.fixture.ts';
import type { UseDurableChatHelpers } from '../../react.ts';

describe('useDurableChat with a new DefaultChatTransport in each render', () => {
  const asDurable = (chat: Helpers) => chat as Partial<UseDurableChatHelpers<Message>>;

  it('is durable, and uses the options of the latest render', async () => {
    const model = scriptedModel();
    const { fetch, posts } = durable(modelHandler(model));
    const transport = (tenant: string): Options => ({
      transport: new DefaultChatTransport<Message>({
        headers: { 'x-tenant': tenant },
        fetch,
        prepareSendMessagesRequest: ({ id, messages, body }) => ({
          body: { ...body, id, message: messages.at(-1), tenant },
        }),
      }),
    });
    const view = mount(hooks.useDurableChat, { id: 's', ...transport('one') });
    await expect.poll(() => view.states.length).toBe(1);
    await expect.poll(() => asDurable(view.chat).connection).toBe('connected');
    await view.render(transport('two'));
    void view.chat.sendMessage({ text: 'count to 1000 at 100/s' });
    await expect.poll(() => view.texts()[1] ?? '').toContain('5');
    await view.chat.stop();
    expect(model.calls.map(({ aborted }) => aborted)).toEqual([true]);
    expect(posts()).toMatchObject([{ body: { tenant: 'two' } }]);
    await view.ready();
  });
});
