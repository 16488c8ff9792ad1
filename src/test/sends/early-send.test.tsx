// @vitest-environment jsdom
// A send before the session has connected: in a mount effect, for `?query=`, after a slow first GET.

import type { UIMessage } from 'ai';
import { StrictMode, useEffect, useRef } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { useDurableChat, type UseDurableChatHelpers, type UseDurableChatOptions } from '../../react.ts';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import { textOf } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type Client, type World } from '../fixtures/world.fixture.ts';

type Prepare = NonNullable<UseDurableChatOptions<UIMessage>['prepareSendMessagesRequest']>;

/** The bodies that the SDK's examples and apps post. */
const prepares: Record<string, Prepare | undefined> = {
  "the SDK's own body": undefined,
  '{ id, message }': ({ id, messages }) => ({ body: { id, message: messages.at(-1) } }),
  '{ id, message } and more': ({ id, messages, body }) => ({
    body: { ...body, id, message: messages.at(-1) },
  }),
  'messages without an id': ({ messages, trigger, messageId }) => ({
    headers: { 'x-session': 's' },
    body: { messages: messages.slice(-10), trigger, messageId },
  }),
  'the id under another name': ({ id, messages }) => ({ body: { chatId: id, message: messages.at(-1) } }),
  'the text alone': ({ messages }) => ({ body: { message: textOf(messages.at(-1)) } }),
};

