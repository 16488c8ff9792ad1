// Tools, client tools and approvals, from any tab: replayed unchanged, answered once, continued once.

import { convertToModelMessages, stepCountIs, streamText, tool, type ToolSet, type UIMessage } from 'ai';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import { waitingCalls, type WaitingCall } from '../../protocol/tool-calls.ts';
import { useStores } from '../../test/fixtures/stores.fixture.ts';
import { openTab, textOf, type Tab } from '../../test/fixtures/tab.fixture.ts';
import { createWorld, type Client, type World } from '../../test/fixtures/world.fixture.ts';

const { stores } = useStores();

const booked: string[] = [];
const tools: ToolSet = {
  weather: tool({
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => ({ city, degrees: 21 }),
  }),
  location: tool({ inputSchema: z.object({}) }),
  book: tool({
    inputSchema: z.object({ seats: z.number() }),
    needsApproval: true,
    execute: async ({ seats }, { toolCallId }) => {
      booked.push(toolCallId);
      return `${seats}-seats`;
    },
  }),
};

/** Calls all tools that the user message names at once, then answers with their outputs. */
function toolModel(): ScriptedModel {
  let calls = 0;
  return scriptedModel({
    chunksPerSecond: 200,
    *script({ text, prompt }) {
      const last = prompt.at(-1);
      if (last?.role === 'tool') {
        const results = last.content.flatMap((part) => (part.type === 'tool-result' ? [part.output] : []));
        yield* `said: ${JSON.stringify(results.map((output) => ('value' in output ? output.value : output.type)))}`.split(
          ' ',
        );
        return;
      }
      for (const toolName of text.split(' ').filter((word) => word in tools)) {
        const input = { weather: { city: 'Lisbon' }, location: {}, book: { seats: 2 } }[toolName];
        yield {
          type: 'tool-call',
          toolCallId: `${toolName}-${++calls}`,
          toolName,
          input: JSON.stringify(input),
        };
      }
    },
  });
}

/** The result of the SDK's `lastAssistantMessageIsCompleteWith…`, for outputs and for approvals. */
function isSettled({ messages }: { messages: UIMessage[] }): boolean {
  const last = messages.at(-1);
  const calls = last?.parts.flatMap((part) => ('toolCallId' in part ? [part] : [])) ?? [];
  const done = ['output-available', 'output-error', 'approval-responded'];
  return (
    last?.role === 'assistant' &&
    calls.length > 0 &&
    last.parts.every((part) => part.type !== 'text') &&
    calls.every(({ state }) => done.includes(state))
  );
}

let count = 0;

