// bindChat with the Chats of other frameworks, whose states are reactive proxies and not plain objects.

import { Chat as VueChat } from '@ai-sdk/vue';
import * as ai from 'ai';
import type { AbstractChat, ChatInit, UIMessage } from 'ai';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { compileModule } from 'svelte/compiler';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { effectScope, watch, watchEffect } from 'vue';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import { openTab, textOf } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type World } from '../fixtures/world.fixture.ts';
import { bindChat } from '../../client/chat/bind-chat.ts';
import { numbers } from '../fixtures/answers.fixture.ts';

interface Framework {
  createChat(init: ChatInit<UIMessage>): AbstractChat<UIMessage>;
  /** Calls `show` with the result of `read`, now and after each change that the framework reports. */
  observe<T>(read: () => T, show: (value: T) => void): () => void;
  /** Runs an effect, and runs it again after each change of a value that it has read. */
  effect(run: () => () => void): () => void;
}

async function vue(): Promise<Framework> {
  return {
    createChat: (init) => new VueChat<UIMessage>(init),
    observe: (read, show) => watch(read, (value) => show(value), { immediate: true, flush: 'sync' }),
    effect(run) {
      const scope = effectScope();
      scope.run(() => watchEffect((onCleanup) => onCleanup(run())));
      return () => scope.stop();
    },
  };
}

/** Svelte's Chat is published with runes, which this test compiles like an app's bundler. */
async function svelte(): Promise<Framework> {
  const packages = createRequire(import.meta.url);
  async function load(filename: string, source: string): Promise<object> {
    const { js } = compileModule(source, { filename, generate: 'client' });
    const code = js.code.replaceAll(
      /from '([^.'][^']*)'/g,
      (_, name: string) => `from '${pathToFileURL(packages.resolve(name)).href}'`,
    );
    return import(`data:text/javascript,${encodeURIComponent(code)}`) as Promise<object>;
  }
  const file = new URL('../../../node_modules/@ai-sdk/svelte/dist/chat.svelte.js', import.meta.url);
  const { Chat } = (await load('chat.svelte.js', await readFile(file, 'utf8'))) as {
    Chat: new (init: ChatInit<UIMessage>) => AbstractChat<UIMessage>;
  };
  const effects = (await load(
    'observe.svelte.js',
    `export const observe = (read, show) => $effect.root(() => { $effect(() => show(read())); });
     export const effect = (run) => $effect.root(() => { $effect(run); });`,
  )) as Pick<Framework, 'observe' | 'effect'>;
  return { createChat: (init) => new Chat(init), ...effects };
}

// These tests also run on the oldest SDK, which has no such package.
describe.skipIf(!('toUIMessageStream' in ai)).each([
  ['Vue', vue],
  ['Svelte', svelte],
])("bindChat with %s's Chat", (name, load) => {
  let framework: Framework;
  let model: ScriptedModel;
  let world: World;
  let close: (() => void)[];

  beforeEach(async () => {
    framework = await load();
    model = scriptedModel();
    world = createWorld(memoryChannel(), modelHandler(model));
    close = [];
  });
  afterEach(async () => {
    for (const one of close) one();
    await world.settled();
  });

  function open({ connected = true } = {}) {
    const client = world.client();
    const { chat, connect } = bindChat(
      { id: name, fetch: client.fetch, retryDelay: () => 5 },
      framework.createChat,
    );
    /** The renders of a component, newest last. */
    const shown: { texts: string[]; status: string }[] = [];
    close.push(
      framework.observe(
        () => ({ texts: chat.messages.map(textOf), status: chat.status }),
        (view) => shown.push(view),
      ),
    );
    if (connected) close.push(connect());
    return { chat, connect, shown, client };
  }
  /** Every chat is ready and equal to the log (G4), and its component shows that. */
  async function agreed(...tabs: { chat: AbstractChat<UIMessage>; shown?: { texts: string[] }[] }[]) {
    await world.settled();
    const { messages, runs } = await world.chat.session(name).read();
    expect(runs).toEqual([]);
    for (const { chat, shown } of tabs) {
      await expect.poll(() => chat.messages).toEqual(messages);
      await expect.poll(() => chat.status).toBe('ready');
      if (shown) {
        await expect.poll(() => shown.at(-1)).toEqual({ texts: messages.map(textOf), status: 'ready' });
      }
    }
    return messages;
  }

  it('G3, G4: follows a run of another tab live, and stops it', async () => {
    const sender = openTab(world.client(), name);
    close.push(sender.close);
    const viewer = open();
    void sender.chat.sendMessage({ text: 'count to 1000 at 100/s' });
    await expect.poll(() => viewer.shown.at(-1)?.texts[1] ?? '').toContain('20');
    expect(viewer.chat.status).toBe('streaming');
    const growing = () => new Set(viewer.shown.map(({ texts }) => texts[1]));
    await expect.poll(() => growing().size).toBeGreaterThan(5);
    await viewer.chat.stop();
    const messages = await agreed(viewer, sender);
    expect(textOf(messages[1])).toMatch(/^1 2 3 .*20/);
    expect(model.calls.map(({ aborted }) => aborted)).toEqual([true]);
  });

  it('G4: sends, and another tab shows the message', async () => {
    const sender = open();
    const viewer = openTab(world.client(), name);
    close.push(viewer.close);
    void sender.chat.sendMessage({ text: 'count to 60 at 100/s' });
    await expect.poll(() => textOf(viewer.chat.messages[1])).toContain('20');
    expect(sender.shown.at(-1)?.texts[1]).toContain('19');
    expect((await agreed(sender, viewer)).map(textOf)).toEqual(['count to 60 at 100/s', numbers(60)]);
    await viewer.chat.sendMessage({ text: 'count to 3' });
    await agreed(sender, viewer);
    await sender.chat.regenerate();
    const messages = await agreed(sender, viewer);
    expect(messages.map(textOf)).toEqual(['count to 60 at 100/s', numbers(60), 'count to 3', '1 2 3']);
    expect(model.calls.map(({ aborted }) => aborted)).toEqual([false, false, false]);
  });

  // If the first sync were part of the effect, the effect would depend on the messages that it writes.
  it('connect may be called in an effect, also twice: its reads are not tracked', async () => {
    const sender = openTab(world.client(), name);
    close.push(sender.close);
    const viewer = open({ connected: false });
    let runs = 0;
    // An effect that runs again would never stop. It does nothing after its two turns.
    const mount = () => framework.effect(() => (++runs > 2 ? () => {} : viewer.connect()));
    const unmount = mount();
    void sender.chat.sendMessage({ text: 'count to 80 at 100/s' });
    await expect.poll(() => textOf(viewer.chat.messages[1])).toContain('10');
    expect(runs).toBe(1);
    unmount();
    await expect.poll(() => viewer.chat.status).toBe('ready');
    close.push(mount());
    await expect.poll(() => textOf(viewer.chat.messages[1])).toContain('40');
    expect(runs).toBe(2);
    expect((await agreed(viewer, sender)).map(textOf)[1]).toBe(numbers(80));
  });
});
