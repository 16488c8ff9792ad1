// G11: the next run works after an open tool call, and late outcomes of that call are handled.

import { convertToModelMessages, stepCountIs, streamText, tool, type ToolSet, type UIMessage } from 'ai';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { createWorld, type World } from '../fixtures/world.fixture.ts';

const { stores } = useStores();

const booked: unknown[] = [];
const tools: ToolSet = {
  location: tool({ inputSchema: z.object({}) }),
  book: tool({
    inputSchema: z.object({ seats: z.number() }),
    needsApproval: true,
    execute: async (input) => {
      booked.push(input);
      return 'booked';
    },
  }),
};
const question = (id: string, text: string): UIMessage => ({
  id,
  role: 'user',
  parts: [{ type: 'text', text }],
});

let count = 0;

describe.each(stores)('an open call that later messages follow, on %s', (name, open) => {
  let id: string;
  let world: World;
  let model: ScriptedModel;
  let release: () => void = () => {};
  const tabs: Tab[] = [];
  const errors: unknown[] = [];

  /** Calls the tools that the question names, once it is released, and repeats the outputs of earlier calls. */
  function setUp(options: Parameters<typeof createWorld>[2] = {}): void {
    id = `passed ${name} ${++count}`;
    errors.length = booked.length = 0;
    const released = new Promise<void>((resolve) => (release = resolve));
    let calls = 0;
    model = scriptedModel({
      chunksPerSecond: Infinity,
      async *script({ text, prompt }) {
        if (text.includes('slowly')) await released;
        const results = prompt.flatMap(({ role, content }) =>
          role === 'tool'
            ? content.flatMap((part) => (part.type === 'tool-result' ? [part.output] : []))
            : [],
        );
        const toolName = text.split(' ').find((word) => word in tools);
        if (toolName && prompt.at(-1)?.role === 'user') {
          const input = toolName === 'book' ? '{"seats":2}' : '{}';
          yield { type: 'tool-call', toolCallId: `${toolName}-${++calls}`, toolName, input };
        } else yield `heard ${JSON.stringify(results.map((output) => 'value' in output && output.value))}`;
      },
    });
    world = createWorld(
      open()(),
      async (request) => {
        const { messages } = (await request.json()) as { messages: UIMessage[] };
        return streamText({
          model,
          tools,
          stopWhen: stepCountIs(5),
          messages: await convertToModelMessages(messages),
          abortSignal: request.signal,
        }).toUIMessageStreamResponse();
      },
      { onError: (error) => void errors.push(error), ...options },
    );
  }
  const post = async (messages: UIMessage[]) => {
    const body = JSON.stringify({ id, messages, trigger: 'submit-message' });
    const response = await world.client().fetch('/api/chat', { method: 'POST', body });
    return { status: response.status, text: response.text() };
  };
  const say = async (messages: UIMessage[]) => {
    const { status, text } = await post(messages);
    expect(status).toBe(200);
    return text;
  };
  const tab = () => {
    const opened = openTab(world.client(), id, {
      onError: (error) => void errors.push(error),
      sendAutomaticallyWhen: ({ messages }) =>
        messages.at(-1)?.parts.some((part) => 'toolCallId' in part && part.state === 'output-available') ??
        false,
    });
    tabs.push(opened);
    return opened;
  };
  const read = async () => {
    await world.settled();
    return (await world.chat.session(id).read()).messages;
  };
  const callOf = (message: UIMessage | undefined) => {
    const call = message?.parts.find((part) => 'toolCallId' in part);
    return { messageId: message!.id, toolCallId: call!.toolCallId };
  };
  afterEach(() => {
    for (const one of tabs.splice(0)) one.close();
  });

  it('G11: a send that was queued after it is answered, and so is every later one', async () => {
    setUp();
    const first = await post([question('u1', 'slowly location')]);
    const second = await post([question('u2', 'and now?')]);
    release();
    await Promise.all([first.text, second.text]);
    expect((await read()).map(textOf)).toEqual([
      'slowly location',
      '',
      'and now?',
      'heard ["The conversation went on before this tool call was complete."]',
    ]);
    await say([question('u3', 'still there?')]);
    expect(textOf((await read()).at(-1))).toContain('heard');
    expect(errors).toEqual([]);
  });

  it('G11: a late output is accepted, shown, and read by the next runs; its tab gets no error', async () => {
    setUp();
    const one = tab();
    await expect.poll(() => one.session.getSnapshot().state).toBeDefined();
    const sent = one.chat.sendMessage({ text: 'slowly location' });
    await expect.poll(() => model.calls.length).toBe(1);
    const queued = await post([question('u2', 'and now?')]);
    release();
    await Promise.all([sent, queued.text]);
    const asked = (await read())[1];
    await one.chat.addToolOutput({ tool: 'location', ...callOf(asked), output: 'Lisbon' });
    expect((await read())[1]?.parts).toContainEqual(
      expect.objectContaining({ state: 'output-available', output: 'Lisbon' }),
    );
    await say([question('u3', 'so?')]);
    const messages = await read();
    expect(textOf(messages.at(-1))).toBe('heard ["Lisbon"]');
    await expect.poll(() => one.chat.messages).toEqual(messages);
    expect(one.chat.status).toBe('ready');
    expect(errors).toEqual([]);
  });

  it('a late output in a continuation is kept, although the continuation is refused', async () => {
    setUp();
    await say([question('u1', 'location')]);
    const asked = (await read())[1]!;
    await say([question('u2', 'and now?')]);
    const parts = asked.parts.map((part) =>
      'toolCallId' in part ? { ...part, state: 'output-available', output: 'Lisbon' } : part,
    ) as UIMessage['parts'];
    const late = await post([question('u1', 'location'), { ...asked, parts }]);
    expect(late.status).toBe(409);
    expect(await late.text).toContain('continued after');
    await say([question('u3', 'so?')]);
    const messages = await read();
    expect(messages.map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
      'user',
      'assistant',
    ]);
    expect(textOf(messages.at(-1))).toBe('heard ["Lisbon"]');
  });

  it('a late approval is refused, executes nothing, and is no longer requested', async () => {
    setUp();
    const first = await post([question('u1', 'slowly book')]);
    const second = await post([question('u2', 'and now?')]);
    release();
    await Promise.all([first.text, second.text]);
    const asked = (await read())[1]!;
    expect(asked.parts).toContainEqual(
      expect.objectContaining({
        state: 'approval-responded',
        approval: expect.objectContaining({ approved: false }) as unknown,
      }),
    );
    const outcome = { state: 'approval-responded', approved: true } as const;
    await expect(world.chat.session(id).addToolOutcome({ ...callOf(asked), outcome })).rejects.toMatchObject({
      code: 'conflict',
    });
    const approved = asked.parts.map((part) =>
      'toolCallId' in part
        ? { ...part, state: 'approval-responded', approval: { ...part.approval, approved: true } }
        : part,
    ) as UIMessage['parts'];
    expect((await post([{ ...asked, parts: approved }])).status).toBe(409);
    await say([question('u3', 'so?')]);
    expect(textOf((await read()).at(-1))).toContain('heard');
    expect(booked).toEqual([]);
  });

  it('an approval that is requested after the next message is refused', async () => {
    setUp({ whenBusy: 'parallel' });
    const first = await post([question('u1', 'slowly book')]);
    await say([question('u2', 'and now?')]);
    release();
    await first.text;
    const asked = (await read())[1]!;
    const outcome = { state: 'approval-responded', approved: true } as const;
    await expect(world.chat.session(id).addToolOutcome({ ...callOf(asked), outcome })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('continued after') as string,
    });
    await say([question('u3', 'so?')]);
    expect(booked).toEqual([]);
  });

  it('G11: an open call in the messages of loadMessages is closed too', async () => {
    setUp({
      loadMessages: () => [
        question('u1', 'location'),
        {
          id: 'a1',
          role: 'assistant',
          parts: [
            { type: 'tool-location', toolCallId: 'c', state: 'input-available', input: {} },
            {
              type: 'tool-book',
              toolCallId: 'd',
              state: 'approval-responded',
              input: {},
              approval: { id: 'p', approved: true },
            },
          ],
        },
      ],
    });
    const { status, text } = await post([question('u2', 'and now?')]);
    expect(status).toBe(200);
    await text;
    expect(textOf((await read()).at(-1))).toContain('heard');
    expect(booked).toEqual([]);
  });
});
