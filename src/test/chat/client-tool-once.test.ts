// A client tool runs once in its own tab, also if the chat disconnects and connects again.

import type { UIMessageChunk } from 'ai';
import { expect, it, onTestFinished } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { openTab, type Tab } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, type World } from '../fixtures/world.fixture.ts';

/** A run that calls `pay`, which the client executes, and then waits. Each run uses the same call id. */
function paying(mayCall: Promise<void> = Promise.resolve()): { world: World; finish: () => void } {
  let finish = () => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const world = createWorld(
    memoryChannel(),
    chunkHandler(async function* (): AsyncGenerator<UIMessageChunk> {
      yield { type: 'start' };
      yield { type: 'start-step' };
      await mayCall;
      yield { type: 'tool-input-available', toolCallId: 'c1', toolName: 'pay', input: {} };
      yield { type: 'text-start', id: '1' };
      yield { type: 'text-delta', id: '1', delta: 'wait' };
      await finished;
      yield { type: 'text-end', id: '1' };
      yield { type: 'finish-step' };
      yield { type: 'finish' };
    }),
  );
  onTestFinished(async () => {
    finish();
    await world.settled();
  });
  return { world, finish: () => finish() };
}

const textsOf = ({ chat }: Tab) =>
  chat.messages.at(-1)?.parts.flatMap((part) => (part.type === 'text' ? part.text : []));
const paidIn = ({ chat }: Tab) =>
  chat.messages.at(-1)?.parts.flatMap((part) => ('toolCallId' in part ? [part.state] : []));

it('G9: a call that its tab has executed is not executed again on a replay', async () => {
  const { world, finish } = paying();
  const paid: string[] = [];
  const tab = openTab(world.client(), 's', {
    onToolCall: ({ toolCall: { toolCallId } }) => {
      paid.push(toolCallId);
      void tab.chat.addToolOutput({ tool: 'pay', toolCallId, output: 'done' });
    },
  });
  await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
  void tab.chat.sendMessage({ text: 'pay' });
  await expect.poll(() => tab.session.getSnapshot().state?.outcomes.length).toBe(1);
  await expect.poll(() => tab.chat.messages.length).toBe(2);
  tab.close();
  await expect.poll(() => tab.chat.status).toBe('ready');
  tab.chat.messages = [];
  const close = tab.connect();
  onTestFinished(close);
  await expect.poll(() => textsOf(tab)).toEqual(['wait']);
  finish();
  await world.settled();
  await expect.poll(() => tab.chat.messages).toEqual((await world.chat.session('s').read()).messages);
  expect(paidIn(tab)).toEqual(['output-available']);
  expect(paid).toEqual(['c1']);

  // A call with the same id in another message is another call.
  await tab.chat.regenerate();
  await world.settled();
  expect(paid).toEqual(['c1', 'c1']);
});

it('G9: a call that another tab has answered meanwhile is not executed', async () => {
  let call = () => {};
  const { world, finish } = paying(new Promise((resolve) => (call = resolve)));
  const paid: string[] = [];
  const tab = openTab(world.client(), 's', {
    onToolCall: ({ toolCall }) => void paid.push(toolCall.toolCallId),
  });
  const other = openTab(world.client(), 's');
  onTestFinished(() => other.close());
  await expect.poll(() => tab.session.getSnapshot().state && other.session.getSnapshot().state).toBeDefined();
  void tab.chat.sendMessage({ text: 'pay' });
  await expect.poll(() => tab.core.store.client.reads.size).toBe(1);
  tab.close();
  await expect.poll(() => tab.chat.status).toBe('ready');
  call();
  await expect.poll(() => textsOf(other)).toEqual(['wait']);
  await other.chat.addToolOutput({ tool: 'pay', toolCallId: 'c1', output: 'done' });
  onTestFinished(tab.connect());
  await expect.poll(() => textsOf(tab)).toEqual(['wait']);
  finish();
  await world.settled();
  await expect.poll(() => paidIn(tab)).toEqual(['output-available']);
  expect(paid).toEqual([]);
});
