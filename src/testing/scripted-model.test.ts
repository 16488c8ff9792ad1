import {
  generateText,
  isStepCount,
  stepCountIs,
  streamText,
  tool,
  type TextStreamPart,
  type ToolSet,
} from 'ai';
import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { scriptedModel, type Script } from './scripted-model.ts';

const fast = (script?: Script): ReturnType<typeof scriptedModel> =>
  scriptedModel({ chunksPerSecond: Infinity, ...(script && { script }) });

const counted = (n: number): string => Array.from({ length: n }, (_, i) => i + 1).join(' ');

async function partsOf<TOOLS extends ToolSet>(
  stream: AsyncIterable<TextStreamPart<TOOLS>>,
): Promise<TextStreamPart<TOOLS>[]> {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

describe('an abort', () => {
  test('during a wait ends the stream at once, and is recorded', async () => {
    const model = scriptedModel({ chunksPerSecond: 0.5 });
    const controller = new AbortController();
    const { stream } = await model.doStream(call('count to 10', controller.signal));
    const reader = stream.getReader();
    while ((await reader.read()).value?.type !== 'text-delta');
    const pending = reader.read();
    const abortedAt = performance.now();
    controller.abort();
    await expect(pending).rejects.toMatchObject({ name: 'AbortError' });
    expect(performance.now() - abortedAt).toBeLessThan(1000);
    expect(model.calls[0]).toMatchObject({ aborted: true, finished: false, emitted: 1 });
    expect(model.calls[0]!.abortReason).toBe(controller.signal.reason);
  });

  test('leaves no timer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const controller = new AbortController();
      const { stream } = await scriptedModel().doStream(call('count to 10', controller.signal));
      const reader = stream.getReader();
      while ((await reader.read()).value?.type !== 'text-delta');
      const pending = reader.read().catch(() => 'aborted');
      await new Promise((resolve) => setImmediate(resolve));
      expect(vi.getTimerCount()).toBe(1);
      controller.abort();
      expect(await pending).toBe('aborted');
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test('during streamText keeps the text so far', async () => {
    const model = scriptedModel({ chunksPerSecond: 200 });
    const controller = new AbortController();
    const result = streamText({ model, prompt: 'count to 1000', abortSignal: controller.signal });
    let text = '';
    let ended: string | undefined;
    for await (const part of result.stream) {
      if (part.type === 'text-delta') text += part.text;
      if (text.endsWith(' 10')) controller.abort();
      ended = part.type;
    }
    expect(ended).toBe('abort');
    expect(counted(1000).startsWith(text)).toBe(true);
    expect(model.calls).toHaveLength(1);
    expect(model.calls[0]).toMatchObject({ aborted: true, finished: false });
    expect(model.calls[0]!.emitted).toBeLessThan(200);
  });

  test('before the first chunk ends a script that never answers', async () => {
    const model = fast(async function* () {
      await new Promise(() => {});
      yield 'never';
    });
    const controller = new AbortController();
    const result = streamText({ model, prompt: 'hello', abortSignal: controller.signal });
    const parts = partsOf(result.stream);
    await vi.waitFor(() => expect(model.calls).toHaveLength(1));
    controller.abort();
    expect((await parts).at(-1)?.type).toBe('abort');
    expect(model.calls[0]).toMatchObject({ aborted: true, finished: false, emitted: 0 });
  });

  test('before the call refuses it', async () => {
    const model = fast();
    const signal = AbortSignal.abort();
    await expect(model.doStream(call('count to 3', signal))).rejects.toBe(signal.reason);
    await expect(model.doGenerate(call('count to 3', signal))).rejects.toBe(signal.reason);
    expect(model.calls.map(({ aborted, emitted }) => ({ aborted, emitted }))).toEqual([
      { aborted: true, emitted: 0 },
      { aborted: true, emitted: 0 },
    ]);
  });

  test('reaches a script without a pace that never ends', async () => {
    const model = fast(function* () {
      for (;;) yield 'x';
    });
    const result = streamText({ model, prompt: 'go', abortSignal: AbortSignal.timeout(50) });
    await partsOf(result.stream);
    expect(model.calls[0]).toMatchObject({ aborted: true, finished: false });
  });

  test('runs the script to its `finally`', async () => {
    let cleaned = false;
    const controller = new AbortController();
    const model = fast(function* () {
      try {
        yield 'a';
        controller.abort();
        yield 'b';
      } finally {
        cleaned = true;
      }
    });
    await partsOf(streamText({ model, prompt: 'go', abortSignal: controller.signal }).stream);
    expect(cleaned).toBe(true);
    expect(model.calls[0]).toMatchObject({ aborted: true, emitted: 1 });
  });

  test('is not recorded for a reader that only cancels the stream', async () => {
    const model = scriptedModel({ chunksPerSecond: 20 });
    const { stream } = await model.doStream(call('count to 10', new AbortController().signal));
    const reader = stream.getReader();
    while ((await reader.read()).value?.type !== 'text-delta');
    const pending = reader.read();
    await reader.cancel();
    expect(await pending).toMatchObject({ done: true });
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(model.calls[0]).toMatchObject({ aborted: false, finished: false, emitted: 1 });
  });

  test('after the end changes nothing', async () => {
    const model = fast();
    const controller = new AbortController();
    await streamText({ model, prompt: 'count to 3', abortSignal: controller.signal }).text;
    controller.abort();
    expect(model.calls[0]).toMatchObject({ aborted: false, finished: true, emitted: 3 });
  });
});

describe('a script', () => {
  test('can mix text with parts, and text blocks close around the parts', async () => {
    const model = fast(function* () {
      yield 'a';
      yield 'b';
      yield { type: 'reasoning-start', id: 'r' };
      yield { type: 'reasoning-delta', id: 'r', delta: 'hm' };
      yield { type: 'reasoning-end', id: 'r' };
      yield 'c';
    });
    const { stream } = await model.doStream(call('go'));
    const parts = [];
    for await (const part of stream) parts.push('id' in part ? `${part.type} ${part.id}` : part.type);
    expect(parts).toEqual([
      'stream-start',
      'text-start text-1',
      'text-delta text-1',
      'text-delta text-1',
      'text-end text-1',
      'reasoning-start r',
      'reasoning-delta r',
      'reasoning-end r',
      'text-start text-2',
      'text-delta text-2',
      'text-end text-2',
      'finish',
    ]);
    expect(model.calls[0]!.emitted).toBe(6);
    const { content } = await model.doGenerate(call('go'));
    expect(content).toEqual([
      { type: 'text', text: 'ab' },
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'c' },
    ]);
  });

  test.each([
    ['isStepCount', isStepCount],
    ['stepCountIs', stepCountIs],
  ])('calls tools in a loop (%s)', async (_name, until) => {
    const model = fast(function* ({ step, prompt }) {
      if (step < 2) {
        yield `step ${step}`;
        yield {
          type: 'tool-call',
          toolCallId: `call-${step}`,
          toolName: 'add',
          input: `{"a":${step},"b":1}`,
        };
        return;
      }
      yield `done after ${prompt.filter((message) => message.role === 'tool').length}`;
    });
    const add = tool({
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      execute: ({ a, b }) => a + b,
    });
    const result = streamText({ model, prompt: 'go', tools: { add }, stopWhen: until(5) });
    const steps = await result.steps;
    expect(steps.map((step) => step.finishReason)).toEqual(['tool-calls', 'tool-calls', 'stop']);
    expect(steps.flatMap((step) => step.toolResults.map(({ output }) => output))).toEqual([1, 2]);
    expect(steps.at(-1)!.text).toBe('done after 2');
    expect(model.calls.map(({ text }) => text)).toEqual(['go', 'go', 'go']);

    const generated = await generateText({ model, prompt: 'go', tools: { add }, stopWhen: until(5) });
    expect(generated.text).toBe('done after 2');
    expect(generated.steps).toHaveLength(3);
  });

  test('breaks the stream by throwing', async () => {
    const failure = new Error('the model fell over');
    const model = fast(function* () {
      yield 'half';
      throw failure;
    });
    const result = streamText({ model, prompt: 'go', onError: () => {} });
    await expect(partsOf(result.stream)).rejects.toBe(failure);
    expect(model.calls).toHaveLength(1);
    expect(model.calls[0]).toMatchObject({ aborted: false, finished: false, emitted: 1 });
    await expect(model.doGenerate(call('go'))).rejects.toBe(failure);
  });

  test('can report an error as a part, as a provider does', async () => {
    const failure = new Error('overloaded');
    const model = fast(() => ['half', { type: 'error', error: failure }]);
    const parts = await partsOf(streamText({ model, prompt: 'go', onError: () => {} }).stream);
    expect(parts.find((part) => part.type === 'error')).toMatchObject({ error: failure });
    await expect(model.doGenerate(call('go'))).rejects.toBe(failure);
  });

  test('can return one string, or nothing', async () => {
    expect(await streamText({ model: fast(() => 'hello'), prompt: 'go' }).text).toBe('hello');
    const silent = fast(() => []);
    const { stream } = await silent.doStream(call('go'));
    const types = [];
    for await (const part of stream) types.push(part.type);
    expect(types).toEqual(['stream-start', 'finish']);
  });
});

function call(
  text: string,
  abortSignal?: AbortSignal,
): Parameters<ReturnType<typeof scriptedModel>['doStream']>[0] {
  return {
    prompt: [{ role: 'user', content: [{ type: 'text', text }] }],
    ...(abortSignal && { abortSignal }),
  };
}
