// The outcome of a tool call that is given before the page has its session.

import type { UIMessageChunk } from 'ai';
import { expect, it, onTestFinished } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import { toolPartsOf } from '../../protocol/tool-calls.ts';
import { openTab, type Tab } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, sendBody, type Client } from '../fixtures/world.fixture.ts';

const call: UIMessageChunk[] = [
  { type: 'start' },
  { type: 'tool-input-available', toolCallId: 'c', toolName: 'ask', input: {} },
];

/** A reloaded page whose messages are of the server, and whose GET waits for `answer`. */
async function reloaded(chunks: UIMessageChunk[], answer: (client: Client) => Promise<Response | undefined>) {
  const world = createWorld(
    memoryChannel(),
    chunkHandler(() => [...call, ...chunks, { type: 'finish' }]),
  );
  const client = world.client();
  await (await client.fetch('/api/chat', { method: 'POST', body: sendBody('s', 'hello') })).text();
  await world.settled();
  const { messages } = await world.chat.session('s').read();
  const errors: Error[] = [];
  const tab = openTab(
    {
      ...client,
      fetch: async (input, init) =>
        ((init?.method ?? 'GET') === 'GET' && (await answer(client))) || client.fetch(input, init),
    },
    's',
    { messages, onError: (error) => void errors.push(error) },
  );
  onTestFinished(() => tab.close());
  return { world, tab, errors };
}

const partOf = (messages: Tab['chat']['messages']) => toolPartsOf(messages.at(-1)!)[0];

it.each([
  [
    'an output',
    [],
    (tab: Tab) => tab.chat.addToolOutput({ tool: 'ask', toolCallId: 'c', output: 'yes' }),
    { state: 'output-available', output: 'yes' },
  ],
  [
    'an approval',
    [{ type: 'tool-approval-request', approvalId: 'a', toolCallId: 'c' }] satisfies UIMessageChunk[],
    (tab: Tab) => tab.chat.addToolApprovalResponse({ id: 'a', approved: true }),
    { state: 'approval-responded' },
  ],
])('%s is recorded once the session has come', async (_, chunks, give, expected) => {
  let connect = () => {};
  const held = new Promise<undefined>((resolve) => (connect = () => resolve(undefined)));
  const { world, tab, errors } = await reloaded(chunks, () => held);
  const given = give(tab);
  connect();
  await given;
  expect(partOf(tab.chat.messages)).toMatchObject(expected);
  expect(partOf((await world.chat.session('s').read()).messages)).toMatchObject(expected);
  expect(errors).toEqual([]);
});

it('an output is only the chat’s own on a route without sessions', async () => {
  const { tab, errors } = await reloaded([], async () => new Response(null, { status: 405 }));
  await tab.chat.addToolOutput({ tool: 'ask', toolCallId: 'c', output: 'yes' });
  expect(partOf(tab.chat.messages)).toMatchObject({ state: 'output-available', output: 'yes' });
  expect(errors).toEqual([]);
});

it('an output that cannot be recorded is reported, and not shown', async () => {
  const { tab, errors } = await reloaded([], async () => new Response(null, { status: 403 }));
  await tab.chat.addToolOutput({ tool: 'ask', toolCallId: 'c', output: 'yes' });
  expect(partOf(tab.chat.messages)).toMatchObject({ state: 'input-available' });
  expect(errors).toEqual([expect.any(DurableChatError)]);
});
