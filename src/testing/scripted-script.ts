// What the scripted model says when nobody tells it otherwise: counts, and the three kinds of tool calls that
// a chat knows. Tools belong to the app; here is only the model's part, so a script reads off the prompt how
// far things are.
import type { Prompt, StreamPart, ToolOutput } from './provider-types.ts';

/**
 * What a script yields: a string, which is one chunk of text, or any part of the provider's stream as it is. The start,
 * the text blocks and the finish around them are added.
 */
export type ScriptItem = string | StreamPart;

/** The call that a script answers. */
export interface ScriptInput {
  /** Text of the last user message in the prompt; empty if there is none. */
  text: string;
  prompt: Prompt;
  /** Steps already taken for that user message, from 0: the assistant messages that follow it. */
  step: number;
  /** Names of the tools that may be called. */
  tools: readonly string[];
  signal: AbortSignal | undefined;
}

/** Answers one call of the model, which is one step. What it throws breaks the model's stream. */
export type Script = (call: ScriptInput) => Iterable<ScriptItem> | AsyncIterable<ScriptItem>;

type Items = Generator<ScriptItem, void, undefined>;

const HELP =
  'This is a scripted model, so it needs no key. Ask it to “count to 100”, or to “count to 600 at 60/s” ' +
  'for a faster stream. While it counts, reload the page, open the same chat in a second tab, or drop ' +
  'the network: the answer goes on, and every tab shows the same text. Press Stop in any tab, and it ' +
  'ends in all of them. It can also “think about snow”, and with the tools for it tell the “weather in ' +
  'Lisbon”, answer “where am I”, and “book a table”.';

/** The first that matches answers. What a text says of pace and holds at its end is not part of it. */
const SCRIPTS: readonly (readonly [RegExp, (match: RegExpExecArray, call: ScriptInput) => Items])[] = [
  [/\bcount to (\d+)/i, ([, last]) => count(Number(last))],
  [/\bweather in (.+)/i, ([, city], call) => weather(city!, call)],
  [/\bwhere am i\b/i, (_, call) => location(call)],
  [/\bbook a table(?: for (\d+))?/i, ([, guests], call) => book(Number(guests ?? 2), call)],
  [/\bthink about (.+)/i, ([, subject]) => think(subject!)],
];

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

/** Behind how many items a text asks the model to wait: `count to 100, hold at 10, 20`. */
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
      ? `I could not find out about the weather in ${city}.`
      : `It is ${read(output, 'celsius')} °C and ${read(output, 'sky')} in ${city}.`,
  );
}

function* location(call: ScriptInput): Items {
  const output = yield* callOnce('location', {}, call);
  if (output === undefined) return;
  yield* words(failed(output) ? 'I cannot tell where you are.' : `You are in ${read(output, 'city')}.`);
}

function* book(guests: number, call: ScriptInput): Items {
  const output = yield* callOnce('book', { guests, at: '20:00' }, call);
  if (output === undefined) return;
  if (output.type === 'execution-denied') {
    return yield* words('I am sorry that this was not to your liking. Nothing has been booked.');
  }
  yield* words(
    failed(output)
      ? 'I am sorry, the table could not be booked.'
      : `Your table for ${guests} at 20:00 is booked, reference ${read(output, 'reference')}.`,
  );
}

function* think(subject: string): Items {
  const id = 'reasoning-1';
  yield { type: 'reasoning-start', id };
  for (const delta of words(
    `Somebody wants me to think about ${subject}. What is there to say about ${subject}? First what everybody ` +
      'knows, then what hardly anybody says, and then whether it still holds when it is turned around. Most ' +
      'of it does not. What remains is short.',
  )) {
    yield { type: 'reasoning-delta', id, delta };
  }
  yield { type: 'reasoning-end', id };
  yield* words(
    `I have thought about ${subject}: there is less to it than it seems, and that is the good part.`,
  );
}

/**
 * What a tool has answered since the user's message. When it has not been called yet, calls it, which ends the
 * step; when it does not exist, says so.
 */
function* callOnce(
  toolName: string,
  input: Readonly<Record<string, unknown>>,
  { prompt, tools }: ScriptInput,
): Generator<ScriptItem, ToolOutput | undefined, undefined> {
  const turn = prompt.slice(prompt.findLastIndex(({ role }) => role === 'user') + 1);
  const output = turn
    .flatMap((message) => (message.role === 'tool' ? message.content : []))
    .findLast((part) => part.type === 'tool-result' && part.toolName === toolName);
  if (output?.type === 'tool-result') return output.output;
  if (!tools.includes(toolName)) {
    yield* words(`I would need a tool called ${toolName}, and this app does not have one.`);
    return undefined;
  }
  // Outcomes are matched by this id alone, throughout a conversation.
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

/** A field of what the tool returned, in words. */
function read(output: ToolOutput, key: string): string {
  // A property of any JSON value but null can be asked for.
  const value = output.type === 'json' ? (output.value as Record<string, unknown> | null)?.[key] : undefined;
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function words(text: string): readonly string[] {
  return text.match(/\s*\S+/g) ?? [];
}
