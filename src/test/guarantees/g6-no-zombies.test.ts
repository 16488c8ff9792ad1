// G6 with real processes that are killed at every point of a run, or frozen until their lease has ended.

import { convertToModelMessages, type UIMessage } from 'ai';
import { describe, expect, it, vi, type TestContext } from 'vitest';
import type { Channel } from '../../channel/channel.ts';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import { createDurableChat, type SessionHandle } from '../../index.ts';
import type { LogFrame } from '../../protocol/frames.ts';
import { useProducers, type ProducerProcess } from '../fixtures/producer-process.fixture.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { numbers } from '../fixtures/answers.fixture.ts';

const leaseMs = 3_000;
/** A busy machine is slow. How soon a dead run is noticed is tested with simulated time. */
const noticed = { timeout: 100_000, interval: 100 };
/** Like `expect.poll`, which does not work in concurrent tests. */
const until = (assertion: () => unknown): Promise<unknown> => vi.waitFor(assertion, noticed);

const producers = useProducers({ leaseMs });

interface Setting {
  readonly id: string;
  readonly processes: readonly ProducerProcess[];
  readonly channel: Channel;
  /** The session as this process sees it. */
  readonly session: SessionHandle;
  tab(process: ProducerProcess): Tab;
}

/** Each test has some processes, and more of them than a machine can run are only slow. */
let places = 4;
const inLine: (() => void)[] = [];

/** Resolves once fewer than four other tests run. */
async function takePlace(test: TestContext): Promise<void> {
  if (places > 0) places--;
  else await new Promise<void>((resolve) => inLine.push(resolve));
  test.onTestFinished(() => {
    const next = inLine.shift();
    if (next) next();
    else places++;
  });
}

async function setUp(test: TestContext, count: number): Promise<Setting> {
  await takePlace(test);
  const id = test.task.id;
  const processes = await Promise.all(Array.from({ length: count }, () => producers.start(test)));
  const { url, token } = producers.store();
  const channel = upstashChannel({ url, token });
  return {
    id,
    processes,
    channel,
    session: createDurableChat({ channel, leaseMs }).session(id),
    tab(process) {
      const tab = openTab(process.client(), id);
      test.onTestFinished(tab.close);
      return tab;
    },
  };
}

/** An answer that is half written, and continues for a long time. */
async function begin(tab: Tab, watching: Tab = tab): Promise<void> {
  void tab.chat.sendMessage({ text: 'count to 5000' });
  await until(() => expect(textOf(watching.chat.messages.at(-1))).toContain('12 13'));
}

/** Waits until the tabs are ready with the log's messages, and resolves with these. */
async function agree({ session }: Setting, tabs: readonly Tab[]): Promise<UIMessage[]> {
  await until(async () => expect((await session.read()).runs).toEqual([]));
  const { messages } = await session.read();
  for (const tab of tabs) {
    await until(() => expect(tab.chat.messages).toEqual(messages));
    await until(() => expect(tab.chat.status).toBe('ready'));
  }
  await convertToModelMessages(messages);
  return messages;
}

/** G11: a new turn is answered, after `before`. */
async function expectNextRun(setting: Setting, before: readonly UIMessage[], tabs: Tab[]): Promise<void> {
  const [tab] = tabs;
  await tab!.chat.sendMessage({ text: 'count to 3' });
  const messages = await agree(setting, tabs);
  expect(messages.slice(0, -2)).toEqual(before);
  expect(messages.slice(-2).map(textOf)).toEqual(['count to 3', '1 2 3']);
}

async function framesOf({ channel, id }: Setting, type: LogFrame['type']): Promise<LogFrame[]> {
  const keys = new Set<string>();
  return (await channel.readLog(id, ''))
    .filter(({ key }) => !keys.has(key) && keys.add(key))
    .flatMap(({ frames }) => frames.filter((frame) => frame.type === type));
}

/** The first answer is the beginning of a count, its run ended as interrupted, and it ended once. */
async function expectCutShort(setting: Setting, [asked, answer]: readonly UIMessage[]): Promise<void> {
  expect(textOf(asked)).toBe('count to 5000');
  const counted = textOf(answer).split(' ').length;
  // Its own tab can be one write ahead of the log.
  expect(counted).toBeGreaterThan(0);
  expect(textOf(answer)).toBe(numbers(counted));
  expect(answer?.parts.at(-1)).toMatchObject({ type: 'text', state: 'done' });
  const [end, ...more] = await framesOf(setting, 'run-end');
  expect(end).toMatchObject({ reason: 'interrupted', message: { id: answer?.id } });
  expect(more).toEqual([]);
}

