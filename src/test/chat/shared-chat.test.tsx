// @vitest-environment jsdom
// The SDK's shared Chat: one `Chat` in a context, and a `useChat({ chat })` in each component that shows it.

import { Chat, useChat } from '@ai-sdk/react';
import type { UIMessage } from 'ai';
import { createContext, StrictMode, useContext, useEffect, useMemo, type ReactNode } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { bindChat } from '../../client.ts';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import { textOf } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type Client, type World } from '../fixtures/world.fixture.ts';
import { numbers } from '../fixtures/answers.fixture.ts';

describe("the SDK's shared Chat, bound to a session", () => {
  let model: ScriptedModel;
  let world: World;
  let client: Client;
  let root: Root;
  let errors: Error[];
  let mayStop: boolean;
  /** The helpers of each component, by its name. */
  const views = new Map<string, ReturnType<typeof useChat>>();

  const ChatContext = createContext<Chat<UIMessage> | undefined>(undefined);

  function ChatProvider({ id, children }: { id: string; children?: ReactNode }) {
    const bound = useMemo(
      () =>
        bindChat<UIMessage, Chat<UIMessage>>(
          { id, fetch: client.fetch, retryDelay: () => 5, onError: (error) => errors.push(error) },
          (init) => new Chat(init),
        ),
      [id],
    );
    useEffect(() => bound.connect(), [bound]);
    return <ChatContext value={bound.chat}>{children}</ChatContext>;
  }

  function View({ name }: { name: string }) {
    const chat = useContext(ChatContext);
    if (!chat) throw new Error('There is no chat.');
    views.set(name, useChat({ chat }));
    return null;
  }

  const shown = (name: string) => views.get(name)!;
  const texts = (name: string) => views.get(name)?.messages.map(textOf) ?? [];
  const deletes = () => client.requests.filter(({ method }) => method === 'DELETE').length;

  beforeEach(() => {
    model = scriptedModel();
    mayStop = true;
    world = createWorld(memoryChannel(), modelHandler(model), {
      authorize: ({ action }) => action !== 'stop' || mayStop,
    });
    client = world.client();
    root = createRoot(document.createElement('div'));
    errors = [];
    views.clear();
  });
  afterEach(async () => {
    root.unmount();
    await world.settled();
  });

  async function counting(id: string, n = 1000) {
    root.render(
      <StrictMode>
        <ChatProvider id={id}>
          <View name="list" />
          <View name="composer" />
        </ChatProvider>
      </StrictMode>,
    );
    await expect.poll(() => views.has('composer')).toBe(true);
    void shown('composer').sendMessage({ text: `count to ${n} at 100/s` });
    await expect.poll(() => texts('list')[1] ?? '').toContain('5');
  }

  it('G3: stop in any component stops the run, and every component and the log agree', async () => {
    await counting('s');
    await shown('composer').stop();
    expect(model.calls.map(({ aborted }) => aborted)).toEqual([true]);
    await world.settled();
    const { messages } = await world.chat.session('s').read();
    await expect.poll(() => shown('list').messages).toEqual(messages);
    await expect.poll(() => shown('list').status).toBe('ready');
    expect(texts('composer')[1]).toMatch(/^1 2 3 4 5/);
    await shown('list').sendMessage({ text: 'count to 3' });
    await expect.poll(() => texts('composer')[3]).toBe('1 2 3');
    expect(errors).toEqual([]);
  });

  it('G2: another id and an unmount stop nothing, and the chat that is shown again continues', async () => {
    await counting('one', 80);
    root.render(
      <ChatProvider id="two">
        <View name="list" />
      </ChatProvider>,
    );
    await expect.poll(() => texts('list')).toEqual([]);
    root.render(null);
    await expect.poll(() => client.open).toBe(0);
    expect(model.calls.map(({ aborted }) => aborted)).toEqual([false]);
    root.render(
      <ChatProvider id="one">
        <View name="list" />
      </ChatProvider>,
    );
    await expect.poll(() => texts('list')).toEqual(['count to 80 at 100/s', numbers(80)]);
    expect(model.calls.map(({ aborted }) => aborted)).toEqual([false]);
    expect(deletes()).toBe(0);
  });

  it('a stop that the server refuses goes to onError, and chat.stop() does not reject', async () => {
    await counting('s', 60);
    mayStop = false;
    await shown('composer').stop();
    expect(errors.map((error) => (error as { code?: string }).code)).toEqual(['forbidden']);
    await world.settled();
    await expect.poll(() => texts('list')[1]).toBe(numbers(60));
  });
});
