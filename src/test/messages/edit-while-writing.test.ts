// An edit of a question whose answer is being written: the answer leaves the list at once, and does not come back.

import type { UIMessageChunk } from 'ai';
import { afterEach, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { createWorld } from '../fixtures/world.fixture.ts';

const tabs: Tab[] = [];
afterEach(() => {
  for (const tab of tabs.splice(0)) tab.close();
});

const textsOf = ({ chat }: Tab) => chat.messages.map(textOf);

/** Two tabs with a question whose answer is `old` so far. The POSTs of the first tab can be held. */
async function answering() {
  const writers: ReadableStreamDefaultController<UIMessageChunk>[] = [];
  const world = createWorld(
    memoryChannel(),
    () => new ReadableStream<UIMessageChunk>({ start: (controller) => void writers.push(controller) }),
    { stopGraceMs: 50 },
  );
  const write = (run: number, delta: string) => writers[run]!.enqueue({ type: 'text-delta', id: '0', delta });
  const begin = async (run: number, text: string) => {
    await expect.poll(() => writers.length).toBe(run + 1);
    writers[run]!.enqueue({ type: 'start' });
    writers[run]!.enqueue({ type: 'text-start', id: '0' });
    write(run, text);
  };
  const end = (run: number) => {
    writers[run]!.enqueue({ type: 'text-end', id: '0' });
    writers[run]!.enqueue({ type: 'finish' });
    writers[run]!.close();
  };
  const client = world.client();
  const network = { beforePost: async (): Promise<Response | undefined> => undefined };
  const held: typeof fetch = async (input, init) =>
    (init?.method === 'POST' && (await network.beforePost())) || client.fetch(input, init);
  const [editor, other] = [openTab({ ...client, fetch: held }, 'a'), openTab(world.client(), 'a')];
  tabs.push(editor, other);
  for (const { session } of [editor, other])
    await expect.poll(() => session.getSnapshot().state).toBeDefined();
  return { world, editor, other, network, write, begin, end };
}

it.each(['asker', 'other'] as const)('the %s edits', async (who) => {
  const { world, editor, other, network, write, begin, end } = await answering();
  void (who === 'asker' ? editor : other).chat.sendMessage({ text: 'question' });
  await begin(0, 'old');
  for (const tab of [editor, other]) await expect.poll(() => textsOf(tab)).toEqual(['question', 'old']);

  let release: (answer: undefined) => void = () => {};
  const holding = new Promise<undefined>((resolve) => (release = resolve));
  network.beforePost = () => holding;
  void editor.chat.sendMessage({ text: 'edited', messageId: editor.chat.messages[0]!.id });
  for (let length = 1; length <= 5; length++) {
    write(0, '.');
    await expect.poll(() => textsOf(other)).toEqual(['question', `old${'.'.repeat(length)}`]);
    await expect.poll(() => textsOf(editor)).toEqual(['edited']);
  }
  release(undefined);
  await begin(1, 'new');
  end(1);
  for (const tab of [editor, other]) {
    await expect.poll(() => textsOf(tab)).toEqual(['edited', 'new']);
    await expect.poll(() => tab.chat.status).toBe('ready');
  }
  await world.settled();
});

it('an answer comes back, whole, when the edit of its question is refused', async () => {
  const { world, editor, other, network, write, begin, end } = await answering();
  void editor.chat.sendMessage({ text: 'question' });
  await begin(0, 'old');
  await expect.poll(() => textsOf(editor)).toEqual(['question', 'old']);

  let refuse: (answer: Response) => void = () => {};
  const holding = new Promise<Response>((resolve) => (refuse = resolve));
  network.beforePost = () => holding;
  const edit = editor.chat.sendMessage({ text: 'edited', messageId: editor.chat.messages[0]!.id });
  write(0, ' and more');
  await expect.poll(() => textsOf(other)).toEqual(['question', 'old and more']);
  expect(textsOf(editor)).toEqual(['edited']);
  const error = { code: 'forbidden', message: 'no' };
  refuse(Response.json({ error }, { status: 403, headers: { 'x-durable-chat': '2' } }));
  await edit;
  await expect.poll(() => textsOf(editor)).toEqual(['edited', 'old and more']);
  write(0, ', still');
  end(0);
  await expect.poll(() => textsOf(editor)).toEqual(['edited', 'old and more, still']);
  await expect.poll(() => textsOf(other)).toEqual(['question', 'old and more, still']);
  await world.settled();
});
