// @vitest-environment jsdom
// The official template's pattern: one component shows one chat after the other, and sets its list in effects. Neither
// session loses a message.

import type { UIMessage } from 'ai';
import { useEffect } from 'react';
import { createRoot } from 'react-dom/client';
import { beforeEach, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { useDurableChat, type UseDurableChatHelpers } from '../../react/use-durable-chat.ts';
import { cleanUp } from '../fixtures/hooks.fixture.tsx';
import { textOf } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, sendBody, type World } from '../fixtures/world.fixture.ts';

let world: World;

beforeEach(async () => {
  settled = Promise.resolve();
  world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
  cleanUp.push(() => world.settled());
  const { fetch } = world.client();
  for (const id of ['one', 'two'])
    for (const n of [1, 2]) {
      await fetch('/api/chat', { method: 'POST', body: sendBody(id, `count to ${n}`) });
      await world.settled();
    }
});

const talked = ['count to 1', '1', 'count to 2', '1 2'];
const logged = async (id: string) => (await world.chat.session(id).read()).messages.map(textOf);

type SetMessages = UseDurableChatHelpers<UIMessage>['setMessages'];

/** Until a late list has been set. */
let settled: Promise<void>;
const later = (act: () => void) => {
  settled = new Promise((resolve) => {
    setTimeout(() => {
      act();
      resolve();
    }, 100);
  });
};

/** Effects of apps, each with the app's rows of the chat. Each may return its cleanup. */
const effects: [string, (set: SetMessages, rows: UIMessage[]) => void | (() => void)][] = [
  ['setMessages([])', (set) => set([])],
  ['setMessages([]) in the cleanup', (set) => () => set([])],
  ['setMessages(loadedFromDatabase)', (set, rows) => set(rows)],
  [
    'setMessages([]), and setMessages(loadedFromDatabase) when it is loaded',
    (set, rows) => {
      set([]);
      later(() => set(rows));
    },
  ],
  ['an older setMessages(loadedFromDatabase), late', (set, rows) => later(() => set(rows.slice(0, 2)))],
];

it.each(effects)('%s on a chat switch loses nothing in either session', async (_, effect) => {
  const { fetch } = world.client();
  const rows: Record<string, UIMessage[]> = {};
  for (const id of ['one', 'two']) rows[id] = structuredClone((await world.chat.session(id).read()).messages);
  let chat: UseDurableChatHelpers<UIMessage> | undefined;
  function Component({ id }: { readonly id: string }) {
    chat = useDurableChat({ id, fetch });
    const { setMessages } = chat;
    useEffect(() => effect(setMessages, structuredClone(rows[id] ?? [])), [id, setMessages]);
    return null;
  }
  const root = createRoot(document.createElement('div'));
  cleanUp.push(() => root.unmount());
  const texts = () => chat?.messages.map(textOf);
  const sent: Record<string, string[]> = { one: [...talked], two: [...talked] };
  for (const [index, id] of ['one', 'two', 'one', 'two'].entries()) {
    root.render(<Component id={id} />);
    await expect.poll(() => chat?.id).toBe(id);
    await expect.poll(() => chat?.session.getSnapshot().state?.order.length).toBe(sent[id]!.length);
    await settled;
    void chat!.sendMessage({ text: `(${index}) count to 3` });
    sent[id]!.push(`(${index}) count to 3`, '1 2 3');
    await expect.poll(texts).toEqual(sent[id]);
    await world.settled();
    expect(await logged(id)).toEqual(sent[id]);
  }
  for (const id of ['one', 'two']) expect(await logged(id)).toEqual(sent[id]);
});
