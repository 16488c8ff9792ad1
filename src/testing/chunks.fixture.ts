// Random answers, as the AI SDK emits them: what every property about chunks is tried on.

import { readUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai';
import fc from 'fast-check';

type Chunk = UIMessageChunk;

/** Deltas that stores, wires and parsers are known to change on the way. */
const awkward: readonly string[] = [
  '',
  ' ',
  '42',
  '1e400',
  '12345678901234567890',
  'null',
  'true',
  'undefined',
  '{"a":1}',
  '[1,2]',
  '"quoted"',
  'line\nbreak',
  '\r\n',
  '\r',
  '\n\n',
  '\u0000',
  '\u2028\u2029',
  '\ud83d',
  '\ude00',
  '💾',
  'e\u0301',
  'data: x',
  ': keep-alive',
  '[DONE]',
  '!x',
  'OK',
  '\\',
  '__proto__',
];

/** One string of awkward or arbitrary content; lone surrogates included. */
export function awkwardStrings(): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...awkward) },
    { weight: 1, arbitrary: fc.string({ maxLength: 8 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
  );
}

/** JSON that survives a round trip as it is. */
export function jsonValues(): fc.Arbitrary<unknown> {
  const leaf = fc.oneof(awkwardStrings(), fc.integer(), fc.boolean(), fc.constant(null));
  const key = fc.constantFrom('a', 'b', 'c', 'type', 'id');
  return fc.oneof(
    { weight: 2, arbitrary: leaf },
    { weight: 1, arbitrary: fc.array(leaf, { maxLength: 3 }) },
    { weight: 2, arbitrary: fc.dictionary(key, leaf, { maxKeys: 3, noNullPrototype: true }) },
  );
}

const objects = (): fc.Arbitrary<Record<string, string | number>> =>
  fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.oneof(awkwardStrings(), fc.integer()), {
    maxKeys: 3,
    noNullPrototype: true,
  });

/** `{ [name]: value }`, or nothing of it. */
function maybe<K extends string, V>(name: K, value: fc.Arbitrary<V>): fc.Arbitrary<{ [P in K]?: V }> {
  const some = value.map((v) => ({ [name]: v }) as { [P in K]?: V }); // a computed key has type string
  return fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: some });
}

const metadata = () => maybe('providerMetadata', fc.record({ provider: objects() }));

function blocks(kind: 'text' | 'reasoning', id: string): fc.Arbitrary<Chunk[]> {
  const delta = fc.tuple(awkwardStrings(), metadata());
  return fc
    .tuple(metadata(), fc.array(delta, { maxLength: 8 }), metadata())
    .map(([start, deltas, end]): Chunk[] => [
      { type: `${kind}-start`, id, ...start },
      ...deltas.map(([text, more]): Chunk => ({ type: `${kind}-delta`, id, delta: text, ...more })),
      { type: `${kind}-end`, id, ...end },
    ]);
}

