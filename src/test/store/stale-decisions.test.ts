// Every decision uses the newest entry, also if the instance reads from a stale replica.

import type { UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { textOf } from '../fixtures/tab.fixture.ts';
import { createWorld, sendBody } from '../fixtures/world.fixture.ts';

const { stores } = useStores();
const url = 'http://durable.test/api/chat';
const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 10_000 });

/** Plain reads of the log are answered with the entries of `known` alone. */
const behind = (store: Channel, known: ReadonlySet<string>): Channel => ({
  ...store,
  async readLog(sessionId, from, options) {
    const entries = await store.readLog(sessionId, from, options);
    return options?.fresh ? entries : entries.filter(({ id }) => known.has(id) || id === from);
  },
});

const call: UIMessageChunk = { type: 'tool-input-available', toolCallId: 'c', toolName: 'ask', input: {} };

describe.each(stores)('on %s, with a stale replica', (_, openStore) => {
  /** One finished answer, and one that continues until it is stopped. The other instance reads from a replica. */
  async function setUp(second: readonly UIMessageChunk[] = [], ends = false) {
    const id = crypto.randomUUID();
    const open = openStore();
    let calls = 0;
    let aborted = false;
    const here = createWorld(open(), (request) => {
      const isFirst = calls++ === 0;
      return new ReadableStream<UIMessageChunk>({
        start(controller) {
          controller.enqueue({ type: 'start' });
          for (const chunk of isFirst ? [] : second) controller.enqueue(chunk);
          const finish = () => controller.close();
          if (isFirst || ends) return finish();
          request.signal.addEventListener('abort', () => {
            aborted = true;
            finish();
          });
        },
      });
    });
    const post = async (text: string) => {
      const request = new Request(url, { method: 'POST', body: sendBody(id, text) });
      const response = await here.routes.POST(request);
      return { text: () => response.text(), runId: response.headers.get('x-durable-run')! };
    };
    await (await post('one')).text();
    await here.settled();
    const known = (await open().readLog(id, '')).map((entry) => entry.id);
    const replica = behind(open(), new Set(known));
    const there = createWorld(replica, () => Promise.reject(new Error('not called')));
    const sent = await post('two');
    if (ends) await sent.text().then(here.settled);
    const session = there.chat.session(id);
    const read = () => here.chat.session(id).read();
    const end = async () => {
      await here.chat.session(id).stop();
      await here.settled();
    };
    return { id, there, session, post, sent, read, end, wasAborted: () => aborted };
  }

  it.each(['one run', 'all runs'])('a stop of %s stops the run that has just begun', async (what) => {
    const { session, sent, wasAborted, end } = await setUp();
    const receipt = await session.stop(what === 'one run' ? { runId: sent.runId } : {});
    expect(receipt).toMatchObject({ stopped: [{ runId: sent.runId }], pending: [] });
    expect(wasAborted()).toBe(true);
    await end();
  });

  it('a send that has just begun to wait is withdrawn', async () => {
    const { session, post, read, end } = await setUp();
    const { runId } = await post('three');
    await session.withdraw({ runId });
    expect((await read()).messages.map(textOf)).not.toContain('three');
    await end();
  });

  it('the answer that has just begun is resumed', async () => {
    const { id, there, sent, end } = await setUp();
    const response = await there.routes.GET(new Request(`${url}/${id}/stream`));
    expect([response.status, response.headers.get('x-durable-run')]).toEqual([200, sent.runId]);
    await end();
    await response.text();
  });

  it('a call of the message that has just ended is claimed, and answered', async () => {
    const { session, read } = await setUp([call, { type: 'finish' }], true);
    const messageId = (await read()).messages.at(-1)!.id;
    const what = { messageId, toolCallId: 'c' };
    expect(await session.claim({ ...what, holder: 'me', ms: 1_000 })).toBe(true);
    const message = await session.addToolOutcome({
      ...what,
      outcome: { state: 'output-available', output: 1 },
    });
    expect(message?.parts).toMatchObject([{ state: 'output-available' }]);
  });

  it('an approval is refused right after the next message was sent', async () => {
    const asked: UIMessageChunk = { type: 'tool-approval-request', approvalId: 'a', toolCallId: 'c' };
    const { session, read, post } = await setUp([call, asked, { type: 'finish' }], true);
    const messageId = (await read()).messages.at(-1)!.id;
    const { text } = await post('three');
    const outcome = { state: 'approval-responded', approved: true } as const;
    await expect(session.addToolOutcome({ messageId, toolCallId: 'c', outcome })).rejects.toMatchObject({
      code: 'conflict',
    });
    await text();
  });

  it.each(['clear', 'delete'] as const)('%s stops the run that has just begun', async (how) => {
    const { session, wasAborted, read, end } = await setUp();
    await session[how]();
    expect(wasAborted()).toBe(true);
    await eventually(read).toEqual({ messages: [], runs: [] });
    await end().catch(() => {});
  });

  it('a message that is deleted stops the run that was sent with it', async () => {
    const { session, wasAborted, read, end } = await setUp();
    await session.deleteMessage('user-two');
    expect(wasAborted()).toBe(true);
    expect((await read()).messages.map(textOf)).not.toContain('two');
    await end();
  });
});