describe('a send before the session has connected', () => {
  let model: ScriptedModel;
  let world: World;
  let client: Client;
  let root: Root;
  let chat: UseDurableChatHelpers<UIMessage>;
  let errors: string[];
  let posted: Record<string, unknown>[];
  /** While it is held, no GET is answered. */
  let held: Promise<void> | undefined;
  let letGo: () => void;
  let refusal: (() => Response) | undefined;

  beforeEach(() => {
    model = scriptedModel();
    refusal = undefined;
    const answer = modelHandler(model);
    world = createWorld(memoryChannel(), (request, context) => refusal?.() ?? answer(request, context));
    client = world.client();
    root = createRoot(document.createElement('div'));
    errors = [];
    posted = [];
    held = undefined;
    // The chat of an earlier test must not be taken for this one.
    chat = undefined as unknown as typeof chat;
    letGo = () => {};
  });
  afterEach(async () => {
    letGo();
    root.unmount();
    await world.settled();
  });

  function hold() {
    held = new Promise((resolve) => (letGo = resolve));
  }

  function View({
    prepare,
    onMount,
    messages,
  }: {
    prepare?: Prepare | undefined;
    onMount?: ((chat: UseDurableChatHelpers<UIMessage>) => void) | undefined;
    messages?: UIMessage[];
  }) {
    chat = useDurableChat({
      id: 's',
      ...(messages && { messages }),
      ...(prepare && { prepareSendMessagesRequest: prepare }),
      fetch: async (input, init) => {
        if (init?.method === 'POST') posted.push(JSON.parse(init.body as string) as Record<string, unknown>);
        else if (init?.method === 'GET') await held;
        return client.fetch(input, init);
      },
      onError: ({ message }) => errors.push(message),
    });
    const isMounted = useRef(false);
    useEffect(() => {
      if (isMounted.current) return;
      isMounted.current = true;
      onMount?.(chat);
    }, [onMount]);
    return null;
  }
  const texts = () => chat?.messages.map(textOf) ?? [];

  /** The chat is ready and equal to the log (G4), without an error. */
  async function agreed() {
    await expect.poll(() => chat.status).toBe('ready');
    await world.settled();
    letGo();
    await expect.poll(() => chat.connection).toBe('connected');
    const { messages } = await world.chat.session('s').read();
    await expect.poll(() => chat.messages).toEqual(messages);
    expect(errors).toEqual([]);
    expect(chat.error).toBeUndefined();
  }

  describe.each(Object.entries(prepares))('%s', (_, prepare) => {
    it.each([
      ['once', false],
      ['in StrictMode', true],
    ])('in a mount effect %s', async (_mounted, strict) => {
      const onMount = () => void chat.sendMessage({ text: 'count to 50 at 200/s' });
      const view = <View prepare={prepare} onMount={onMount} />;
      root.render(strict ? <StrictMode>{view}</StrictMode> : view);
      await expect.poll(() => texts()[1] ?? '').toMatch(/ 50$/);
      await agreed();
      expect(texts()).toHaveLength(2);
      expect(model.calls).toHaveLength(1);
    });

    it('while the first GET is held, also two sends', async () => {
      hold();
      root.render(<View prepare={prepare} />);
      await expect.poll(() => chat).toBeDefined();
      await chat.sendMessage({ text: 'count to 3' });
      await expect.poll(texts).toEqual(['count to 3', '1 2 3']);
      await expect.poll(() => chat.status).toBe('ready');
      await chat.sendMessage({ text: 'count to 4' });
      await expect.poll(texts).toEqual(['count to 3', '1 2 3', 'count to 4', '1 2 3 4']);
      await agreed();
      expect(texts()).toHaveLength(4);
      expect(model.calls).toHaveLength(2);
    });

    it.each([
      ['in the moment of mounting', false],
      ['after a first GET that is held', true],
    ])('a regeneration and an edit %s work', async (_when, isHeld) => {
      root.render(<View />);
      await expect.poll(() => chat?.connection).toBe('connected');
      await chat.sendMessage({ text: 'count to 3' });
      await agreed();
      const { messages } = chat;
      root.render(null);
      for (const act of [
        () => chat.regenerate(),
        () => chat.sendMessage({ messageId: messages[0]!.id, text: 'count to 4' }),
      ]) {
        if (isHeld) hold();
        const before = model.calls.length;
        root.render(
          <View
            key={String(act)}
            prepare={prepare}
            messages={messages}
            onMount={() => void act().catch((error: Error) => errors.push(error.message))}
          />,
        );
        await expect.poll(() => chat.status).not.toBe('ready');
        letGo();
        await expect.poll(() => model.calls.length).toBe(before + 1);
        await agreed();
        expect(texts()).toHaveLength(2);
      }
      expect(texts()).toEqual(['count to 4', '1 2 3 4']);
    });
  });

  it('once connected, it adds what the app omitted, and posts no message twice', async () => {
    const bodyOf = async (prepare: Prepare | undefined) => {
      chat = undefined as unknown as typeof chat;
      root.render(<View prepare={prepare} />);
      await expect.poll(() => chat?.connection).toBe('connected');
      await chat.sendMessage({ text: 'count to 3' });
      await agreed();
      root.render(null);
      return Object.keys(posted.at(-1) ?? {}).sort();
    };
    expect(await bodyOf(prepares['{ id, message }'])).toEqual(['id', 'message', 'trigger']);
    expect(await bodyOf(prepares['the text alone'])).toEqual(['id', 'message', 'messages', 'trigger']);
  });

  it.each([
    ['once', false],
    ['in StrictMode', true],
  ])('a refusal of the route is an error that stays visible, mounted %s', async (_, strict) => {
    hold();
    refusal = () => new Response('No credit.', { status: 402 });
    const prepare = prepares['{ id, message }'];
    const view = <View prepare={prepare} onMount={() => void chat.sendMessage({ text: 'hello' })} />;
    root.render(strict ? <StrictMode>{view}</StrictMode> : view);
    await expect.poll(() => chat?.error?.message).toBe('No credit.');
    letGo();
    await expect.poll(() => chat.connection).toBe('connected');
    expect([chat.status, chat.error?.message, errors]).toEqual(['error', 'No credit.', ['No credit.']]);
    expect(texts()).toEqual(['hello']);
    expect(posted).toHaveLength(1);
  });
});
