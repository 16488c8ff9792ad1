// The scripted model's default answers: counts, reasoning, and the three kinds of tool calls of a chat. The tools belong
// to the app. A script reads from the prompt which step it has to answer.
import type { Prompt, StreamPart, ToolOutput } from './provider-types.ts';

/**
 * What a script yields: a string, which is one chunk of text, or any part of a provider's stream. The model adds the start,
 * the text blocks and the finish.
 */
export type ScriptItem = string | StreamPart;

/** The call that a script answers. */
export interface ScriptInput {
  /** The text of the last user message in the prompt; empty if there is none. */
  text: string;
  /** The whole prompt. */
  prompt: Prompt;
  /** The number of steps since that user message, from 0: the assistant messages that follow it. */
  step: number;
  /** The names of the tools that the model may call. */
  tools: readonly string[];
  /** The abort signal of the call. */
  signal: AbortSignal | undefined;
}

/** Answers one call of the model, which is one step. If it throws, the model's stream breaks. */
export type Script = (call: ScriptInput) => Iterable<ScriptItem> | AsyncIterable<ScriptItem>;

type Items = Generator<ScriptItem, void, undefined>;

const HELP =
  'This is a scripted model, so it needs no key. Ask it to “count to 100”, or to “count to 600 at 60/s” ' +
  'for a faster stream. While it counts, reload the page, open the same chat in a second tab, or drop ' +
  'the network: the answer continues, and every tab shows the same text. Press Stop in any tab, and it ' +
  'ends in all of them. It can also “think about snow”. With the right tools it can answer “weather in ' +
  'Lisbon” and “where am I”, and “book a table”.';

/** The first pattern that matches answers. The pace and the holds at the end of a text are removed before. */
const SCRIPTS: readonly (readonly [RegExp, (match: RegExpExecArray, call: ScriptInput) => Items])[] = [
  [/\bcount to (\d+)/i, ([, last]) => count(Number(last))],
  [/\bweather in (.+)/i, ([, city], call) => weather(city!, call)],
  [/\bwhere am i\b/i, (_, call) => location(call)],
  [/\bbook a table(?: for (\d+))?/i, ([, guests], call) => book(Number(guests ?? 2), call)],
  [/\bthink about (.+)/i, ([, subject]) => think(subject!)],
];

/** The script of a model without a `script` of its own. */
export function* defaultScript(call: ScriptInput): Items {
  const text = call.text
    .replace(HOLDS, '')
    .replace(PACE, '')
    .replace(/[\s.?!…]+$/, '');
  for (const [pattern, script] of SCRIPTS) {
    const match = pattern.exec(text);
    if (match) return yield* script(match, call);
  }
  yield* words(HELP);
}

const PACE: RegExp = /\s+at\s+(\d+(?:\.\d+)?)\s*\/\s*s\b/i;
const MAX_RATE = 10_000;

/** The pace that a text asks for: `count to 600 at 60/s`. */
export function askedRate(text: string): number | undefined {
  const rate = Number(PACE.exec(text)?.[1]);
  return rate > 0 ? Math.min(rate, MAX_RATE) : undefined;
}

const HOLDS: RegExp = /,?\s+hold at (\d+(?:,\s*\d+)*)/i;

/** After how many items the model waits, as the text asks: `count to 100, hold at 10, 20`. */
export function askedHolds(text: string): readonly number[] {
  return (HOLDS.exec(text)?.[1] ?? '').split(',').filter(Boolean).map(Number);
}

function* count(last: number): Items {
  for (let n = 1; n <= last; n++) yield n === 1 ? '1' : ` ${n}`;
}

function* weather(city: string, call: ScriptInput): Items {
  const output = yield* callOnce('weather', { city }, call);
  if (output === undefined) return;
  yield* words(
    failed(output)
      ? `I could not get the weather in ${city}.`
      : `It is ${read(output, 'celsius')} °C and ${read(output, 'sky')} in ${city}.`,
  );
}

function* location(call: ScriptInput): Items {
  const output = yield* callOnce('location', {}, call);
  if (output === undefined) return;
  yield* words(failed(output) ? 'I do not know where you are.' : `You are in ${read(output, 'city')}.`);
}

function* book(guests: number, call: ScriptInput): Items {
  const output = yield* callOnce('book', { guests, at: '20:00' }, call);
  if (output === undefined) return;
  if (output.type === 'execution-denied') {
    return yield* words('You denied the booking. Nothing has been booked.');
  }
  yield* words(
    failed(output)
      ? 'The table could not be booked.'
      : `Your table for ${guests} at 20:00 is booked, reference ${read(output, 'reference')}.`,
  );
}

function* think(subject: string): Items {
  const id = 'reasoning-1';
  yield { type: 'reasoning-start', id };
  for (const delta of words(
    `The user asks me to think about ${subject}. What is there to say about ${subject}? First the well-known ` +
      'facts, then the less known ones, and then the question whether the opposite could be true as well. Most ' +
      'of the facts do not pass that test. The answer is short.',
  )) {
    yield { type: 'reasoning-delta', id, delta };
  }
  yield { type: 'reasoning-end', id };
  yield* words(`I have thought about ${subject}. It is simpler than it seems.`);
}

/**
 * Returns the tool's output since the user's message. If the tool was not called yet, calls it, which ends the step. If
 * the app does not have the tool, answers that.
 */
function* callOnce(
  toolName: string,
  input: Readonly<Record<string, unknown>>,
  { prompt, tools }: ScriptInput,
): Generator<ScriptItem, ToolOutput | undefined, undefined> {
  const sinceUser = prompt.slice(prompt.findLastIndex(({ role }) => role === 'user') + 1);
  const output = sinceUser
    .flatMap((message) => (message.role === 'tool' ? message.content : []))
    .findLast((part) => part.type === 'tool-result' && part.toolName === toolName);
  if (output?.type === 'tool-result') return output.output;
  if (!tools.includes(toolName)) {
    yield* words(`This needs a tool named ${toolName}, which this app does not have.`);
    return undefined;
  }
  // Outputs are matched by this id alone in the whole conversation.
  const id = `call-${crypto.randomUUID()}`;
  const json = JSON.stringify(input);
  yield { type: 'tool-input-start', id, toolName };
  for (const delta of json.match(/[^,:]+[,:]?/g) ?? []) yield { type: 'tool-input-delta', id, delta };
  yield { type: 'tool-input-end', id };
  yield { type: 'tool-call', toolCallId: id, toolName, input: json };
  return undefined;
}

function failed({ type }: ToolOutput): boolean {
  return type === 'error-text' || type === 'error-json' || type === 'execution-denied';
}

/** A field of the tool's output as text. */
function read(output: ToolOutput, key: string): string {
  // Every JSON value except null allows property access.
  const value = output.type === 'json' ? (output.value as Record<string, unknown> | null)?.[key] : undefined;
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function words(text: string): readonly string[] {
  return text.match(/\s*\S+/g) ?? [];
}
