// G1 by kind of content: every kind of part is unchanged after it was stored in Redis.

import type { UIMessageChunk } from 'ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import { openTab } from '../fixtures/tab.fixture.ts';
import type { RunEnd } from '../../index.ts';
import { takeEvents } from '../../protocol/sse.ts';
import { startUpstashServer, type UpstashServer } from '../../testing/upstash-server.ts';
import { chunkHandler, createWorld, sendBody } from '../fixtures/world.fixture.ts';

const text = (...deltas: string[]): UIMessageChunk[] => [
  { type: 'start' },
  { type: 'start-step' },
  { type: 'text-start', id: '0' },
  ...deltas.map((delta): UIMessageChunk => ({ type: 'text-delta', id: '0', delta })),
  { type: 'text-end', id: '0' },
  { type: 'finish-step' },
  { type: 'finish' },
];
const step = (...chunks: UIMessageChunk[]): UIMessageChunk[] => [
  { type: 'start' },
  { type: 'start-step' },
  ...chunks,
  { type: 'finish-step' },
  { type: 'finish' },
];

const answers: Record<string, { chunks: UIMessageChunk[]; parts: unknown[] }> = {
  'text that looks like numbers, null and JSON': {
    chunks: text('42', '12345678901234567890', '1e400', 'null', '{"a":[1]}', '"x"', 'true'),
    parts: [{ type: 'text', text: '42123456789012345678901e400null{"a":[1]}"x"true' }],
  },
  'line breaks, U+2028 and things that look like our own wire': {
    chunks: text('a\n\nb\r\n', '\u2028\u2029', 'data: x\n\n', '[DONE]', ': keep-alive\n\n', '\u0000'),
    parts: [{ type: 'text', text: 'a\n\nb\r\n\u2028\u2029data: x\n\n[DONE]: keep-alive\n\n\u0000' }],
  },
  'emoji split over deltas': {
    chunks: text('👩', '\u200d', '💻', '\ud83d', '\ude80'),
    parts: [{ type: 'text', text: '👩\u200d💻🚀' }],
  },
  'a tool output of a megabyte': {
    chunks: step(
      { type: 'tool-input-available', toolCallId: 'c', toolName: 'dump', input: {} },
      { type: 'tool-output-available', toolCallId: 'c', output: { rows: 'é"\\\n'.repeat(250_000) } },
    ),
    parts: [{ type: 'tool-dump', state: 'output-available', output: { rows: 'é"\\\n'.repeat(250_000) } }],
  },
  'only a tool call': {
    chunks: step(
      { type: 'tool-input-start', toolCallId: 'c', toolName: 'where' },
      { type: 'tool-input-delta', toolCallId: 'c', inputTextDelta: '{"q":' },
      { type: 'tool-input-delta', toolCallId: 'c', inputTextDelta: '1}' },
      { type: 'tool-input-available', toolCallId: 'c', toolName: 'where', input: { q: 1 } },
    ),
    parts: [{ type: 'tool-where', state: 'input-available', input: { q: 1 } }],
  },
  'reasoning, sources, files and data': {
    chunks: step(
      { type: 'reasoning-start', id: 'r', providerMetadata: { p: { sig: 'x' } } },
      { type: 'reasoning-delta', id: 'r', delta: 'because' },
      { type: 'reasoning-end', id: 'r' },
      { type: 'source-url', sourceId: 's', url: 'https://example.com/?a=1&b=2', title: 'T' },
      { type: 'source-document', sourceId: 'd', mediaType: 'application/pdf', title: 'D' },
      { type: 'file', url: 'data:text/plain;base64,AAEC', mediaType: 'text/plain' },
      { type: 'data-weather', id: 'w', data: { temperature: 1.5 } },
      { type: 'data-weather', id: 'w', data: { temperature: 2, list: [null, '42'] } },
    ),
    parts: [
      { type: 'reasoning', text: 'because', providerMetadata: { p: { sig: 'x' } } },
      { type: 'source-url', url: 'https://example.com/?a=1&b=2' },
      { type: 'source-document', title: 'D' },
      { type: 'file', url: 'data:text/plain;base64,AAEC' },
      { type: 'data-weather', data: { temperature: 2, list: [null, '42'] } },
    ],
  },
};

