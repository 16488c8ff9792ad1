// A language model that follows a script: it needs no key and no network, and emits exact text at an exact pace. It records
// every call, so that a test can check that an abort reached the model.
import type {
  CallOptions,
  GenerateResult,
  LanguageModelV3,
  PartStream,
  Prompt,
  StreamPart,
} from './provider-types.ts';
import { holding, pacer, type Pace } from './scripted-pace.ts';
import { askedHolds, askedRate, defaultScript, type Script, type ScriptInput } from './scripted-script.ts';

export type { Script, ScriptInput, ScriptItem } from './scripted-script.ts';

/** The options of `scriptedModel`. */
export interface ScriptedModelOptions {
  /**
   * Answers a call.
   *
   * @defaultValue the answer depends on the last user message:
   * - `count to 100`, `count to 600 at 60/s`: the numbers, one per item.
   * - `think about snow`: reasoning, then text.
   * - `weather in Lisbon`: calls the tool `weather` with `{ city: 'Lisbon' }`, and reads `{ celsius, sky }` from its output.
   * - `where am I`: calls `location` with `{}`, and reads `{ city }`.
   * - `book a table for 2`: calls `book` with `{ guests: 2, at: '20:00' }`, and reads `{ reference }`.
   *
   * - anything else: a short paragraph.
   *
   * If the `streamText` call has no such tool, the answer says so. A script that throws breaks the model's stream, like a lost
   * connection to the provider. For an error that the provider reports itself, yield `{ type: 'error', error }`.
   */
  script?: Script;
  /**
   * Items per second, on average. `Infinity` does not wait.
   * @defaultValue 25
   */
  chunksPerSecond?: number;
  /**
   * Called where a text asks the default script to wait: `count to 100, hold at 10, 20` waits after 10 and after 20 items.
   * The answer continues once the result resolves. `signal` aborts with the call.
   * @defaultValue the default script does not wait
   */
  hold?: (signal: AbortSignal) => Promise<unknown>;
}

/** One call of the model. The object changes while the call runs. */
export interface ScriptedCall {
  /** The text of the last user message. */
  readonly text: string;
  /** The whole prompt. */
  readonly prompt: Prompt;
  /** The call's abort signal fired before the answer was complete. */
  readonly aborted: boolean;
  /** The signal's reason, once aborted. */
  readonly abortReason: unknown;
  /** The answer was delivered to its end. */
  readonly finished: boolean;
  /** How many items of the script were delivered so far, without the parts that the model adds around them. */
  readonly emitted: number;
}

/** A model for the `model` option of `ai` 6 and 7. */
export interface ScriptedModel extends LanguageModelV3 {
  readonly specificationVersion: 'v3';
  /** Every call so far, oldest first. The list grows as long as the model exists. */
  readonly calls: readonly ScriptedCall[];
}

type Call = { -readonly [K in keyof ScriptedCall]: ScriptedCall[K] };

const DEFAULT_RATE = 25;

/**
 * Creates a model that follows a script. It holds no resources between calls.
 *
 * @param options The script and its pace. By default it answers `count to 5` and the other texts of `script`.
 * @returns The model, whose `calls` record what was asked and what was aborted.
 *
 * @example
 * ```ts
 * const model = scriptedModel({ chunksPerSecond: Infinity });
 * const { text } = await generateText({ model, prompt: 'count to 3' }); // 1 2 3
 * ```
 */
export function scriptedModel(options: ScriptedModelOptions = {}): ScriptedModel {
  const calls: Call[] = [];

  function begin({ prompt, tools, abortSignal }: CallOptions): PartStream {
    const { text, step } = lastUserMessage(prompt);
    const call: Call = { text, prompt, aborted: false, abortReason: undefined, finished: false, emitted: 0 };
    calls.push(call);
    const input: ScriptInput = {
      text,
      prompt,
      step,
      tools: tools?.map(({ name }) => name) ?? [],
      signal: abortSignal,
    };
    const script = options.script ?? defaultScript;
    const asked = options.script === undefined ? askedRate(text) : undefined;
    const holds = options.script === undefined && options.hold ? askedHolds(text) : [];
    const rate = asked ?? options.chunksPerSecond ?? DEFAULT_RATE;
    const pace = holding(() => pacer(rate), holds, options.hold);
    const ended = new AbortController();
    return abortable(compose(script, input, pace, call, ended.signal), call, abortSignal, ended);
  }

  return {
    specificationVersion: 'v3',
    provider: 'durable-chat',
    modelId: 'scripted',
    supportedUrls: {},
    calls,
    async doStream(callOptions) {
      const stream = begin(callOptions);
      // Like fetch: a request that is aborted before it is made rejects, and has no stream.
      callOptions.abortSignal?.throwIfAborted();
      return { stream };
    },
    async doGenerate(callOptions) {
      return collect(begin(callOptions));
    },
  };
}