describe.concurrent('a producer that is killed', { timeout: 300_000 }, () => {
  it('G6: during an answer, noticed by a viewer of another process', async (test) => {
    const setting = await setUp(test, 2);
    const [one, other] = setting.processes as [ProducerProcess, ProducerProcess];
    const viewer = setting.tab(other);
    await begin(setting.tab(one), viewer);
    await one.kill();
    await until(() => expect(viewer.session.getSnapshot().runs).toEqual([]));
    const messages = await agree(setting, [viewer]);
    await expectCutShort(setting, messages);
    await expectNextRun(setting, messages, [viewer]);
  });

  it('G6: during an answer, noticed by its own tab once the server is back', async (test) => {
    const setting = await setUp(test, 1);
    const [one] = setting.processes as [ProducerProcess];
    const sender = setting.tab(one);
    await begin(sender);
    await one.kill();
    await one.start();
    await until(() => expect(sender.session.getSnapshot().runs).toEqual([]));
    const messages = await agree(setting, [sender]);
    await expectCutShort(setting, messages);
    void sender.chat.regenerate();
    await until(async () => expect(await one.calls()).toHaveLength(1));
    expect(await one.calls()).toMatchObject([{ text: 'count to 5000' }]);
    await sender.stop();
    await expectNextRun(setting, await agree(setting, [sender]), [sender]);
  });

  it('G6: during an answer, noticed by a new send', async (test) => {
    const setting = await setUp(test, 2);
    const [one, other] = setting.processes as [ProducerProcess, ProducerProcess];
    await begin(setting.tab(one));
    await one.kill();
    const late = setting.tab(other);
    await late.chat.sendMessage({ text: 'count to 3' });
    const messages = await agree(setting, [late]);
    expect(messages.slice(2).map(textOf)).toEqual(['count to 3', '1 2 3']);
    expect((await framesOf(setting, 'run-end')).map((frame) => 'reason' in frame && frame.reason)).toEqual([
      'interrupted',
      'finish',
    ]);
  });

  it('G6: during an answer, noticed by session.read()', async (test) => {
    const setting = await setUp(test, 1);
    const [one] = setting.processes as [ProducerProcess];
    await begin(setting.tab(one));
    await one.kill();
    await expectCutShort(setting, await agree(setting, []));
  });

  it('G6: before the first chunk', async (test) => {
    const setting = await setUp(test, 2);
    const [one, other] = setting.processes as [ProducerProcess, ProducerProcess];
    const viewer = setting.tab(other);
    void setting.tab(one).chat.sendMessage({ text: 'say nothing' });
    await until(async () => expect(await one.calls()).toHaveLength(1));
    await one.kill();
    await until(() => expect(viewer.chat.messages.map(textOf)).toEqual(['say nothing']));
    await until(() => expect(viewer.session.getSnapshot().runs).toEqual([]));
    const messages = await agree(setting, [viewer]);
    expect(messages.map(textOf)).toEqual(['say nothing']);
    expect(await framesOf(setting, 'run-end')).toMatchObject([{ reason: 'interrupted' }]);
    await expectNextRun(setting, messages, [viewer]);
  });

  it('G6: between the close of its run and the entry of its end', async (test) => {
    const setting = await setUp(test, 2);
    const [one, other] = setting.processes as [ProducerProcess, ProducerProcess];
    const viewer = setting.tab(other);
    let hangs = 0;
    const clear = producers.store().faults.inject(
      { kind: 'hang' },
      {
        match({ commands }) {
          const text = JSON.stringify(commands);
          const ending = text.includes(encodeURIComponent(setting.id)) && text.includes('run-end');
          if (ending) hangs++;
          return ending;
        },
      },
    );
    void setting.tab(one).chat.sendMessage({ text: 'count to 30' });
    await until(() => expect(hangs).toBeGreaterThan(0));
    await one.kill();
    clear();
    await until(() => expect(viewer.session.getSnapshot().runs).toEqual([]));
    const messages = await agree(setting, [viewer]);
    // The whole answer was stored, and the first closure decides how it ended.
    expect(messages.map(textOf)).toEqual(['count to 30', numbers(30)]);
    expect(await framesOf(setting, 'run-end')).toMatchObject([{ reason: 'finish' }]);
    await expectNextRun(setting, messages, [viewer]);
  });

  it('G6: while sends wait: those that it had accepted end too, and others are answered', async (test) => {
    const setting = await setUp(test, 2);
    const [one, other] = setting.processes as [ProducerProcess, ProducerProcess];
    const [sender, viewer] = [setting.tab(one), setting.tab(other)];
    await begin(sender, viewer);
    void setting.tab(one).chat.sendMessage({ text: 'count to 4' });
    await until(() => expect(viewer.session.getSnapshot().runs.length).toBe(2));
    const waiting = viewer.chat.sendMessage({ text: 'count to 5' });
    await until(() => expect(viewer.session.getSnapshot().runs.length).toBe(3));
    await one.kill();
    await waiting;
    const messages = await agree(setting, [viewer]);
    // Every message is kept, with or without an answer.
    expect(messages.filter(({ role }) => role === 'user').map(textOf)).toEqual([
      'count to 5000',
      'count to 4',
      'count to 5',
    ]);
    expect(textOf(messages.at(-1))).toBe('1 2 3 4 5');
    expect((await framesOf(setting, 'run-end')).map((frame) => 'reason' in frame && frame.reason)).toEqual([
      'interrupted',
      'interrupted',
      'finish',
    ]);
    await expectNextRun(setting, messages, [viewer]);
  });

  it('G6, G11: during a tool call', async (test) => {
    const setting = await setUp(test, 2);
    const [one, other] = setting.processes as [ProducerProcess, ProducerProcess];
    const viewer = setting.tab(other);
    void setting.tab(one).chat.sendMessage({ text: 'weather in Lisbon' });
    const tool = () => viewer.chat.messages.at(-1)?.parts.find((part) => part.type === 'tool-weather');
    await until(() => expect(tool()).toMatchObject({ state: 'input-available' }));
    await one.kill();
    await until(() => expect(viewer.session.getSnapshot().runs).toEqual([]));
    const messages = await agree(setting, [viewer]);
    expect(tool()).toMatchObject({ state: 'output-error', input: { city: 'Lisbon' } });
    await expectNextRun(setting, messages, [viewer]);
  });

  it('G6: when several processes notice at once, its run ends once', async (test) => {
    const setting = await setUp(test, 4);
    const [one, ...others] = setting.processes;
    const viewers = Array.from({ length: 5 }, (_, index) => setting.tab(others[index % others.length]!));
    const ends: LogFrame[][] = viewers.map(() => []);
    const leaving = new AbortController();
    test.onTestFinished(() => leaving.abort());
    // The frames that each process sends to its viewers.
    for (const seen of ends) {
      void (async () => {
        for await (const { frame } of setting.session.follow({ signal: leaving.signal }))
          if (frame.type === 'run-end') seen.push(frame);
      })();
    }
    await begin(setting.tab(one!), viewers[0]);
    await one!.kill();
    const readers = viewers.map(() => setting.session.read());
    const messages = await agree(setting, viewers);
    await Promise.all(readers);
    await expectCutShort(setting, messages);
    await until(() => expect(ends.map(({ length }) => length)).toEqual([1, 1, 1, 1, 1]));
    await expectNextRun(setting, messages, viewers);
    expect(ends.map(({ length }) => length)).toEqual([2, 2, 2, 2, 2]);
  });
});

