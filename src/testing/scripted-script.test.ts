import {
  convertToModelMessages,
  generateText,
  isStepCount,
  readUIMessageStream,
  streamText,
  tool,
  toUIMessageStream,
  type ModelMessage,
  type UIMessage,
} from 'ai';
import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { scriptedModel, type ScriptedModel } from './scripted-model.ts';

const fast = (): ScriptedModel => scriptedModel({ chunksPerSecond: Infinity });

const counted = (n: number): string => Array.from({ length: n }, (_, i) => i + 1).join(' ');

describe('the default script', () => {
  test('counts, one number per chunk', async () => {
    const result = streamText({ model: fast(), prompt: 'please count to 12' });
    const deltas = [];
    for await (const delta of result.textStream) deltas.push(delta);
    expect(deltas.slice(0, 3)).toEqual(['1', ' 2', ' 3']);
    expect(deltas).toHaveLength(12);
    expect(deltas.join('')).toBe(counted(12));
    expect(await result.finishReason).toBe('stop');
    expect((await result.usage).outputTokens).toBe(12);
  });

  test('answers the last user message, and describes itself if no pattern matches', async () => {
    const messages: ModelMessage[] = [
      { role: 'user', content: 'count to 3' },
      { role: 'assistant', content: '1 2 3' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What survives ' },
          { type: 'text', text: 'a reload?' },
        ],
      },
    ];
    const model = fast();
    const { text } = await generateText({ model, messages });
    expect(text).toMatch(/^This is a scripted model.*“count to 100”.*“book a table”\.$/);
    expect(model.calls[0]).toMatchObject({ text: 'What survives a reload?', finished: true });
    expect(model.calls[0]!.emitted).toBe(text.split(' ').length);
  });

  test.each([
    ['count to 50', undefined, 49 / 25],
    ['count to 60 at 200/s', undefined, 59 / 200],
    ['count to 4000 at 10000/s', undefined, 0.4],
    ['count to 50', 100, 0.49],
  ])('%s (option %s) takes at least %d s', async (prompt, chunksPerSecond, seconds) => {
    const model = scriptedModel(chunksPerSecond === undefined ? {} : { chunksPerSecond });
    const timers = vi.spyOn(globalThis, 'setTimeout');
    const startedAt = performance.now();
    const text = await streamText({ model, prompt }).text;
    const took = (performance.now() - startedAt) / 1000;
    expect(text).toBe(counted(model.calls[0]!.emitted));
    expect(took).toBeGreaterThan(seconds * 0.98);
    // At 10000/s a timer for each chunk would be 4000, each of them over 1 ms long.
    expect(timers.mock.calls.length).toBeLessThan(1_000);
    timers.mockRestore();
  });
});

