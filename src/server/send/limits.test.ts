import type { UIMessageChunk } from 'ai';
import { describe, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { DurableSession } from '../../client/session.ts';
import type { DurableChatOptions, Limits } from '../../index.ts';
import type { ErrorBody } from '../../protocol/errors.ts';
import { useStores } from '../../test/fixtures/stores.fixture.ts';
import { createWorld, sendBody, type World } from '../../test/fixtures/world.fixture.ts';

const url = 'http://durable.test/api/chat';
const { stores } = useStores();
let sessions = 0;

/** A world whose answers end at once, unless they are held until `finish`. */
function open(limits: Partial<Limits>, more: DurableChatOptions & { held?: boolean } = {}) {
  const { held = false, channel = memoryChannel(), ...options } = more;
  const waiting: (() => void)[] = [];
  const world = createWorld(
    channel,
    ({ signal }) =>
      new ReadableStream<UIMessageChunk>({
        async start(controller) {
          controller.enqueue({ type: 'start' });
          controller.enqueue({ type: 'text-start', id: '0' });
          controller.enqueue({ type: 'text-delta', id: '0', delta: 'fine' });
          if (held) {
            await new Promise<void>((resolve) => {
              waiting.push(resolve);
              signal.addEventListener('abort', () => resolve());
            });
          }
          controller.enqueue({ type: 'finish' });
          controller.close();
        },
      }),
    { limits, ...options },
  );
  const sessionId = `limits ${++sessions}`;
  const post = (body: string) => world.routes.POST(new Request(url, { method: 'POST', body }));
  return { world, sessionId, post, finish: () => waiting.shift()?.() };
}

async function expectRefused(response: Response, code: string, ...words: string[]): Promise<void> {
  expect(response.status).toBe(code === 'too_many' ? 429 : 413);
  const { error } = (await response.json()) as ErrorBody;
  expect(error.code).toBe(code);
  for (const word of words) expect(error.message).toContain(word);
}

async function messagesOf({ chat }: World, sessionId: string): Promise<string[]> {
  return (await chat.session(sessionId).read()).messages.map(({ id }) => id);
}

describe.each(stores)('G10: limits, on %s', (_, openStore) => {
  it('messageBytes: counts bytes of the message; the session does not change and accepts the next send', async () => {
    const bytes = (text: string) => {
      const { messages } = JSON.parse(sendBody('s', text, 'm')) as { messages: unknown[] };
      return new TextEncoder().encode(JSON.stringify(messages[0])).byteLength;
    };
    const { world, sessionId, post } = open({ messageBytes: bytes('üü') }, { channel: openStore()() });
    await expectRefused(
      await post(sendBody(sessionId, 'üüü', 'm')),
      'too_large',
      String(bytes('üü')),
      'limits.messageBytes',
    );
    expect(await messagesOf(world, sessionId)).toEqual([]);
    expect((await post(sendBody(sessionId, 'üü', 'm'))).status).toBe(200);
    await world.settled();
  });

  it('messagesPerSession: a full session accepts edits, and no more messages', async () => {
    const { world, sessionId, post } = open({ messagesPerSession: 4 }, { channel: openStore()() });
    for (const text of ['one', 'two']) {
      expect((await post(sendBody(sessionId, text))).status).toBe(200);
      await world.settled();
    }
    await expectRefused(
      await post(sendBody(sessionId, 'three')),
      'too_large',
      '4',
      'limits.messagesPerSession',
    );
    expect((await messagesOf(world, sessionId)).length).toBe(4);
    const edit = { ...(JSON.parse(sendBody(sessionId, 'two')) as object), messageId: 'user-two' };
    expect((await post(JSON.stringify(edit))).status).toBe(200);
    await world.settled();
    const regenerate = { ...edit, trigger: 'regenerate-message', messageId: undefined };
    expect((await post(JSON.stringify(regenerate))).status).toBe(200);
    await world.settled();
    expect((await messagesOf(world, sessionId)).length).toBe(4);
  });

  it('activeRunsPerSession: counts waiting runs, also when many come at once, until they end', async () => {
    const { world, sessionId, post, finish } = open(
      { activeRunsPerSession: 3 },
      { held: true, channel: openStore()() },
    );
    const burst = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => post(sendBody(sessionId, String(n)))));
    const refused = burst.filter(({ status }) => status === 429);
    expect(burst.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(3);
    for (const response of refused) await expectRefused(response, 'too_many', '3', 'activeRunsPerSession');
    // A refused message is not in the conversation.
    const { runs, messages } = await world.chat.session(sessionId).read();
    expect(runs.length).toBeLessThanOrEqual(3);
    expect(messages.length).toBe(runs.length);
    for (let count = runs.length; count < 3; count++) await post(sendBody(sessionId, `more ${count}`));
    await expectRefused(await post(sendBody(sessionId, 'over')), 'too_many', '3');
    await expect
      .poll(async () => {
        finish();
        return (await world.chat.session(sessionId).read()).runs.length;
      })
      .toBeLessThan(3);
    expect((await post(sendBody(sessionId, 'over'))).status).toBe(200);
    await world.chat.session(sessionId).stop();
    await world.settled();
  });
});

