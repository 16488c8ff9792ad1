// After the deletion of a session, its runs write nothing: the store keeps no text of them.

import type { UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { deletedEntry } from '../../protocol/entries.ts';
import { runHeader } from '../../protocol/requests.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { createWorld, type World } from '../fixtures/world.fixture.ts';

const { stores, server } = useStores();
const url = 'http://durable.test/api/chat';

const call: UIMessageChunk[] = [
  { type: 'start' },
  { type: 'text-start', id: '0' },
  { type: 'text-delta', id: '0', delta: 'private' },
  { type: 'text-end', id: '0' },
  { type: 'tool-input-available', toolCallId: 'c', toolName: 'ask', input: {} },
  { type: 'finish' },
];
const more: UIMessageChunk[] = [
  { type: 'start' },
  { type: 'text-start', id: '1' },
  { type: 'text-delta', id: '1', delta: 'private' },
];

const streamOf = (chunks: readonly UIMessageChunk[]) =>
  new ReadableStream<UIMessageChunk>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });

const post = (world: World, body: object) =>
  world.routes.POST(new Request(url, { method: 'POST', body: JSON.stringify(body) }));
const user = (id: string) => ({ id, role: 'user', parts: [{ type: 'text', text: 'private' }] });

/** All that the store keeps of the session `id`: its log, the streams of its runs, and the raw keys of Redis. */
async function keptOf(
  name: string,
  channel: Channel,
  id: string,
  runIds: readonly string[],
): Promise<string> {
  const runs = await Promise.all(runIds.map((runId) => channel.readRun(id, runId, 0, { fresh: true })));
  const raw: unknown[] = [];
  if (name === 'upstash') {
    const keys = (await server().command('KEYS', `dc:{${id}}:*`)) as string[]; // the reply to KEYS
    expect(keys).toContain(`dc:{${id}}:log`);
    for (const key of keys.filter((one) => /:(log|run:.*)$/.test(one)))
      raw.push(key, await server().command('XRANGE', key, '-', '+'));
  }
  return JSON.stringify([await channel.readLog(id, ''), runs, raw]);
}

describe.each(stores)('a deleted session, on %s', (name, open) => {
  it('gets no end of a continuation whose handler ignored the stop for longer than the deletion waits', async () => {
    const channelOf = open();
    let calls = 0;
    let finish = () => {};
    const ignoring = () =>
      new ReadableStream<UIMessageChunk>({
        start(controller) {
          for (const chunk of more) controller.enqueue(chunk);
          finish = () => controller.close();
        },
      });
    const world = createWorld(channelOf(), () => (++calls === 1 ? streamOf(call) : ignoring()), {
      stopGraceMs: 60_000,
    });
    const id = `slow-${name}`;
    await (await post(world, { id, messages: [user('u')] })).text();
    const session = world.chat.session(id);
    const last = structuredClone((await session.read()).messages.at(-1)!);
    Object.assign(last.parts.at(-1)!, { state: 'output-available', output: 'private' });
    const response = await post(world, { id, messages: [user('u'), last] });
    expect(response.status).toBe(200);
    const runIds = (await session.read()).runs.map(({ runId }) => runId);
    expect(runIds).toHaveLength(1);
    await session.delete();
    finish();
    await world.settled();
    const kept = await keptOf(name, channelOf(), id, runIds);
    expect(kept).not.toContain('private');
    expect((await channelOf().readLog(id, '')).map(({ key }) => key)).toEqual([deletedEntry.key]);
  });

  it('gets no stream of a run that was placed while the session was being deleted', async () => {
    const channelOf = open();
    const id = `late-${name}`;
    let emit = () => {};
    const world = createWorld(
      channelOf(),
      () =>
        new ReadableStream<UIMessageChunk>({
          start(controller) {
            emit = () => {
              for (const chunk of more) controller.enqueue(chunk);
              controller.close();
            };
          },
        }),
    );
    const runIds: string[] = [];
    const channel = channelOf();
    const deleter = createWorld(
      {
        ...channel,
        // After the deletion has read the log for the last time.
        async delete(sessionId) {
          const response = await post(world, { id, messages: [user('u')] });
          runIds.push(response.headers.get(runHeader)!);
          await channel.delete(sessionId);
          emit();
        },
      },
      () => streamOf([]),
    );
    await deleter.chat.session(id).delete();
    await world.settled();
    expect(runIds).toEqual([expect.any(String)]);
    expect(await keptOf(name, channelOf(), id, runIds)).not.toContain('private');
    expect((await channelOf().readLog(id, '')).map(({ key }) => key)).toEqual([deletedEntry.key]);
  });
});