/** Adds a start, text blocks and a finish to the script's items, for a complete provider stream. */
async function* compose(
  script: Script,
  input: ScriptInput,
  pace: Pace,
  call: Call,
  ended: AbortSignal,
): AsyncGenerator<StreamPart, void, undefined> {
  let started = false;
  let finished = false;
  let wantsTools = false;
  let blocks = 0;
  let open: string | undefined;

  const items = script(input);
  // A string is one chunk, and not one chunk per character.
  for await (const item of typeof items === 'string' ? [items] : items) {
    await pace(call.emitted, ended);
    if (ended.aborted) return;
    if (!started) {
      started = true;
      if (typeof item === 'string' || item.type !== 'stream-start') yield START;
    }
    if (typeof item === 'string') {
      if (open === undefined) yield { type: 'text-start', id: (open = `text-${++blocks}`) };
      call.emitted++;
      yield { type: 'text-delta', id: open, delta: item };
      continue;
    }
    if (open !== undefined) yield { type: 'text-end', id: open };
    open = undefined;
    finished ||= item.type === 'finish';
    wantsTools ||= item.type === 'tool-call' && item.providerExecuted !== true;
    call.emitted++;
    yield item;
  }

  if (!started) yield START;
  if (open !== undefined) yield { type: 'text-end', id: open };
  if (!finished) yield finish(wantsTools ? 'tool-calls' : 'stop', input.text, call.emitted);
}

/** Makes a stream that fails at once with the signal's reason, like a provider's stream. */
function abortable(
  parts: AsyncGenerator<StreamPart, void, undefined>,
  call: Call,
  signal: AbortSignal | undefined,
  ended: AbortController,
): PartStream {
  const noteAbort = (): void => {
    call.aborted = true;
    call.abortReason = signal?.reason;
  };
  let release = (): void => {};
  const close = (): void => {
    release();
    ended.abort();
    // Not awaited, because a script can take any time to end.
    parts.return().catch(() => {});
  };

  return new ReadableStream<StreamPart>(
    {
      start(controller) {
        const onAbort = (): void => {
          noteAbort();
          controller.error(signal?.reason);
          close();
        };
        if (signal?.aborted === true) return onAbort();
        signal?.addEventListener('abort', onAbort, { once: true });
        release = () => signal?.removeEventListener('abort', onAbort);
      },
      async pull(controller) {
        try {
          const next = await parts.next();
          if (ended.signal.aborted) return;
          if (next.done !== true) return controller.enqueue(next.value);
          call.finished = true;
          release();
          controller.close();
        } catch (error) {
          if (ended.signal.aborted) return;
          release();
          controller.error(error);
        }
      },
      cancel() {
        // The SDK can cancel in a listener of the same signal that runs before this one.
        if (signal?.aborted === true) noteAbort();
        close();
      },
    },
    // Nothing is produced before it is read, so that `emitted` counts only what was read.
    { highWaterMark: 0 },
  );
}

function lastUserMessage(prompt: Prompt): { text: string; step: number } {
  const index = prompt.findLastIndex((message) => message.role === 'user');
  const message = prompt[index];
  const parts = message?.role === 'user' ? message.content : [];
  return {
    text: parts.map((part) => (part.type === 'text' ? part.text : '')).join(''),
    step: prompt.slice(index + 1).filter((later) => later.role === 'assistant').length,
  };
}

const START: StreamPart = { type: 'stream-start', warnings: [] };

type Finish = Extract<StreamPart, { type: 'finish' }>;

function finish(reason: Finish['finishReason']['unified'], text: string, emitted: number): Finish {
  const input = text.split(/\s+/).filter(Boolean).length;
  return {
    type: 'finish',
    finishReason: { unified: reason, raw: reason },
    usage: {
      inputTokens: { total: input, noCache: input, cacheRead: undefined, cacheWrite: undefined },
      outputTokens: { total: emitted, text: emitted, reasoning: undefined },
    },
  };
}

type Block = { type: 'text' | 'reasoning'; text: string };

/** Reads a stream to its end, and returns the result that `generateText` expects. */
async function collect(stream: PartStream): Promise<GenerateResult> {
  const content: GenerateResult['content'] = [];
  const blocks = new Map<string, Block>();
  let end = finish('other', '', 0);

  for await (const part of stream) {
    switch (part.type) {
      case 'text-start':
      case 'reasoning-start': {
        const block: Block = { type: part.type === 'text-start' ? 'text' : 'reasoning', text: '' };
        blocks.set(part.id, block);
        content.push(block);
        break;
      }
      case 'text-delta':
      case 'reasoning-delta': {
        const block = blocks.get(part.id);
        if (block !== undefined) block.text += part.delta;
        break;
      }
      case 'tool-call':
      case 'tool-result':
      case 'tool-approval-request':
      case 'file':
      case 'source':
        content.push(part);
        break;
      case 'finish':
        end = part;
        break;
      case 'error':
        throw part.error;
      default:
        break;
    }
  }
  return { content, finishReason: end.finishReason, usage: end.usage, warnings: [] };
}