function tools(toolCallId: string): fc.Arbitrary<Chunk[]> {
  const call = fc
    .record({
      toolName: fc.constantFrom('search', 'two-words', 'write_file'),
      dynamic: fc.boolean(),
      input: fc.oneof(jsonValues(), objects()),
      streamed: fc.boolean(),
      cuts: fc.array(fc.nat(40), { maxLength: 5 }),
      more: fc
        .tuple(
          maybe('providerExecuted', fc.boolean()),
          maybe('title', awkwardStrings()),
          maybe('toolMetadata', objects()),
        )
        .map(([executed, title, tool]) => ({ ...executed, ...title, ...tool })),
      callMetadata: metadata(),
    })
    .map(({ toolName, dynamic, input, streamed, cuts, more, callMetadata }) => {
      const base = { toolCallId, toolName, ...(dynamic && { dynamic }), ...more };
      const text = JSON.stringify(input);
      const at = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
      const head: Chunk[] = streamed
        ? [
            { type: 'tool-input-start', ...base },
            ...at.slice(1).map((end, index): Chunk => ({
              type: 'tool-input-delta',
              toolCallId,
              inputTextDelta: text.slice(at[index], end),
            })),
          ]
        : [];
      return { base: { ...base, ...callMetadata }, input, head };
    });

  const output = fc
    .tuple(
      fc.array(jsonValues(), { maxLength: 3 }),
      jsonValues(),
      metadata(),
      maybe('providerExecuted', fc.boolean()),
    )
    .map(([early, final, result, executed]): Chunk[] => [
      ...early.map((value): Chunk => ({
        type: 'tool-output-available',
        toolCallId,
        output: value,
        preliminary: true,
      })),
      { type: 'tool-output-available', toolCallId, output: final, ...result, ...executed },
    ]);
  const failure = fc
    .tuple(awkwardStrings(), metadata())
    .map(([errorText, result]): Chunk[] => [{ type: 'tool-output-error', toolCallId, errorText, ...result }]);
  const approvalId = `approval-${toolCallId}`;
  const request = fc
    .tuple(
      maybe('reason', awkwardStrings()),
      maybe('isAutomatic', fc.constant(true)),
      maybe('signature', fc.constant('s')),
    )
    .map((more): Chunk =>
      Object.assign({ type: 'tool-approval-request' as const, approvalId, toolCallId }, ...more),
    );
  const response = (approved: boolean) =>
    maybe('reason', awkwardStrings()).map((more): Chunk => ({
      type: 'tool-approval-response',
      approvalId,
      approved,
      ...more,
    }));
  const none: Chunk[] = [];
  const outcome: fc.Arbitrary<Chunk[]> = fc.oneof(
    { weight: 1, arbitrary: fc.constant(none) },
    { weight: 3, arbitrary: output },
    { weight: 1, arbitrary: failure },
    { weight: 1, arbitrary: request.map((one) => [one]) },
    { weight: 1, arbitrary: fc.tuple(request, response(true)).map((both): Chunk[] => both) },
    {
      weight: 1,
      arbitrary: fc.tuple(request, response(true), output).map(([a, b, rest]) => [a, b, ...rest]),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(request, response(false))
        .map(([a, b]): Chunk[] => [a, b, { type: 'tool-output-denied', toolCallId }]),
    },
  );
  return fc
    .tuple(call, fc.boolean(), outcome, awkwardStrings())
    .map(([{ base, input, head }, invalid, rest, errorText]): Chunk[] =>
      invalid && rest.length === 0
        ? [...head, { type: 'tool-input-error', ...base, input, errorText }]
        : [...head, { type: 'tool-input-available', ...base, input }, ...rest],
    );
}

function data(): fc.Arbitrary<Chunk[]> {
  const one = fc
    .record({
      name: fc.constantFrom('data-status', 'data-chart'),
      id: fc.option(fc.constantFrom('1', '2'), { nil: undefined }),
      data: jsonValues(),
      transient: fc.boolean(),
    })
    .map(({ name, id, data, transient }): Chunk => ({
      type: name as `data-${string}`, // one of the two above
      ...(id !== undefined && { id }),
      data,
      ...(transient && { transient }),
    }));
  return fc.array(one, { minLength: 1, maxLength: 5 });
}

function singles(): fc.Arbitrary<Chunk[]> {
  const url = fc.constantFrom('https://example.test/a', 'data:text/plain;base64,YQ==');
  return fc
    .oneof(
      fc.tuple(url, maybe('title', awkwardStrings()), metadata()).map(([at, title, more]): Chunk => ({
        type: 'source-url',
        sourceId: 's',
        url: at,
        ...title,
        ...more,
      })),
      fc
        .tuple(awkwardStrings(), maybe('filename', awkwardStrings()), metadata())
        .map(([title, name, more]): Chunk => ({
          type: 'source-document',
          sourceId: 'd',
          mediaType: 'text/plain',
          title,
          ...name,
          ...more,
        })),
      fc
        .tuple(fc.constantFrom('file', 'reasoning-file'), url, metadata())
        .map(([type, at, more]): Chunk => ({ type, url: at, mediaType: 'text/plain', ...more })),
      metadata().map((more): Chunk => ({ type: 'custom', kind: 'provider.thing', ...more })),
      objects().map((messageMetadata): Chunk => ({ type: 'message-metadata', messageMetadata })),
    )
    .map((chunk) => [chunk]);
}