describe('with tools', () => {
  const booked: unknown[] = [];
  const tools = {
    weather: tool({
      inputSchema: z.object({ city: z.string() }),
      execute: ({ city }) => {
        if (city === 'Atlantis') throw new Error('There is nothing there.');
        return { city, celsius: 21, sky: 'sunny' };
      },
    }),
    location: tool({ inputSchema: z.object({}), outputSchema: z.object({ city: z.string() }) }),
    book: tool({
      inputSchema: z.object({ guests: z.number(), at: z.string() }),
      execute: (input) => {
        booked.push(input);
        return { reference: 'T-42' };
      },
    }),
  };

  /** Does what a chat route does for one turn. The message grows from turn to turn. */
  async function turn(model: ScriptedModel, text: string, message?: UIMessage): Promise<UIMessage> {
    const question: UIMessage = { id: 'q', role: 'user', parts: [{ type: 'text', text }] };
    const messages = message ? [question, message] : [question];
    const { stream } = streamText({
      model,
      tools,
      toolApproval: { book: 'user-approval' },
      messages: await convertToModelMessages(messages, { tools }),
      stopWhen: isStepCount(5),
      onError: () => {},
    });
    let last = message;
    const chunks = toUIMessageStream({ stream, originalMessages: messages });
    for await (const snapshot of readUIMessageStream({ stream: chunks, ...(message && { message }) })) {
      last = structuredClone(snapshot);
    }
    return last!;
  }

  const shape = ({ parts }: UIMessage): unknown[] =>
    parts.map((part) => {
      if (part.type === 'text' || part.type === 'reasoning') return `${part.type}: ${part.text}`;
      return 'state' in part ? `${part.type}: ${part.state}` : part.type;
    });

  /** The message with its tool call answered, as a client answers it. */
  const answered = (message: UIMessage, how: (part: Record<string, unknown>) => object): UIMessage => ({
    ...message,
    parts: message.parts.map((part) =>
      'toolCallId' in part ? { ...part, ...how(part) } : part,
    ) as UIMessage['parts'],
  });

  test.each([
    ['weather in Lisbon', 'It is 21 °C and sunny in Lisbon.', 'output-available'],
    ['What is the weather in New York at 500/s?', 'It is 21 °C and sunny in New York.', 'output-available'],
    ['weather in Atlantis', 'I could not get the weather in Atlantis.', 'output-error'],
  ])('%s: a call, then its result as text', async (text, answer, state) => {
    const model = fast();
    const message = await turn(model, text);
    expect(shape(message)).toEqual(['step-start', `tool-weather: ${state}`, 'step-start', `text: ${answer}`]);
    expect(model.calls).toHaveLength(2);
  });

  test('a second weather question makes a new call', async () => {
    const model = fast();
    const first = await turn(model, 'weather in Lisbon');
    const result = await generateText({
      model,
      tools,
      messages: [
        ...(await convertToModelMessages([first], { tools })),
        { role: 'user', content: 'weather in Lisbon' },
      ],
    });
    expect(result.toolCalls).toHaveLength(1);
    const ids = first.parts.flatMap((part) => ('toolCallId' in part ? part.toolCallId : []));
    expect(ids).not.toContain(result.toolCalls[0]!.toolCallId);
  });

  test('where am I: waits for the client, then names the place', async () => {
    const model = fast();
    const asked = await turn(model, 'Where am I?');
    expect(shape(asked)).toEqual(['step-start', 'tool-location: input-available']);
    const message = await turn(
      model,
      'Where am I?',
      answered(asked, () => ({ state: 'output-available', output: { city: 'Lisbon' } })),
    );
    expect(shape(message).slice(1)).toEqual([
      'tool-location: output-available',
      'step-start',
      'text: You are in Lisbon.',
    ]);
  });

  test.each([
    [true, 'output-available', 'Your table for 4 at 20:00 is booked, reference T-42.'],
    [false, 'output-denied', 'You denied the booking. Nothing has been booked.'],
  ])('book a table: asks first; approved %s', async (approved, state, answer) => {
    const model = fast();
    booked.length = 0;
    const asked = await turn(model, 'book a table for 4');
    expect(shape(asked)).toEqual(['step-start', 'tool-book: approval-requested']);
    expect(booked).toEqual([]);
    const message = await turn(
      model,
      'book a table for 4',
      answered(asked, ({ approval }) => ({
        state: 'approval-responded',
        approval: { ...(approval as object), approved },
      })),
    );
    expect(shape(message).slice(1)).toEqual([`tool-book: ${state}`, 'step-start', `text: ${answer}`]);
    expect(booked).toEqual(approved ? [{ guests: 4, at: '20:00' }] : []);
  });

  test('think about: reasoning comes first', async () => {
    const message = await turn(fast(), 'think about snow');
    expect(shape(message)).toEqual([
      'step-start',
      expect.stringMatching(/^reasoning: The user asks me to think about snow\..* is short\.$/),
      'text: I have thought about snow. It is simpler than it seems.',
    ]);
  });

  test('a tool that the app does not have is not called', async () => {
    const { text, toolCalls } = await generateText({ model: fast(), prompt: 'weather in Lisbon' });
    expect(toolCalls).toEqual([]);
    expect(text).toBe('This needs a tool named weather, which this app does not have.');
  });

  test('`at R/s` sets the pace of any text', async () => {
    const model = scriptedModel();
    const startedAt = performance.now();
    await turn(model, 'think about snow at 1000/s');
    expect(model.calls[0]!.emitted).toBeGreaterThan(50);
    expect(performance.now() - startedAt).toBeLessThan(1500);
  });
});
