// Steering: a message from any tab, through any server instance, reaches the running loop, or has its own turn.

import * as ai from 'ai';
import { convertToModelMessages, stepCountIs, streamText, tool, type UIMessage } from 'ai';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Handler, HandlerContext } from '../../index.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { openTab, textOf } from '../fixtures/tab.fixture.ts';
import { createWorld } from '../fixtures/world.fixture.ts';

const { stores } = useStores();

type Use = (context: HandlerContext) => object;
const asSteering: Use = ({ run }) => ({ experimental_steering: run.steering });
const inPrepareStep: Use = ({ run }) => ({
  prepareStep: async ({ messages }: { messages: unknown[] }) => ({
    messages: [...messages, ...(await run.takeMessages())],
  }),
});
const notAtAll: Use = () => ({});

let count = 0;

describe.each(stores)('steer on %s, with two server instances', (name, open) => {
  function setUp(use: Use) {
    const store = open();
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const model = scriptedModel({
      chunksPerSecond: 200,
      *script({ prompt }) {
        const said = prompt.flatMap(({ role, content }) =>
          role === 'user' ? content.map((part) => (part.type === 'text' ? part.text : '')) : [],
        );
        if (prompt.at(-1)?.role === 'user' && said.length === 1) {
          yield { type: 'tool-call', toolCallId: `call-${count}`, toolName: 'search', input: '{}' };
        } else {
          yield `heard ${said.join(', then ')}`;
        }
      },
    });
    const search = tool({
      inputSchema: z.object({}),
      execute: async () => {
        await released;
        return 'found';
      },
    });
    const handler: Handler = async (request, context) => {
      const { messages } = (await request.json()) as { messages: UIMessage[] };
      return streamText({
        model,
        tools: { search },
        stopWhen: stepCountIs(5),
        messages: await convertToModelMessages(messages),
        abortSignal: request.signal,
        ...use(context),
      }).toUIMessageStreamResponse();
    };
    const worlds = [0, 1].map(() => createWorld(store(), handler, { whenBusy: 'steer' }));
    const id = `steer ${name} ${++count}`;
    const [first, second] = worlds.map((world) => openTab(world.client(), id));
    return { id, model, worlds, first: first!, second: second!, release };
  }

  async function steered(use: Use) {
    const here = setUp(use);
    const { first, second, worlds, id, release } = here;
    const sent = first.chat.sendMessage({ text: 'Find a hotel' });
    await expect
      .poll(() => second.chat.messages.at(-1)?.parts.some(({ type }) => type === 'tool-search'))
      .toBe(true);
    const steering = second.chat.sendMessage({ text: 'in Paris, Texas' });
    await expect
      .poll(() => first.session.getSnapshot().runs.map(({ status }) => status))
      .toEqual(['running', 'queued']);
    await expect.poll(() => first.chat.messages.map(textOf)).toContain('in Paris, Texas');
    release();
    await Promise.all([sent, steering]);
    for (const world of worlds) await world.settled();
    const { messages, runs } = await worlds[0]!.chat.session(id).read();
    expect(runs).toEqual([]);
    for (const tab of [first, second]) {
      await expect.poll(() => tab.chat.messages, { timeout: 5_000 }).toEqual(messages);
      await expect.poll(() => tab.chat.status).toBe('ready');
    }
    const ended = [...(first.session.getSnapshot().state?.ended.values() ?? [])];
    for (const tab of [first, second]) tab.close();
    return { ...here, messages, ended };
  }

  it.skipIf(!('experimental_createSteering' in ai))(
    'run.steering: the message is delivered at the next step, and every tab shows it there',
    async () => {
      const { messages, model, ended } = await steered(asSteering);
      expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant']);
      expect(messages[1]?.parts).toMatchObject([
        { type: 'step-start' },
        { type: 'tool-search', output: 'found' },
        { type: 'steering-message', parts: [{ type: 'text', text: 'in Paris, Texas' }] },
        { type: 'step-start' },
        { type: 'text', text: 'heard Find a hotel, then in Paris, Texas' },
      ]);
      expect(model.calls.length).toBe(2);
      expect(ended).toMatchObject([{ withdrawn: true, steered: { step: 1 } }, { reason: 'finish' }]);
    },
  );

  it('run.takeMessages: the message reaches the next step, and stays in the conversation', async () => {
    const { messages, model, ended } = await steered(inPrepareStep);
    expect(messages.map(textOf)).toEqual([
      'Find a hotel',
      'heard Find a hotel, then in Paris, Texas',
      'in Paris, Texas',
    ]);
    expect(model.calls.length).toBe(2);
    expect(ended).toMatchObject([{ withdrawn: true, steered: {} }, { reason: 'finish' }]);
  });

  it.skipIf(!('experimental_createSteering' in ai))(
    'run.steering: a message that was not delivered has its turn, and every tab gets the reason',
    async () => {
      const once: Use = (context) => ({ ...asSteering(context), stopWhen: stepCountIs(1) });
      const { messages, ended } = await steered(once);
      expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
      expect(ended).toMatchObject([{ reason: 'finish' }, { reason: 'finish', missed: 'stop-condition' }]);
    },
  );

  it('a message that the handler does not take becomes the next run', async () => {
    const { messages, model, ended } = await steered(notAtAll);
    expect(ended).toMatchObject([{ reason: 'finish' }, { reason: 'finish', missed: 'not-taken' }]);
    expect(messages.map(textOf)).toEqual([
      'Find a hotel',
      'heard Find a hotel',
      'in Paris, Texas',
      'heard Find a hotel, then in Paris, Texas',
    ]);
    expect(model.calls.length).toBe(3);
  });
});
