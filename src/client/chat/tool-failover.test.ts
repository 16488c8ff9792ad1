// The automatic send of a tab that is gone, in a tab that has troubles of its own.

import type { ChatStatus, UIMessage, UIMessageChunk } from 'ai';
import { expect, it, onTestFinished } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { simulatedTime } from '../../test/fixtures/simulated-time.fixture.ts';
import { openTab, PlainChat, textOf } from '../../test/fixtures/tab.fixture.ts';
import { chunkHandler, createWorld } from '../../test/fixtures/world.fixture.ts';
import { bindChat } from './bind-chat.ts';

/** A chat whose status the test sets, as while the app's own send waits for its headers. */
class Busy extends PlainChat {
  become(status: ChatStatus): void {
    this.setStatus({ status });
  }
}

/** Whether the last message has outputs and no answer to them. */
function isComplete({ messages }: { messages: UIMessage[] }): boolean {
  const parts = messages.at(-1)?.parts ?? [];
  return (
    parts.some((part) => 'state' in part && part.state === 'output-available') &&
    textOf(messages.at(-1)) === ''
  );
}

it.each([false, true])(
  'the remaining tab continues after an output (error of an earlier send: %s)',
  async (hasError) => {
    const time = simulatedTime();
    let runs = 0;
    let isRefusing = false;
    const world = createWorld(
      memoryChannel(),
      chunkHandler(function* (): Generator<UIMessageChunk> {
        yield { type: 'start' };
        if (++runs === 1) yield { type: 'tool-input-available', toolCallId: 'c', toolName: 'ask', input: {} };
        else {
          yield { type: 'text-start', id: 't' };
          yield { type: 'text-delta', id: 't', delta: 'continued' };
          yield { type: 'text-end', id: 't' };
        }
        yield { type: 'finish' };
      }),
      { authorize: ({ action }) => !(isRefusing && action === 'send') },
    );
    const own = openTab(world.client(), 's');
    const { chat, session, connect } = bindChat(
      { id: 's', fetch: world.client().fetch, takeOverAfterMs: 1_000, sendAutomaticallyWhen: isComplete },
      (init) => new Busy(init),
      time,
    );
    onTestFinished(connect());
    const poll = (actual: () => unknown) =>
      expect.poll(async () => {
        await time.advance(10);
        return actual();
      });
    await poll(() => session.getSnapshot().connection).toBe('connected');
    if (hasError) {
      isRefusing = true;
      await chat.sendMessage({ text: 'refused' });
      isRefusing = false;
      expect(chat.status).toBe('error');
    }
    await own.chat.sendMessage({ text: 'hello' });
    await poll(() => chat.messages.at(-1)?.parts.length).toBe(1);
    await poll(() => session.getSnapshot().runs).toEqual([]);
    await poll(() => chat.status).toBe(hasError ? 'error' : 'ready');
    const { status } = chat;
    chat.become('submitted');
    await own.chat.addToolOutput({ tool: 'ask', toolCallId: 'c', output: 'yes' });
    own.close();
    await poll(() => isComplete(chat)).toBe(true);
    // The chat is busy when its turn comes.
    await time.advance(3_000);
    expect(runs).toBe(1);
    chat.become(status);
    await time.advance(3_000);
    await poll(() => textOf(chat.messages.at(-1))).toBe('continued');
    expect(runs).toBe(2);
    await poll(() => chat.status).toBe('ready');
  },
);