describe.concurrent(
  'a producer that is frozen until its lease has ended, and wakes',
  { timeout: 300_000 },
  () => {
    it.for([
      ['while it was writing', 'count to 5000'],
      ['while it waited for its model', 'say nothing'],
      ['while it waited for a tool', 'weather in Lisbon'],
    ] as const)('G6: %s writes nothing more, and aborts its model', async ([, text], test) => {
      const setting = await setUp(test, 2);
      const [one, other] = setting.processes as [ProducerProcess, ProducerProcess];
      const [sender, viewer] = [setting.tab(one), setting.tab(other)];
      void sender.chat.sendMessage({ text });
      if (text === 'count to 5000')
        await until(() => expect(textOf(viewer.chat.messages.at(-1))).toContain('12 13'));
      else await until(async () => expect(await one.calls()).toHaveLength(text === 'say nothing' ? 1 : 2));
      await until(() => expect(viewer.session.getSnapshot().runs).toHaveLength(1));
      one.freeze();
      await until(() => expect(viewer.session.getSnapshot().runs).toEqual([]));
      const messages = await agree(setting, [viewer]);
      const stored = await dump(setting);
      one.thaw();
      await until(async () =>
        expect((await one.calls()).at(-1)).toMatchObject({ aborted: true, finished: false }),
      );
      // Long enough for its heartbeat.
      await new Promise((resolve) => setTimeout(resolve, leaseMs));
      expect(await dump(setting)).toEqual(stored);
      expect(await agree(setting, [viewer, sender])).toEqual(messages);
      await expectNextRun(setting, messages, [sender, viewer]);
    });
  },
);

/** All keys of the session in the store, without leases, which expire. */
async function dump({ id }: Setting): Promise<unknown> {
  const store = producers.store();
  const keys = ((await store.command('KEYS', '*')) as string[]).filter((key) =>
    key.includes(`{${encodeURIComponent(id).replaceAll('%', '=')}}`),
  );
  const streams = keys.filter((key) => !key.includes(':lease:') && !key.includes(':send:')).sort();
  return Promise.all(streams.map((key) => store.command('XRANGE', key, '-', '+')));
}
