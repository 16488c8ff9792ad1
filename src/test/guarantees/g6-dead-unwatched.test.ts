// G6 without a viewer: runs whose producers are dead block no send, and no request waits for them.

import type { UIMessage, UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import type { DurableChatOptions } from '../../index.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { textOf } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, sendBody, type World } from '../fixtures/world.fixture.ts';

const { stores } = useStores();
const url = 'http://durable.test/api/chat';
const leaseMs = 400;

/** A store that no longer replies once the process is dead, and one that counts its calls. */
function mortal(store: Channel) {
  let dead = false;
  const asked: string[] = [];
  const method =
    (name: string, call: (...args: unknown[]) => unknown) =>
    (...args: unknown[]) => {
      asked.push(name);
      return dead ? new Promise(() => {}) : call(...args);
    };
  const methods = Object.entries(store).map(([name, call]) => [name, method(name, call as never)] as const);
  const channel = Object.fromEntries(methods) as unknown as Channel; // the same methods under the same names
  return { channel, asked, die: () => (dead = true) };
}

const part: UIMessageChunk[] = [
  { type: 'start' },
  { type: 'text-start', id: '0' },
  { type: 'text-delta', id: '0', delta: 'part' },
];
const rest: UIMessageChunk[] = [{ type: 'text-end', id: '0' }, { type: 'finish' }];
const goesOn = ({ signal }: Request) =>
  new ReadableStream<UIMessageChunk>({
    start(controller) {
      for (const chunk of part) controller.enqueue(chunk);
      signal.addEventListener('abort', () => controller.close());
    },
  });

describe.each(stores)('G6: dead runs without a viewer, on %s', (_, openStore) => {
  function setUp(options: Omit<DurableChatOptions, 'channel'> = {}) {
    const id = crypto.randomUUID();
    const open = openStore();
    const store = open();
    const first = mortal(store);
    const second = mortal(open());
    const one = createWorld(first.channel, goesOn, { leaseMs, ...options });
    const answers = chunkHandler(() => [...part, ...rest]);
    const other = createWorld(second.channel, answers, { leaseMs, ...options });
    const post = (world: World, body: string) =>
      world.routes.POST(new Request(url, { method: 'POST', body }));
    const runs: string[] = [];
    return {
      id,
      first,
      second,
      other,
      session: other.chat.session(id),
      post: (body: string) => post(other, body),
      /** Sends to the process that will die. Resolves with the run. */
      async begin(text: string, body = sendBody(id, text)) {
        const response = await post(one, body);
        expect(response.status).toBe(200);
        void response.text().catch(() => {});
        runs.push(response.headers.get('x-durable-run')!);
        return runs.at(-1)!;
      },
      async die() {
        const written = async () => (await store.readRun(id, runs[0]!, 0)).chunks.length;
        await expect.poll(written).toBeGreaterThan(0);
        first.die();
        const alive = async () => (await store.leases(id, runs)).filter((ms) => ms > 0);
        await expect.poll(alive, { timeout: 5_000 }).toEqual([]);
      },
      async ends() {
        const frames = (await store.readLog(id, '')).flatMap((entry) => entry.frames);
        return frames.flatMap((frame) => (frame.type === 'run-end' ? [[frame.runId, frame.reason]] : []));
      },
    };
  }

  it("a send with whenBusy: 'reject' is accepted", async () => {
    const here = setUp({ whenBusy: 'reject' });
    const runId = await here.begin('one');
    await here.die();
    const response = await here.post(sendBody(here.id, 'two'));
    expect([response.status, await here.ends()]).toEqual([200, [[runId, 'interrupted']]]);
    expect(await response.text()).toContain('part');
    await here.other.settled();
    const { messages } = await here.session.read();
    expect(messages.map(textOf)).toEqual(['one', 'part', 'two', 'part']);
  });

  it('dead runs do not count for `activeRunsPerSession`', async () => {
    const here = setUp({ limits: { activeRunsPerSession: 3 } });
    for (const text of ['one', 'two', 'three']) await here.begin(text);
    const full = await here.post(sendBody(here.id, 'four'));
    expect([full.status, await here.ends()]).toEqual([429, []]);
    await here.die();
    const response = await here.post(sendBody(here.id, 'four'));
    expect(response.status).toBe(200);
    await response.text();
    await here.other.settled();
    expect(await here.ends()).toHaveLength(4);
  });

  it('a waiting send has its turn although several runs before it are dead', async () => {
    const here = setUp();
    for (const text of ['one', 'two', 'three', 'four', 'five', 'six']) await here.begin(text);
    await here.die();
    here.second.asked.length = 0;
    await (await here.post(sendBody(here.id, 'last'))).text();
    await here.other.settled();
    // All runs at once.
    expect(here.second.asked.filter((name) => name === 'leases').length).toBe(1);
    expect(await here.ends()).toHaveLength(7);
  });

  it('a stop is confirmed: the run has ended', async () => {
    const here = setUp();
    const runId = await here.begin('one');
    await here.die();
    expect(await here.session.stop()).toEqual({ stopped: [], alreadyEnded: [runId], pending: [] });
    expect(await here.ends()).toEqual([[runId, 'interrupted']]);
  });

  it.each(['clear', 'deleteMessage', 'withdraw'] as const)('%s ends the run', async (how) => {
    const here = setUp();
    const runId = await here.begin('one');
    await here.die();
    if (how === 'clear') await here.session.clear();
    else if (how === 'deleteMessage') await here.session.deleteMessage('user-one');
    else await expect(here.session.withdraw({ runId })).rejects.toMatchObject({ code: 'conflict' });
    expect(await here.ends()).toEqual([[runId, 'interrupted']]);
  });

  it('a message whose producer is dead is continued', async () => {
    const here = setUp();
    const call = (toolCallId: string): UIMessageChunk => ({
      type: 'tool-input-available',
      toolCallId,
      toolName: 'ask',
      input: {},
    });
    // One process accepts the question. The other one dies during the continuation.
    const asks = createWorld(
      here.second.channel,
      chunkHandler(() => [{ type: 'start' }, call('a'), call('b'), { type: 'finish' }]),
    );
    await (
      await asks.routes.POST(new Request(url, { method: 'POST', body: sendBody(here.id, 'one') }))
    ).text();
    await asks.settled();
    const { messages } = await here.session.read();
    const answered = (...ids: string[]) => {
      const parts = messages[1]!.parts.map((each) =>
        'toolCallId' in each && ids.includes(each.toolCallId)
          ? { ...each, state: 'output-available', output: 1 }
          : each,
      );
      const posted = { ...messages[1]!, parts } as UIMessage;
      return JSON.stringify({ id: here.id, trigger: 'submit-message', messages: [messages[0], posted] });
    };
    const runId = await here.begin('', answered('a'));
    await here.die();
    const response = await here.post(answered('a', 'b'));
    expect(response.status).toBe(200);
    await response.text();
    await here.other.settled();
    expect((await here.ends()).slice(1)).toEqual([
      [runId, 'interrupted'],
      [response.headers.get('x-durable-run'), 'finish'],
    ]);
  });

  it('leases are read only when a send would be refused, once for all runs', async () => {
    const here = setUp({ whenBusy: 'reject', allowWhenBusy: ['parallel'] });
    const parallel = (text: string) =>
      JSON.stringify({ ...(JSON.parse(sendBody(here.id, text)) as object), whenBusy: 'parallel' });
    const asked = () => here.second.asked.filter((name) => name === 'leases').length;
    await (await here.post(sendBody(here.id, 'zero'))).text();
    await here.other.settled();
    for (const text of ['one', 'two', 'three']) await here.begin(text, parallel(text));
    expect(asked()).toBe(0);
    const refused = await here.post(sendBody(here.id, 'four'));
    expect([refused.status, asked()]).toEqual([409, 1]);
    expect(await here.ends()).toHaveLength(1);
    await here.session.stop();
    expect(asked()).toBe(1);
  });
});
