// A handler can emit a chunk that the SDK's reader refuses. A tab reads such a run once or twice, and never in a loop.

import type { UIMessageChunk } from 'ai';
import { expect, it, onTestFinished, vi } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { RunLog } from '../../client/runs/run-log.ts';
import { openTab, textOf } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, sendBody } from '../fixtures/world.fixture.ts';

const refused: Record<string, UIMessageChunk> = {
  'a text delta without its start': { type: 'text-delta', id: 'nope', delta: 'b' },
  'a reasoning end without its start': { type: 'reasoning-end', id: 'nope' },
  'a tool output without its call': { type: 'tool-output-available', toolCallId: 'nope', output: 1 },
};
const cases = Object.entries(refused).flatMap(([what, chunk]) => [
  { what, who: 'sender', chunk } as const,
  { what, who: 'viewer', chunk } as const,
]);

it.each(cases)(
  'G12: $what ends the reading of the $who, which shows the log when the run has ended',
  async ({ who, chunk }) => {
    let emitMore = () => {};
    const mayEmit = new Promise<void>((resolve) => (emitMore = resolve));
    const world = createWorld(
      memoryChannel(),
      chunkHandler(async function* (): AsyncGenerator<UIMessageChunk> {
        yield { type: 'start' };
        yield { type: 'text-start', id: '1' };
        yield { type: 'text-delta', id: '1', delta: 'a' };
        yield chunk;
        await mayEmit;
        yield { type: 'text-delta', id: '1', delta: 'c' };
        yield { type: 'text-end', id: '1' };
        yield { type: 'finish' };
      }),
    );
    const stream = RunLog.prototype.stream;
    let readings = 0;
    // The number is limited, so that a loop of microtasks fails this test and does not hang it.
    const spy = vi.spyOn(RunLog.prototype, 'stream').mockImplementation(function (this: RunLog, onClose) {
      return ++readings > 500 ? new ReadableStream() : stream.call(this, onClose);
    });
    const tab = openTab(world.client(), 's');
    onTestFinished(() => {
      spy.mockRestore();
      tab.close();
    });
    await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
    if (who === 'sender') void tab.chat.sendMessage({ text: 'x' });
    else
      await world.routes.POST(
        new Request('http://durable.test/api/chat', { method: 'POST', body: sendBody('s', 'x') }),
      );
    await expect.poll(() => textOf(tab.chat.messages.at(-1))).toBe('a');
    if (who === 'sender') await expect.poll(() => tab.chat.status).toBe('error');
    emitMore();
    await world.settled();
    const { messages } = await world.chat.session('s').read();
    await expect.poll(() => tab.chat.messages).toEqual(messages);
    expect(readings).toBeLessThan(5);
  },
);