/** Sequences merged at random, each in its own order. */
function interleaved(sequences: readonly Chunk[][], picks: readonly number[]): Chunk[] {
  const left = sequences.map((sequence) => [...sequence]).filter(({ length }) => length > 0);
  const result: Chunk[] = [];
  for (let turn = 0; left.length > 0; turn++) {
    const index = (picks[turn] ?? 0) % left.length;
    const chunk = left[index]!.shift(); // none of them is empty
    if (chunk) result.push(chunk);
    if (left[index]!.length === 0) left.splice(index, 1);
  }
  return result;
}

function steps(index: number): fc.Arbitrary<Chunk[]> {
  const parts = fc.tuple(
    fc.option(blocks('text', '0'), { nil: [] }),
    fc.option(blocks('text', '1'), { nil: [] }),
    fc.option(blocks('reasoning', '0'), { nil: [] }),
    fc.option(tools(`call-${index}-a`), { nil: [] }),
    fc.option(tools(`call-${index}-b`), { nil: [] }),
    fc.option(data(), { nil: [] }),
    fc.option(singles(), { nil: [] }),
  );
  return fc
    .tuple(parts, fc.array(fc.nat(6), { maxLength: 60 }))
    .map(([sequences, picks]) => [
      { type: 'start-step' },
      ...interleaved(sequences, picks),
      { type: 'finish-step' },
    ]);
}

/**
 * Streams of up to three steps as the SDK emits them: text, reasoning and tool input interleaved over several
 * ids (which a later step uses again), tools in every state, approvals, preliminary outputs, data parts that
 * are updated or transient, sources, files, provider and message metadata. They begin with `start`, and end
 * with `finish`, or are cut anywhere and end with `abort`. Strings are awkward: see `awkwardStrings`.
 */
export function chunkStreams(): fc.Arbitrary<UIMessageChunk[]> {
  const start = maybe('messageMetadata', objects()).map((more): Chunk => ({
    type: 'start',
    messageId: 'answer',
    ...more,
  }));
  const finish = maybe('messageMetadata', objects()).map((more): Chunk => ({
    type: 'finish',
    finishReason: 'stop',
    ...more,
  }));
  const body = fc
    .tuple(steps(0), fc.option(steps(1), { nil: [] }), fc.option(steps(2), { nil: [] }))
    .map((all) => all.flat());
  const cut = fc.option(fc.nat(80), { nil: undefined, freq: 4 });
  return fc
    .tuple(start, body, finish, cut)
    .map(([first, chunks, last, at]) =>
      at === undefined ? [first, ...chunks, last] : [first, ...chunks.slice(0, at), { type: 'abort' }],
    );
}

/** The message that the SDK's own reader makes of `chunks`, on top of `message`; throws what it reports. */
export async function foldChunks(
  chunks: readonly UIMessageChunk[],
  message?: UIMessage,
): Promise<UIMessage | undefined> {
  const failures: unknown[] = [];
  let result = message;
  const stream = new ReadableStream<UIMessageChunk>({
    start(controller) {
      // The reader keeps parts of what it is given.
      for (const chunk of structuredClone(chunks)) controller.enqueue(chunk);
      controller.close();
    },
  });
  const snapshots = readUIMessageStream({
    stream,
    ...(message && { message: structuredClone(message) }),
    onError: (error) => failures.push(error),
  });
  for await (const snapshot of snapshots) result = snapshot;
  if (failures.length > 0) throw failures[0];
  return result;
}
