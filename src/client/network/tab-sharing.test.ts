import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { DurableChatError } from '../../protocol/errors.ts';
import type { SnapshotFrame } from '../../protocol/frames.ts';
import { createLocks, stubPage } from '../../test/fixtures/browser.fixture.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { openTab, textOf, type Tab } from '../../test/fixtures/tab.fixture.ts';
import { createWorld, modelHandler } from '../../test/fixtures/world.fixture.ts';
import type { Connect } from './requests.ts';
import { shareConnection } from './tab-sharing.ts';
import { Subscription } from './subscription.ts';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const count = (n: number) => Array.from({ length: n }, (_, index) => String(index + 1)).join(' ');

/** A server that counts, to everybody who is connected: a snapshot, or what follows the cursor. */
function countingServer() {
  let now = 0;
  const open = new Set<{ push: () => void; end: () => void }>();
  const connect: Connect = (after, signal, onEvent) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      let seen = now;
      const send = (data: object) => onEvent({ data: JSON.stringify(data), id: String(seen) });
      const connection = {
        push() {
          while (!signal.aborted && seen < now) send({ type: 'count', n: ++seen });
        },
        end() {
          open.delete(connection);
          resolve(false);
        },
      };
      signal.addEventListener('abort', () => {
        open.delete(connection);
        reject(signal.reason as Error);
      });
      void Promise.resolve().then(() => {
        if (signal.aborted) return;
        open.add(connection);
        onEvent();
        if (after === undefined) send({ type: 'snapshot', n: now });
        else seen = Number(after);
        connection.push();
      });
    });
  return {
    connect,
    open,
    get now() {
      return now;
    },
    count() {
      now++;
      for (const connection of [...open]) connection.push();
    },
  };
}

/** A tab that checks that it misses nothing and hears nothing twice. */
function countingTab(connect: Connect, name: string) {
  const tab = {
    n: undefined as number | undefined,
    wrong: [] as string[],
    state: 'idle',
    stop: () => subscription.stop(),
  };
  const subscription = new Subscription({
    connect: shareConnection({
      connect,
      name: async () => name,
      // A number is all there is to know.
      snapshot: () =>
        tab.n === undefined ? undefined : ({ type: 'snapshot', n: tab.n } as unknown as SnapshotFrame),
    }),
    retryDelay: () => 5,
    onConnection: ({ type }) => (tab.state = type),
    onFrame(frame) {
      const { type, n } = frame as unknown as { type: string; n: number };
      if (type !== 'snapshot' && n !== (tab.n ?? 0) + 1) tab.wrong.push(`${n} after ${tab.n}`);
      tab.n = n;
    },
  });
  subscription.start();
  return tab;
}

afterEach(() => vi.unstubAllGlobals());

describe('tabs that share a connection', () => {
  it(`G1: miss nothing and hear nothing twice, whoever comes, goes or is cut (seed ${seed})`, async () => {
    stubPage({ locks: createLocks() });
    const action = fc.oneof(
      { weight: 6, arbitrary: fc.constant('count' as const) },
      { weight: 2, arbitrary: fc.constant('open' as const) },
      { weight: 2, arbitrary: fc.record({ close: fc.nat(7) }) },
      { weight: 1, arbitrary: fc.constant('cut' as const) },
      { weight: 3, arbitrary: fc.record({ wait: fc.nat(8) }) },
    );
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 60 }), async (actions) => {
        const server = countingServer();
        const name = `count ${++runs}`;
        const open = () => countingTab(server.connect, name);
        const tabs = [open()];
        const all = [...tabs];
        for (const act of actions) {
          if (act === 'count') server.count();
          else if (act === 'cut') for (const connection of [...server.open]) connection.end();
          else if (act === 'open') all.push((tabs[tabs.length] = open()));
          else if ('close' in act) tabs.splice(act.close % tabs.length || 1, 1)[0]?.stop();
          else await new Promise((resolve) => setTimeout(resolve, act.wait));
        }
        server.count();
        for (const tab of tabs) await expect.poll(() => tab.n, { timeout: 10_000 }).toBe(server.now);
        await expect.poll(() => server.open.size, { timeout: 10_000 }).toBe(1);
        for (const tab of tabs) tab.stop();
        expect(all.flatMap(({ wrong }) => wrong)).toEqual([]);
      }),
      { seed, numRuns: 60, endOnFailure: true },
    );
  }, 120_000);

  it('G10: each tab is asked by the server for itself', async () => {
    stubPage({ locks: createLocks() });
    const server = countingServer();
    const first = countingTab(server.connect, 'mine');
    await expect.poll(() => first.n).toBe(0);
    const refused = countingTab(async () => {
      throw new DurableChatError('forbidden', 'No.');
    }, 'mine');
    await expect.poll(() => refused.state).toBe('failed');
    server.count();
    await expect.poll(() => first.n).toBe(1);
    expect(refused.n).toBeUndefined();
    first.stop();
  });

  it('a tab whose leader says nothing connects by itself', async () => {
    const locks = createLocks();
    stubPage({ locks });
    let free = () => {};
    const frozen = locks.request(
      'durable-chat frozen',
      {},
      () => new Promise<void>((resolve) => (free = resolve)),
    );
    const server = countingServer();
    const tab = countingTab(server.connect, 'frozen');
    await expect.poll(() => tab.n, { timeout: 10_000 }).toBe(0);
    server.count();
    await expect.poll(() => tab.n).toBe(1);
    expect(server.open.size).toBe(1);
    free();
    await frozen;
    tab.stop();
  });

  it('a page that is given no locks connects by itself', async () => {
    stubPage({ locks: { request: () => Promise.reject(new DOMException('No origin.', 'SecurityError')) } });
    const server = countingServer();
    const tabs = [countingTab(server.connect, 'framed'), countingTab(server.connect, 'framed')];
    for (const tab of tabs) await expect.poll(() => tab.n).toBe(0);
    expect(server.open.size).toBe(2);
    for (const tab of tabs) tab.stop();
  });

  it('tabs of another name do not hear of each other', async () => {
    stubPage({ locks: createLocks() });
    const server = countingServer();
    const tabs = [countingTab(server.connect, 'one'), countingTab(server.connect, 'two')];
    for (const tab of tabs) await expect.poll(() => tab.n).toBe(0);
    expect(server.open.size).toBe(2);
    for (const tab of tabs) tab.stop();
  });
});