describe('G10: viewersPerSession', () => {
  it('counts viewers and the SDK’s resumes, per session, until they leave', async () => {
    const { world, sessionId, post } = open({ viewersPerSession: 2 }, { held: true });
    const get = (id: string) => world.routes.GET(new Request(`${url}?id=${encodeURIComponent(id)}`));
    const resume = () => world.routes.GET(new Request(`${url}/${encodeURIComponent(sessionId)}/stream`));
    // A send is no viewer.
    await post(sendBody(sessionId, 'one'));
    const first = await get(sessionId);
    const second = await resume();
    expect([first.status, second.status]).toEqual([200, 200]);
    await expectRefused(await get(sessionId), 'too_many', '2', 'limits.viewersPerSession');
    await expectRefused(await resume(), 'too_many');
    const other = await get('another session');
    expect(other.status).toBe(200);
    await second.body!.cancel();
    const third = await get(sessionId);
    expect(third.status).toBe(200);
    await expectRefused(await get(sessionId), 'too_many');
    for (const { body } of [first, third, other]) await body!.cancel();
    await world.chat.session(sessionId).stop();
    await world.settled();
  });

  it('counts each request that repeats a send; the run continues', async () => {
    const { world, sessionId, post, finish } = open({ viewersPerSession: 2 }, { held: true });
    const first = await post(sendBody(sessionId, 'one'));
    const runId = first.headers.get('x-durable-run');
    const again = await Promise.all([1, 2].map(() => post(sendBody(sessionId, 'one'))));
    expect(again.map((response) => response.headers.get('x-durable-run'))).toEqual([runId, runId]);
    await expectRefused(await post(sendBody(sessionId, 'one')), 'too_many', 'limits.viewersPerSession');
    await again[0]!.body!.cancel();
    await expect.poll(async () => (await post(sendBody(sessionId, 'one'))).status).toBe(200);
    finish();
    expect(await first.text()).toContain('fine');
    await world.settled();
    const { messages } = await world.chat.session(sessionId).read();
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant']);
  });

  it('a refused viewer retries, and is accepted when there is room', async () => {
    const { world, sessionId } = open({ viewersPerSession: 1 });
    const tab = () => {
      const view = new DurableSession({ id: sessionId, fetch: world.client().fetch, retryDelay: () => 5 });
      return { view, close: view.open() };
    };
    const first = tab();
    await expect.poll(() => first.view.getSnapshot().connection).toBe('connected');
    const second = tab();
    await expect.poll(() => second.view.getSnapshot().connection).toBe('reconnecting');
    first.close();
    await expect.poll(() => second.view.getSnapshot().connection).toBe('connected');
    second.close();
  });
});
