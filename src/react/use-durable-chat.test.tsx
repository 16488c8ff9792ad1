// @vitest-environment jsdom
import { useChat } from '@ai-sdk/react';
import { DefaultChatTransport, type UIMessage } from 'ai';
import { StrictMode, useMemo, useState } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryChannel } from '../channel/memory.ts';
import { scriptedModel, type ScriptedModel } from '../testing/scripted-model.ts';
import { createWorld, modelHandler, type Client, type World } from '../test/fixtures/world.fixture.ts';
import { useDurableChat, type UseDurableChatHelpers } from './use-durable-chat.ts';
import { numbers } from '../test/fixtures/answers.fixture.ts';

const textOf = (message: UIMessage | undefined) =>
  message?.parts.map((part) => (part.type === 'text' ? part.text : '')).join('');

describe('useDurableChat', () => {
  let model: ScriptedModel;
  /** Ends the wait of answers whose text says `hold at`. */
  let goOn: () => void;
  let world: World;
  let client: Client;
  let root: Root;
  /** The helpers of the latest render. */
  let helpers: UseDurableChatHelpers<UIMessage>;
  let renders = 0;
  let container: HTMLElement;

  function View({ id }: { id: string }) {
    renders++;
    helpers = useDurableChat({ id, fetch: client.fetch });
    return (
      <>
        <output>{helpers.status}</output>
        {helpers.messages.map((message) => (
          <p key={message.id}>
            {message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('')}
          </p>
        ))}
      </>
    );
  }

  const texts = () => [...container.querySelectorAll('p')].map((element) => element.textContent);
  const status = () => container.querySelector('output')?.textContent;

  beforeEach(() => {
    const held = new Promise<void>((resolve) => (goOn = resolve));
    model = scriptedModel({ chunksPerSecond: Infinity, hold: () => held });
    world = createWorld(memoryChannel(), modelHandler(model));
    client = world.client();
    container = document.createElement('div');
    root = createRoot(container);
    renders = 0;
    // The chat of an earlier test must not be taken for this one.
    helpers = undefined as unknown as UseDurableChatHelpers<UIMessage>;
  });
  afterEach(async () => {
    root.unmount();
    await world.settled();
  });

  it('G2: StrictMode mounts twice, and the run continues once to its end', async () => {
    root.render(
      <StrictMode>
        <View id="s" />
      </StrictMode>,
    );
    await expect.poll(() => helpers?.connection).toBe('connected');
    void helpers.sendMessage({ text: 'count to 40 at 200/s' });
    await expect.poll(texts).toEqual(['count to 40 at 200/s', numbers(40)]);
    await expect.poll(status).toBe('ready');
    expect(model.calls.length).toBe(1);
    expect(client.requests.filter(({ method }) => method === 'POST').length).toBe(1);
  });

  it('G2: unmounting during an answer stops nothing, and the answer is followed when the chat mounts again', async () => {
    root.render(<View id="s" />);
    await expect.poll(() => helpers?.connection).toBe('connected');
    const question = 'count to 80, hold at 10';
    void helpers.sendMessage({ text: question });
    await expect.poll(texts).toEqual([question, numbers(10)]);
    root.render(<p />);
    await expect.poll(status).toBeUndefined();
    root.render(
      <StrictMode>
        <View id="s" />
      </StrictMode>,
    );
    await expect.poll(texts).toEqual([question, numbers(10)]);
    expect(status()).toBe('streaming');
    goOn();
    await expect.poll(texts).toEqual([question, numbers(80)]);
    await expect.poll(status).toBe('ready');
    expect(model.calls.map(({ aborted }) => aborted)).toEqual([false]);
  });

  it('G2: switching chats while both run mixes nothing and stops nothing', async () => {
    let change: (id: string) => void = () => {};
    function Switch() {
      const [id, setId] = useState('one');
      change = setId;
      return <View id={id} />;
    }
    root.render(<Switch />);
    await expect.poll(() => helpers?.connection).toBe('connected');
    const questions = ['count to 60, hold at 5', 'count to 61, hold at 6'] as const;
    void helpers.sendMessage({ text: questions[0] });
    await expect.poll(texts).toEqual([questions[0], numbers(5)]);
    change('two');
    await expect.poll(texts).toEqual([]);
    void helpers.sendMessage({ text: questions[1] });
    await expect.poll(texts).toEqual([questions[1], numbers(6)]);
    change('one');
    await expect.poll(texts).toEqual([questions[0], numbers(5)]);
    goOn();
    await expect.poll(texts).toEqual([questions[0], numbers(60)]);
    change('two');
    await expect.poll(texts).toEqual([questions[1], numbers(61)]);
    await expect.poll(status).toBe('ready');
    expect(model.calls.map(({ aborted }) => aborted)).toEqual([false, false]);
  });

  it('G3: stop aborts the model, keeps the partial answer and returns to ready', async () => {
    root.render(<View id="s" />);
    await expect.poll(() => helpers?.connection).toBe('connected');
    void helpers.sendMessage({ text: 'count to 1000, hold at 10' });
    await expect.poll(() => texts()[1]).toBe(numbers(10));
    const { stopped } = await helpers.stop();
    expect(stopped.length).toBe(1);
    expect(model.calls[0]?.aborted).toBe(true);
    await world.settled();
    await expect.poll(status).toBe('ready');
    const { messages } = await world.chat.session('s').read();
    await expect.poll(() => helpers.messages).toEqual(messages);
    expect(texts()[1]).toBe(numbers(10));
    await helpers.sendMessage({ text: 'count to 3' });
    await expect.poll(() => texts()[3]).toBe('1 2 3');
  });

  it('renders no more than useChat, except at the beginning and the end', async () => {
    let plain = 0;
    let plainChat: ReturnType<typeof useChat> | undefined;
    // The next chunk comes when the last one is shown, on any machine.
    const stepwise = (messages: () => readonly UIMessage[] | undefined) => {
      let shown = 0;
      const hold = () =>
        expect.poll(() => textOf(messages()?.at(-1)), { interval: 2 }).toBe(numbers(++shown));
      return createWorld(memoryChannel(), modelHandler(scriptedModel({ chunksPerSecond: Infinity, hold })));
    };
    const worlds = [stepwise(() => helpers.messages), stepwise(() => plainChat?.messages)] as const;
    client = worlds[0].client();
    const plainClient = worlds[1].client();
    function Plain() {
      plain++;
      const transport = useMemo(() => new DefaultChatTransport({ fetch: plainClient.fetch }), []);
      plainChat = useChat({ id: 'plain', transport });
      return null;
    }
    root.render(
      <>
        <View id="s" />
        <Plain />
      </>,
    );
    await expect.poll(() => helpers?.connection).toBe('connected');
    const text = `count to 30, hold at ${numbers(29).replaceAll(' ', ', ')}`;
    await Promise.all([helpers.sendMessage({ text }), plainChat!.sendMessage({ text })]);
    for (const each of worlds) await each.settled();
    await expect.poll(status).toBe('ready');
    expect(plain).toBeGreaterThanOrEqual(30);
    expect(renders).toBeLessThan(plain + 10);
  });
});
