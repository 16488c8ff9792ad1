// What happens to a send while another answer is being written.

import type { UIMessage } from 'ai';
import { afterEach, describe, expect, it } from 'vitest';
import type { DurableChatOptions, Handler } from '../../index.ts';
import { scriptedModel, type ScriptedModel } from '../../testing/scripted-model.ts';
import type { Channel } from '../../channel/channel.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { createWorld, modelHandler, type World } from '../fixtures/world.fixture.ts';
import { numbers } from '../fixtures/answers.fixture.ts';

const { stores } = useStores();
let count = 0;

describe.each(stores)('a busy session on %s', (name, open) => {
  const tabs: Tab[] = [];
  let world: World;
  let model: ScriptedModel;
  let id: string;
  /** Releases a held answer, which then continues to its end. */
  let go: () => void;
  const tab = () => {
    const opened = openTab(world.client(), id);
    tabs.push(opened);
    return opened;
  };
  function setUp(
    options: Omit<DurableChatOptions, 'channel'> = {},
    channel = open()(),
    wrap = (handler: Handler) => handler,
  ): void {
    id = `${name} ${++count}`;
    const gate = new Promise<void>((resolve) => (go = resolve));
    model = scriptedModel({ hold: () => gate });
    world = createWorld(channel, wrap(modelHandler(model)), options);
  }
  /** Opens a tab, and sends a message whose answer is held. */
  async function busy(text: string): Promise<Tab> {
    const first = tab();
    void first.chat.sendMessage({ text });
    await expect.poll(() => textOf(first.chat.messages.at(-1))).toContain('3');
    return first;
  }
  async function agreed(): Promise<UIMessage[]> {
    go();
    await world.settled();
    const { messages, runs } = await world.chat.session(id).read();
    expect(runs).toEqual([]);
    for (const one of tabs) {
      await expect.poll(() => one.chat.messages, { timeout: 5_000 }).toEqual(messages);
      await expect.poll(() => one.chat.status, { timeout: 5_000 }).toBe('ready');
    }
    return messages;
  }
  afterEach(() => {
    for (const one of tabs.splice(0)) one.close();
  });

  it('queue: every tab shows the waiting message in its place, until its turn', async () => {
    setUp();
    const first = await busy('count to 60 at 500/s, hold at 5');
    const second = tab();
    void second.chat.sendMessage({ text: 'count to 4' });
    void first.chat.sendMessage({ text: 'count to 5' });
    for (const one of [first, second]) {
      await expect
        .poll(() => one.session.getSnapshot().runs.map(({ status }) => status))
        .toEqual(['running', 'queued', 'queued']);
      await expect
        .poll(() => one.chat.messages.map(({ role }) => role))
        .toEqual(['user', 'assistant', 'user', 'user']);
    }
    const { runs } = second.session.getSnapshot();
    const waiting = second.chat.messages.slice(2).map((message) => message.id);
    expect(runs.slice(1).map(({ userMessageId }) => userMessageId)).toEqual(waiting);
    const messages = await agreed();
    expect(
      messages
        .filter(({ role }) => role === 'assistant')
        .map(textOf)
        .sort(),
    ).toEqual([numbers(60), numbers(4), numbers(5)].sort());
    expect(messages.map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
      'user',
      'assistant',
    ]);
  });

  it('queue: a waiting send can be withdrawn, from another tab and after a reload', async () => {
    setUp();
    const first = await busy('count to 80 at 500/s, hold at 5');
    const second = tab();
    await expect.poll(() => second.chat.messages.length).toBe(2);
    const sent = second.chat.sendMessage({ text: 'never mind' });
    await expect.poll(() => first.session.getSnapshot().runs.length).toBe(2);
    second.close();
    tabs.splice(tabs.indexOf(second), 1);
    await sent;
    const reloaded = tab();
    await expect.poll(() => reloaded.session.getSnapshot().runs.length).toBe(2);
    const { runId } = reloaded.session.getSnapshot().runs[1]!;
    await reloaded.session.withdraw({ runId });
    await reloaded.session.withdraw({ runId });
    for (const one of [first, reloaded]) {
      await expect.poll(() => one.session.getSnapshot().runs.length).toBe(1);
      await expect.poll(() => one.chat.messages.length).toBe(2);
    }
    const messages = await agreed();
    expect(messages.map(textOf)).toEqual(['count to 80 at 500/s, hold at 5', numbers(80)]);
    expect(model.calls.length).toBe(1);
    // Sent again, it is a new send.
    await reloaded.chat.sendMessage({ text: 'count to 2' });
    expect((await agreed()).map(textOf).slice(2)).toEqual(['count to 2', '1 2']);
  });

  it('queue: a run that has started or ended cannot be withdrawn', async () => {
    setUp();
    const first = await busy('count to 30 at 500/s, hold at 5');
    await expect.poll(() => first.session.getSnapshot().runs.length).toBe(1);
    const { runId } = first.session.getSnapshot().runs[0]!;
    await expect(first.session.withdraw({ runId })).rejects.toMatchObject({ code: 'conflict', status: 409 });
    await expect(first.session.withdraw({ runId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' });
    await agreed();
    await expect(first.session.withdraw({ runId })).rejects.toMatchObject({ code: 'conflict' });
    expect((await agreed()).map(textOf)).toEqual(['count to 30 at 500/s, hold at 5', numbers(30)]);
  });

  it('queue: a tab that joins late never shows the running answer below the waiting message', async () => {
    setUp();
    const first = await busy('count to 60 at 500/s, hold at 5');
    void first.chat.sendMessage({ text: 'count to 3' });
    await expect.poll(() => first.session.getSnapshot().runs.length).toBe(2);
    const late = tab();
    const shown = new Set<string>();
    const look = setInterval(() => void shown.add(late.chat.messages.map(({ role }) => role).join(' ')), 1);
    await expect.poll(() => [...shown]).toContain('user assistant user');
    await agreed();
    clearInterval(look);
    expect([...shown].filter((roles) => roles.startsWith('user user assistant'))).toEqual([]);
  });

  it('interrupt: the answer stops, its part so far is kept, and the new send is answered', async () => {
    setUp({ whenBusy: 'interrupt' });
    const first = await busy('count to 1000 at 500/s, hold at 5');
    const second = tab();
    await expect.poll(() => second.chat.messages.length).toBe(2);
    await second.chat.sendMessage({ text: 'count to 3' });
    const messages = await agreed();
    expect(model.calls.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
    expect(textOf(messages[1])).toMatch(/^1 2 3/);
    expect(textOf(messages[3])).toBe('1 2 3');
    const [ended] = [...(first.session.getSnapshot().state?.ended.values() ?? [])];
    expect(ended).toMatchObject({ reason: 'stop', interruptedBy: messages[2]!.id });
  });

  it('reject: a typed error, and nothing changes', async () => {
    setUp({ whenBusy: 'reject' });
    const first = await busy('count to 40 at 500/s, hold at 5');
    const second = tab();
    await expect.poll(() => second.chat.messages.length).toBe(2);
    await second.chat.sendMessage({ text: 'count to 3' });
    expect(second.chat.status).toBe('error');
    expect(second.chat.error).toMatchObject({ code: 'conflict', status: 409 });
    go();
    await world.settled();
    const { messages } = await world.chat.session(id).read();
    expect(messages.map(textOf)).toEqual(['count to 40 at 500/s, hold at 5', numbers(40)]);
    await expect.poll(() => first.chat.messages).toEqual(messages);
    // After the end of the answer, the same message is accepted.
    await second.chat.regenerate();
    expect((await agreed()).map(textOf).slice(2)).toEqual(['count to 3', '1 2 3']);
  });

  it('reject: of two sends at the same moment one wins', async () => {
    setUp({ whenBusy: 'reject' });
    const errors: string[] = [];
    const onError = ({ message }: Error) => void errors.push(message);
    const both = [0, 1].map(() => openTab(world.client(), id, { onError }));
    tabs.push(...both);
    // Long enough that the second send arrives during the answer, also on a busy machine.
    await Promise.all(both.map((one) => one.chat.sendMessage({ text: 'count to 60 at 30/s' })));
    await world.settled();
    expect(errors).toMatchObject([expect.stringContaining('busy')]);
    const { messages } = await world.chat.session(id).read();
    const counted = Array.from({ length: 60 }, (_, index) => index + 1).join(' ');
    expect(messages.map(textOf)).toEqual(['count to 60 at 30/s', counted]);
    expect(model.calls.length).toBe(1);
  });

  it('two tabs that edit one message at once: one edit counts, the other one gets an error, both tabs agree', async () => {
    const channel = open()();
    let bothRead: () => void = () => {};
    const both = new Promise<void>((resolve) => (bothRead = resolve));
    let reads = -1; // the first send is no edit
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const reading: Channel = {
      ...channel,
      async reserve(...reservation) {
        const claimed = await channel.reserve(...reservation);
        // At once: neither edit reads the other one in the log.
        if (++reads === 2) bothRead();
        if (reads > 0) await both;
        return claimed;
      },
    };
    setUp(undefined, reading, (handler) => async (request, context) => {
      // Neither answer ends before the other edit is accepted.
      const stopped = new Promise((resolve) => request.signal.addEventListener('abort', resolve));
      if (reads > 0) await Promise.race([released, stopped]);
      return handler(request, context);
    });
    const told: Tab[] = [];
    const openOne = (): Tab => {
      const one: Tab = openTab(world.client(), id, { onError: () => void told.push(one) });
      tabs.push(one);
      return one;
    };
    const first = openOne();
    await first.chat.sendMessage({ text: 'count to 3' });
    const second = openOne();
    await expect.poll(() => second.chat.messages.length).toBe(2);
    const messageId = first.chat.messages[0]!.id;
    const sent = Promise.all([
      first.chat.sendMessage({ text: 'count to 50', messageId }),
      second.chat.sendMessage({ text: 'count to 51', messageId }),
    ]);
    await expect.poll(() => told.map(({ chat }) => chat.status), { timeout: 10_000 }).toEqual(['error']);
    release();
    await sent;
    told[0]!.chat.clearError();
    const messages = await agreed();
    expect(messages.length).toBe(2);
    const winner = ['50', '51'].find((n) => textOf(messages[0]).includes(n));
    expect(textOf(messages[1])).toBe(numbers(Number(winner)));
    const ends = [...(first.session.getSnapshot().state?.ended.values() ?? [])].map(({ reason }) => reason);
    expect(ends.slice(1).sort()).toEqual(['finish', 'stop']);
    expect(told).toEqual([winner === '50' ? second : first]);
  });

  it('parallel: both answers are written at once, and every tab shows both live', async () => {
    setUp({ whenBusy: 'parallel' });
    await busy('count to 100 at 500/s, hold at 10');
    const second = tab();
    const third = tab();
    await expect.poll(() => second.chat.messages.length).toBe(2);
    void second.chat.sendMessage({ text: 'count to 90 at 500/s, hold at 10' });
    for (const one of tabs) {
      await expect
        .poll(() => one.session.getSnapshot().runs.map(({ status }) => status))
        .toEqual(['running', 'running']);
    }
    const growing = () => third.chat.messages.filter(({ role }) => role === 'assistant').map(textOf);
    await expect.poll(() => growing()[1] ?? '').toContain('10');
    const [one] = growing();
    go();
    await expect.poll(() => growing()[0]).not.toBe(one);
    expect((await agreed()).map(textOf)).toEqual([
      'count to 100 at 500/s, hold at 10',
      numbers(100),
      'count to 90 at 500/s, hold at 10',
      numbers(90),
    ]);
  });

  it('a send may ask for another whenBusy only if the server allows it', async () => {
    setUp({ allowWhenBusy: ['reject'] });
    const first = await busy('count to 40 at 500/s, hold at 5');
    const errors: Error[] = [];
    const second = openTab(world.client(), id, { onError: (error) => void errors.push(error) });
    tabs.push(second);
    for (const whenBusy of ['interrupt', 'reject', 'whatever']) {
      await second.chat.sendMessage({ text: whenBusy }, { body: { whenBusy } });
    }
    expect(errors).toMatchObject([
      { code: 'forbidden', status: 403 },
      { code: 'conflict', status: 409 },
      { code: 'bad_request', status: 400 },
    ]);
    go();
    await world.settled();
    const { messages } = await world.chat.session(id).read();
    expect(messages.map(textOf)).toEqual(['count to 40 at 500/s, hold at 5', numbers(40)]);
    await expect.poll(() => first.chat.messages).toEqual(messages);
  });
});