describe('chats in the tabs of one browser', () => {
  it('G1, G4: follow a running answer over one connection, past the end of the tab that held it', async () => {
    stubPage({ locks: createLocks() });
    const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
    const tabs: Tab[] = [];
    for (let n = 0; n < 5; n++) {
      tabs.push(openTab(world.client(), 'shared'));
      await expect.poll(() => tabs[n]!.session.getSnapshot().connection).toBe('connected');
    }
    const connections = () => tabs.reduce((sum, { client }) => sum + client.open, 0);
    await expect.poll(connections).toBe(1);
    const [leader, , sender] = tabs;
    expect(leader!.client.open).toBe(1);

    const sent = sender!.chat.sendMessage({ text: 'count to 200 at 200/s' });
    for (const { chat } of tabs) await expect.poll(() => textOf(chat.messages.at(-1))).toContain('20');
    // Their one subscription, and the sender's own answer.
    expect(connections()).toBe(2);
    const late = openTab(world.client(), 'shared');
    tabs.push(late);
    await expect.poll(() => textOf(late.chat.messages.at(-1))).toContain('30');
    leader!.close();
    await sent;
    await world.settled();
    const { messages } = await world.chat.session('shared').read();
    expect(messages.map(textOf)).toEqual(['count to 200 at 200/s', count(200)]);
    for (const { chat } of tabs.slice(1)) {
      await expect.poll(() => chat.messages).toEqual(messages);
      await expect.poll(() => chat.status).toBe('ready');
    }
    await expect.poll(connections).toBe(1);
    for (const tab of tabs) tab.close();
  });

  it('a tab that joins knows all that the leading one knows: messages that a client brought along, too', async () => {
    stubPage({ locks: createLocks() });
    const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
    const leader = openTab(world.client(), 'seeded', {
      messages: [{ id: 'old', role: 'user', parts: [{ type: 'text', text: 'from before' }] }],
    });
    await leader.chat.sendMessage({ text: 'count to 2' });
    await expect.poll(() => leader.session.getSnapshot().state?.seeded).toEqual(new Set(['old']));
    await expect.poll(() => leader.session.getSnapshot().runs).toEqual([]);
    const client = world.client();
    const joined = openTab(client, 'seeded');
    await expect.poll(() => joined.session.getSnapshot().state).toBeDefined();
    expect(client.open).toBe(0);
    expect(joined.session.getSnapshot().state).toEqual(leader.session.getSnapshot().state);
    for (const tab of [leader, joined]) tab.close();
    await world.settled();
  });

  it('tabs with other headers have a connection of their own', async () => {
    stubPage({ locks: createLocks() });
    const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
    const tabs = ['a', 'a', 'b'].map((user) => openTab(world.client(), 's', { headers: { 'x-user': user } }));
    for (const { session } of tabs)
      await expect.poll(() => session.getSnapshot().connection).toBe('connected');
    await expect.poll(() => tabs.map(({ client }) => client.open).sort()).toEqual([0, 1, 1]);
    for (const tab of tabs) tab.close();
  });
});