describe.each(stores)('tools on %s', (name, open) => {
  const tabs: Tab[] = [];
  let world: World;
  let model: ScriptedModel;
  let id: string;
  const errors: string[] = [];
  const posts = (client: Client) => client.requests.filter(({ method }) => method === 'POST').length;

  function setUp(): void {
    id = `tools ${name} ${++count}`;
    errors.length = 0;
    booked.length = 0;
    model = toolModel();
    world = createWorld(open()(), async (request) => {
      const { messages } = (await request.json()) as { messages: UIMessage[] };
      const result = streamText({
        model,
        tools,
        stopWhen: stepCountIs(5),
        messages: await convertToModelMessages(messages),
        abortSignal: request.signal,
      });
      return result.toUIMessageStreamResponse();
    });
  }
  const tab = (onToolCall?: (toolCallId: string, tab: () => Tab) => void) => {
    const opened: Tab = openTab(world.client(), id, {
      sendAutomaticallyWhen: isSettled,
      onError: ({ message }) => void errors.push(message),
      ...(onToolCall && {
        onToolCall: ({ toolCall }) => {
          if (toolCall.toolName === 'location') onToolCall(toolCall.toolCallId, () => opened);
        },
      }),
    });
    tabs.push(opened);
    return opened;
  };
  /** The waiting call, once the tab has received it. */
  const waiting = async ({ session }: Tab): Promise<WaitingCall> => {
    const calls = () => waitingCalls(session.getSnapshot().state!);
    await expect.poll(calls).toHaveLength(1);
    return calls()[0]!;
  };
  const continued = () => expect.poll(() => model.calls.length).toBe(2);
  const joined = (one: Tab) => expect.poll(() => one.session.getSnapshot().state).toBeDefined();
  const partsOf = (one: Tab) =>
    one.chat.messages.at(-1)?.parts.flatMap((part) => ('toolCallId' in part ? [part] : [])) ?? [];
  const statesOf = (one: Tab) => partsOf(one).map(({ state }) => state);
  async function agreed(): Promise<UIMessage[]> {
    for (const one of tabs) await expect.poll(() => one.chat.status, { timeout: 5_000 }).toBe('ready');
    await world.settled();
    const { messages, runs } = await world.chat.session(id).read();
    expect(runs).toEqual([]);
    for (const one of tabs) await expect.poll(() => one.chat.messages, { timeout: 5_000 }).toEqual(messages);
    return messages;
  }
  afterEach(() => {
    for (const one of tabs.splice(0)) one.close();
  });

  it('a server tool in two steps is the same live, late and in the log', async () => {
    setUp();
    const live = tab();
    await joined(live);
    const sender = tab();
    await sender.chat.sendMessage({ text: 'weather' });
    const late = tab();
    await joined(late);
    const messages = await agreed();
    expect(textOf(messages[1])).toBe('said:[{"city":"Lisbon","degrees":21}]');
    expect(model.calls.length).toBe(2);
  });

  it('a client tool runs once, in the tab of the send, and is continued once', async () => {
    setUp();
    const runs: string[] = [];
    const run = (toolCallId: string, me: () => Tab) => {
      runs.push(toolCallId);
      void me().chat.addToolOutput({ tool: 'location', toolCallId, output: 'here' });
    };
    const others = [tab(run), tab(run)];
    for (const other of others) await joined(other);
    const sender = tab(run);
    await joined(sender);
    await sender.chat.sendMessage({ text: 'location' });
    await expect.poll(() => textOf(sender.chat.messages.at(-1)), { timeout: 5_000 }).toBe('said:["here"]');
    const messages = await agreed();
    expect(runs.length).toBe(1);
    expect(model.calls.length).toBe(2);
    expect(messages.length).toBe(2);
    // The send, the outcome of the call, and one continuation.
    expect([sender, ...others].map(({ client }) => posts(client))).toEqual([3, 0, 0]);
    expect(errors).toEqual([]);
  });

  it('any tab may give a client tool its outcome when the tab of the send is gone; a late one is refused', async () => {
    setUp();
    const sender = tab();
    const other = tab();
    await joined(other);
    await sender.chat.sendMessage({ text: 'location' });
    await agreed();
    const [{ toolCallId }] = partsOf(other) as unknown as [{ toolCallId: string }];
    await other.chat.addToolOutput({ tool: 'location', toolCallId, output: 'there' });
    await expect.poll(() => textOf(other.chat.messages.at(-1)), { timeout: 5_000 }).toBe('said:["there"]');
    await sender.chat.addToolOutput({ tool: 'location', toolCallId, output: 'late' });
    expect(errors).toEqual([expect.stringContaining('does not wait')]);
    const messages = await agreed();
    expect(JSON.stringify(messages)).not.toContain('late');
    expect(model.calls.length).toBe(2);
  });

  it('an approval is given in the second tab, executed once, and seen by all', async () => {
    setUp();
    const sender = tab();
    const second = tab();
    await joined(second);
    await sender.chat.sendMessage({ text: 'book' });
    for (const one of [sender, second])
      await expect.poll(() => statesOf(one)).toEqual(['approval-requested']);
    await agreed();
    const [{ approval }] = partsOf(second) as unknown as [{ approval: { id: string } }];
    await second.chat.addToolApprovalResponse({ id: approval.id, approved: true });
    await expect.poll(() => textOf(sender.chat.messages.at(-1)), { timeout: 5_000 }).toBe('said:["2-seats"]');
    const messages = await agreed();
    expect(booked.length).toBe(1);
    expect(messages.length).toBe(2);
    expect(messages[1]?.parts).toMatchObject([{}, { state: 'output-available', output: '2-seats' }, {}, {}]);
  });

  it('of two answers to one approval the first counts, and both tabs show it', async () => {
    setUp();
    const sender = tab();
    const second = tab();
    await joined(second);
    await sender.chat.sendMessage({ text: 'book' });
    await agreed();
    const [{ approval }] = partsOf(second) as unknown as [{ approval: { id: string } }];
    await Promise.all([
      sender.chat.addToolApprovalResponse({ id: approval.id, approved: true }),
      second.chat.addToolApprovalResponse({ id: approval.id, approved: false, reason: 'too dear' }),
    ]);
    await expect.poll(() => textOf(sender.chat.messages.at(-1)), { timeout: 5_000 }).toContain('said');
    await agreed();
    expect(errors.length).toBe(1);
    expect(booked.length).toBeLessThan(2);
    expect(model.calls.length).toBe(2);
  });

  it('two calls answered in two tabs at the same moment are continued once', async () => {
    setUp();
    const sender = tab();
    const second = tab();
    await joined(second);
    await sender.chat.sendMessage({ text: 'book location' });
    await agreed();
    const [book, location] = partsOf(second) as unknown as [
      { approval: { id: string } },
      { toolCallId: string },
    ];
    await Promise.all([
      sender.chat.addToolApprovalResponse({ id: book.approval.id, approved: true }),
      second.chat.addToolOutput({ tool: 'location', toolCallId: location.toolCallId, output: 'here' }),
    ]);
    await expect.poll(() => textOf(sender.chat.messages.at(-1)), { timeout: 5_000 }).toContain('said');
    await agreed();
    expect(model.calls.length).toBe(2);
    expect(posts(sender.client) + posts(second.client)).toBe(1 + 2 + 1);
    expect(errors).toEqual([]);
  });

  it('an approval is given after a reload, and the continuation is reloaded in the middle', async () => {
    setUp();
    const first = tab();
    await first.chat.sendMessage({ text: 'book' });
    await agreed();
    first.close();
    tabs.length = 0;
    const second = tab();
    await expect.poll(() => statesOf(second)).toEqual(['approval-requested']);
    const [{ approval }] = partsOf(second) as unknown as [{ approval: { id: string } }];
    await second.chat.addToolApprovalResponse({ id: approval.id, approved: true });
    await expect.poll(() => textOf(second.chat.messages.at(-1))).not.toBe('');
    second.close();
    tabs.length = 0;
    const third = tab();
    await expect.poll(() => partsOf(third).length).toBe(1);
    const messages = await agreed();
    expect(textOf(messages[1])).toBe('said:["2-seats"]');
    expect(booked.length).toBe(1);
  });

  it('G11: a message that is sent during an open approval denies it, and is answered', async () => {
    setUp();
    const sender = tab();
    const second = tab();
    await joined(second);
    await sender.chat.sendMessage({ text: 'book' });
    await agreed();
    const [{ approval }] = partsOf(second) as unknown as [{ approval: { id: string } }];
    await second.chat.sendMessage({ text: 'weather' });
    const messages = await agreed();
    expect(messages[1]?.parts.at(-1)).toMatchObject({
      state: 'approval-responded',
      approval: { approved: false },
    });
    expect(textOf(messages[3])).toBe('said:[{"city":"Lisbon","degrees":21}]');
    await sender.chat.addToolApprovalResponse({ id: approval.id, approved: true });
    expect((await agreed()).length).toBe(4);
    expect(booked).toEqual([]);
  });

  it('a client tool whose tab is gone runs in another tab, once', async () => {
    setUp();
    const executed: string[] = [];
    const sender = tab(() => void executed.push('sender'));
    const others = ['second', 'third'].map((who) =>
      tab((toolCallId, own) => {
        executed.push(who);
        void own().chat.addToolOutput({ tool: 'location', toolCallId, output: who });
      }),
    );
    for (const other of others) await joined(other);
    await sender.chat.sendMessage({ text: 'location' });
    // While its tab is connected, the call belongs to the tab, however long it takes.
    const since = Date.now();
    await expect.poll(() => Date.now() - since, { timeout: 5_000 }).toBeGreaterThan(3_000);
    expect(executed).toEqual(['sender']);

    sender.close();
    tabs.splice(0, 1);
    await continued();
    const messages = await agreed();
    expect(textOf(messages[1])).toBe(`said:["${executed[1]}"]`);
    expect(executed.length).toBe(2);
    expect(model.calls.length).toBe(2);
    expect(errors).toEqual([]);
  });

  it('a late result of a client tool that another tab has taken over is refused', async () => {
    setUp();
    let callId = '';
    const sender = tab((toolCallId) => void (callId = toolCallId));
    let taken: string | undefined;
    const second = tab((toolCallId) => void (taken = toolCallId));
    await joined(second);
    await sender.chat.sendMessage({ text: 'location' });
    sender.client.refuse = true;
    sender.client.cut();
    await expect.poll(() => taken, { timeout: 10_000 }).toBe(callId);
    sender.client.refuse = false;
    await sender.chat.addToolOutput({ tool: 'location', toolCallId: callId, output: 'late' });
    expect(errors).toEqual([
      'Another client has taken over the tool call. The outcome of that client counts. Discard this one.',
    ]);
    await second.chat.addToolOutput({ tool: 'location', toolCallId: callId, output: 'in-time' });
    await continued();
    const messages = await agreed();
    expect(textOf(messages[1])).toBe('said:["in-time"]');
  });

  it('a client tool continues in the reloaded tab', async () => {
    setUp();
    const executed: string[] = [];
    const first = tab(() => void executed.push('before'));
    await first.chat.sendMessage({ text: 'location' });
    first.close();
    tabs.length = 0;
    tab((toolCallId, own) => {
      executed.push('after');
      void own().chat.addToolOutput({ tool: 'location', toolCallId, output: 'here' });
    });
    await expect.poll(() => executed, { timeout: 10_000 }).toEqual(['before', 'after']);
    await continued();
    expect(textOf((await agreed())[1])).toBe('said:["here"]');
  });

  it.each(['request', 'reply'] as const)(
    'a tool outcome whose %s is lost is sent again, and counts once',
    async (lost) => {
      setUp();
      const sender = tab(() => {});
      await joined(sender);
      await sender.chat.sendMessage({ text: 'location' });
      const { toolCallId } = await waiting(sender);
      const { client } = sender;
      let failures = 0;
      const network = lost === 'request' ? 'refuse' : 'lose';
      if (network === 'refuse') client.refuse = true;
      client.lose = (method) => method === 'POST' && network === 'lose' && ++failures <= 2;
      const answered = sender.chat.addToolOutput({ tool: 'location', toolCallId, output: 'here' });
      await expect
        .poll(() => client.requests.filter(({ method }) => method === 'POST').length)
        .toBeGreaterThan(3);
      client.refuse = false;
      await answered;
      await continued();
      expect(textOf((await agreed())[1])).toBe('said:["here"]');
      expect(model.calls.length).toBe(2);
      expect(errors).toEqual([]);
    },
  );

  it('a tool outcome whose tab is gone before the continuation is continued by another tab, once', async () => {
    setUp();
    const sender = tab(() => {});
    const others = [tab(() => {}), tab(() => {})];
    for (const other of others) await joined(other);
    await sender.chat.sendMessage({ text: 'location' });
    const { messageId, toolCallId } = await waiting(sender);
    const outcome = { state: 'output-available', output: 'here' } as const;
    await sender.session.addToolOutcome({ messageId, toolCallId, outcome });
    sender.close();
    tabs.splice(0, 1);
    await expect.poll(() => model.calls.length, { timeout: 10_000 }).toBe(2);
    expect(textOf((await agreed())[1])).toBe('said:["here"]');
    expect(model.calls.length).toBe(2);
    expect(errors).toEqual([]);
  });

  it('bad claims: unknown session, message, call; a call that is over; malformed', async () => {
    setUp();
    const sender = tab();
    await sender.chat.sendMessage({ text: 'weather' });
    const [, message] = await agreed();
    const { toolCallId } = message!.parts.find((part) => 'toolCallId' in part) as { toolCallId: string };
    const claim = (more: object) =>
      sender.core.requests.post({
        id,
        trigger: 'tool-claim',
        messageId: message!.id,
        toolCallId,
        holder: 'h',
        ms: 1_000,
        ...more,
      });
    expect(await claim({})).toEqual({ claimed: false });
    for (const unknown of [{ id: 'x' }, { messageId: 'x' }, { toolCallId: 'x' }]) {
      await expect(claim(unknown)).rejects.toMatchObject({ code: 'not_found', status: 404 });
    }
    for (const bad of [{ ms: 0 }, { ms: 1e9 }, { holder: '' }, { holder: undefined }]) {
      await expect(claim(bad)).rejects.toMatchObject({ code: 'bad_request', status: 400 });
    }
    expect((await agreed())[1]).toEqual(message);
  });

  it('bad answers: unknown session, message, call; a call that is over; malformed', async () => {
    setUp();
    const sender = tab();
    await sender.chat.sendMessage({ text: 'weather' });
    const [, message] = await agreed();
    const call = message!.parts.find((part) => 'toolCallId' in part) as { toolCallId: string };
    const outcome = { state: 'output-available', output: 1 } as const;
    const over = { messageId: message!.id, toolCallId: call.toolCallId, outcome };
    await expect(sender.session.addToolOutcome(over)).rejects.toMatchObject({
      code: 'conflict',
      status: 409,
    });
    await expect(sender.session.addToolOutcome({ ...over, toolCallId: 'x' })).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(sender.session.addToolOutcome({ ...over, messageId: 'x' })).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(
      sender.session.addToolOutcome({ ...over, outcome: { state: 'done' } as never }),
    ).rejects.toMatchObject({ code: 'bad_request', status: 400 });
    expect((await agreed())[1]).toEqual(message);
  });
});