describe('contents', () => {
  let server: UpstashServer;
  beforeAll(async () => {
    server = await startUpstashServer();
  });
  afterAll(() => server.close());
  const channel = () => upstashChannel({ url: server.url, token: server.token });

  it.each(Object.entries(answers))('G1: %s', async (name, { chunks, parts }) => {
    const world = createWorld(
      channel(),
      chunkHandler(() => chunks),
    );
    const viewer = openTab(world.client(), name);
    await expect.poll(() => viewer.session.getSnapshot().state).toBeDefined();
    const sender = openTab(world.client(), name);
    await sender.chat.sendMessage({ text: 'go' });
    await world.settled();
    const { messages } = await world.chat.session(name).read();
    expect(messages[1]?.parts.filter(({ type }) => type !== 'step-start')).toMatchObject(parts);
    await expect.poll(() => sender.chat.messages).toEqual(messages);
    await expect.poll(() => viewer.chat.messages).toEqual(messages);
    const late = openTab(world.client(), name);
    await expect.poll(() => late.chat.messages).toEqual(messages);
    for (const tab of [viewer, sender, late]) tab.close();
  });

  it.each([
    ['no chunk at all', []],
    ['a start and a finish', [{ type: 'start' }, { type: 'finish' }]],
    ['a step', [{ type: 'start' }, { type: 'start-step' }, { type: 'finish-step' }, { type: 'finish' }]],
  ] as [string, UIMessageChunk[]][])(
    'G4: after an empty answer (%s) every tab shows the question',
    async (name, chunks) => {
      const world = createWorld(
        channel(),
        chunkHandler(() => chunks),
      );
      const viewer = openTab(world.client(), name);
      const sender = openTab(world.client(), name);
      await sender.chat.sendMessage({ text: 'go' });
      await world.settled();
      for (const tab of [sender, viewer]) {
        await expect.poll(() => tab.chat.messages.map(({ role }) => role)).toEqual(['user']);
        await expect.poll(() => tab.chat.status).toBe('ready');
        tab.close();
      }
    },
  );

  it('G1: a chunk that a handler changes later keeps the content it was emitted with', async () => {
    let next: () => void = () => {};
    const world = createWorld(
      channel(),
      chunkHandler(async function* () {
        yield { type: 'start' };
        yield { type: 'text-start', id: '0' };
        const providerMetadata = { provider: { at: 0 } };
        const delta = { type: 'text-delta' as const, id: '0', delta: '', providerMetadata };
        const bare = { type: 'text-delta' as const, id: '0', delta: '' };
        for (const text of ['a', 'b', 'c', 'd']) {
          const one = text < 'c' ? bare : delta;
          one.delta = text;
          providerMetadata.provider.at++;
          const seen = new Promise<void>((resolve) => (next = resolve));
          yield one;
          await seen;
        }
        yield { type: 'text-end', id: '0' };
        yield { type: 'finish' };
      }),
      // All but the first chunk wait until the run ends.
      { flushIntervalMs: 60_000 },
    );
    const response = await world
      .client()
      .fetch('/api/chat', { method: 'POST', body: sendBody('reused', 'go') });
    const deltas: unknown[] = [];
    await takeEvents(response.body!, (event) => {
      if (!event || event.data === '[DONE]') return;
      const chunk = JSON.parse(event.data) as UIMessageChunk;
      if (chunk.type !== 'text-delta') return;
      deltas.push(chunk);
      next();
    });
    await world.settled();
    const runId = response.headers.get('x-durable-run')!;
    const { chunks } = await channel().readRun('reused', runId, 0);
    expect(deltas).toMatchObject([
      { delta: 'a' },
      { delta: 'b' },
      { delta: 'c', providerMetadata: { provider: { at: 3 } } },
      { delta: 'd', providerMetadata: { provider: { at: 4 } } },
    ]);
    expect(chunks.filter(({ type }) => type === 'text-delta')).toEqual(deltas);
    const { messages } = await world.chat.session('reused').read();
    expect(messages[1]?.parts).toMatchObject([{ type: 'text', text: 'abcd' }]);
  });

  it.each([
    ['an abort', [{ type: 'abort' }], 'stop'],
    ['an abort and a finish', [{ type: 'abort' }, { type: 'finish' }], 'finish'],
    ['an error and an abort', [{ type: 'error', errorText: 'no' }, { type: 'abort' }], 'error'],
  ] as [string, UIMessageChunk[], string][])(
    "the app's own stream that ends with %s is kept, and is not reported as stopped",
    async (name, end, reason) => {
      const ends: RunEnd[] = [];
      const call: UIMessageChunk[] = [
        { type: 'text-start', id: '0' },
        { type: 'text-delta', id: '0', delta: 'so far' },
        { type: 'tool-input-available', toolCallId: 'c', toolName: 'ask', input: {} },
      ];
      const world = createWorld(
        channel(),
        chunkHandler(() => [{ type: 'start' }, ...call, ...end]),
        { onRunEnd: (ended) => void ends.push(ended), authorize: () => ({ userId: 'ann' }) },
      );
      const tab = openTab(world.client(), name);
      await tab.chat.sendMessage({ text: 'go' });
      await world.settled();
      const state = reason === 'finish' ? 'input-available' : 'output-error';
      expect(ends).toMatchObject([
        { reason, message: { parts: [{ text: 'so far', state: 'done' }, { state }] } },
      ]);
      expect(ends[0]).not.toHaveProperty('by');
      await expect.poll(() => tab.chat.messages).toEqual(ends[0]?.messages);
      tab.close();
    },
  );

  it('transient data is delivered live, and not kept', async () => {
    const transient = { type: 'data-notice', data: 'now', transient: true } as const;
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const world = createWorld(
      channel(),
      chunkHandler(async function* () {
        yield { type: 'start' };
        yield transient;
        yield* text('done').slice(1, -1);
        await released;
        yield { type: 'finish' };
      }),
    );
    const seen: Record<string, unknown[]> = { sender: [], viewer: [], late: [] };
    const tab = (name: string) =>
      openTab(world.client(), 'transient', { onData: (part) => void seen[name]?.push(part.data) });
    const viewer = tab('viewer');
    await expect.poll(() => viewer.session.getSnapshot().state).toBeDefined();
    const sender = tab('sender');
    const sent = sender.chat.sendMessage({ text: 'go' });
    await expect.poll(() => seen).toMatchObject({ sender: ['now'], viewer: ['now'] });
    const late = tab('late');
    await expect.poll(() => late.chat.messages.at(-1)?.parts.at(-1)).toMatchObject({ text: 'done' });
    release();
    await sent;
    await world.settled();
    const { messages } = await world.chat.session('transient').read();
    expect(JSON.stringify(messages)).not.toContain('now');
    for (const one of [viewer, sender, late]) {
      await expect.poll(() => one.chat.messages).toEqual(messages);
      one.close();
    }
    expect(seen['late']).toEqual([]);
  });

  it("headers of the handler's own response reach the sender", async () => {
    const world = createWorld(channel(), () => {
      const body = 'data: {"type":"start"}\n\ndata: [DONE]\n\n';
      return new Response(body, {
        headers: { 'content-type': 'text/event-stream', 'x-app': 'yes', 'x-durable-run': 'forged' },
      });
    });
    const response = await world
      .client()
      .fetch('/api/chat', { method: 'POST', body: sendBody('headers', 'go') });
    expect(response.headers.get('x-app')).toBe('yes');
    expect(response.headers.get('x-durable-run')).toMatch(/^[\w-]{16}$/);
    expect(response.headers.get('x-vercel-ai-ui-message-stream')).toBe('v1');
    await response.text();
    await world.settled();
  });
});
