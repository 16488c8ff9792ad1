import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { memoryChannel } from '../../../channel/memory.ts';
import { systemRuntime } from '../../../lib/runtime.ts';
import { DurableChatError } from '../../../protocol/errors.ts';
import type { SnapshotFrame } from '../../../protocol/frames.ts';
import { createLocks, stubPage } from '../../../test/fixtures/browser.fixture.ts';
import { openTab, textOf, type Tab } from '../../../test/fixtures/tab.fixture.ts';
import { createWorld, modelHandler } from '../../../test/fixtures/world.fixture.ts';
import { scriptedModel } from '../../../testing/scripted-model.ts';
import type { Subscribe } from '../shared-get.ts';
import { noSlot } from '../slots.ts';
import { Subscription } from '../subscription.ts';
import { Line } from './line.ts';
import { ask } from './member.ts';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const count = (n: number) => Array.from({ length: n }, (_, index) => String(index + 1)).join(' ');

/** A server whose sessions count. Each connection receives a snapshot, or what follows its cursor. */
function countingServer() {
  const now = new Map<string, number>();
  const at = (sessionId: string) => now.get(sessionId) ?? 0;
  const open = new Set<{ push: () => void; end: () => void; sessionIds: readonly string[] }>();
  let requests = 0;
  const subscribe: Subscribe = (places, { signal, onEvent }) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      requests++;
      const seen = new Map(places.map(({ sessionId }) => [sessionId, at(sessionId)]));
      const send = (sessionId: string, data: object) =>
        onEvent({ data: JSON.stringify(data), id: `${seen.get(sessionId)}` }, sessionId);
      const connection = {
        sessionIds: places.map(({ sessionId }) => sessionId),
        push() {
          for (const [sessionId, n] of seen)
            for (let next = n + 1; !signal.aborted && next <= at(sessionId); next++) {
              seen.set(sessionId, next);
              send(sessionId, { type: 'count', n: next });
            }
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
        for (const { sessionId, after } of places) {
          if (signal.aborted) return;
          if (after === undefined) send(sessionId, { type: 'snapshot', n: at(sessionId) });
          else seen.set(sessionId, Number(after));
        }
        connection.push();
      });
    });
  return {
    subscribe,
    open,
    at,
    get requests() {
      return requests;
    },
    count(sessionId = 's') {
      now.set(sessionId, at(sessionId) + 1);
      for (const connection of [...open]) connection.push();
    },
  };
}

interface TabOptions {
  readonly name?: string;
  readonly sessionId?: string;
  /** The line of the page; by default the tab is a page of its own. */
  readonly line?: () => Line;
}

/** A page's line; a new one when that has ended. */
function createPage(name: string): () => Line {
  let line: Line | undefined;
  return () =>
    (line ??= new Line({
      runtime: systemRuntime,
      name,
      takeSlot: noSlot,
      onClose: () => (line = undefined),
    }));
}

/** A tab that checks that it receives every frame once. */
function countingTab(
  subscribe: Subscribe,
  { name = 'counting', sessionId = 's', line = createPage(name) }: TabOptions,
) {
  const tab = {
    n: undefined as number | undefined,
    sessionId,
    wrong: [] as string[],
    state: 'idle',
    states: [] as string[],
    stop: () => subscription.stop(),
    renew: () => subscription.renew(),
  };
  // The state of such a session is a number.
  const snapshot = () =>
    tab.n === undefined ? undefined : ({ type: 'snapshot', n: tab.n } as unknown as SnapshotFrame);
  const subscription = new Subscription({
    runtime: systemRuntime,
    connect: (after, signal, onEvent) =>
      line().join({ sessionId, subscribe, snapshot, matchesLine: async () => true }, after, signal, onEvent),
    ask: (after, signal) => ask(subscribe, sessionId, after, signal),
    retryDelay: () => 5,
    onConnection({ type }) {
      tab.state = type;
      tab.states.push(type);
    },
    onFrame(frame) {
      const { type, n } = frame as unknown as { type: string; n: number };
      if (type !== 'snapshot' && n !== (tab.n ?? NaN) + 1) tab.wrong.push(`${n} after ${tab.n}`);
      tab.n = n;
    },
  });
  subscription.start();
  return tab;
}

/** A browser whose tabs can be frozen: they send and receive nothing, and keep their locks. */
function freezable(): { readonly channels: { isFrozen: boolean }[] } {
  const channels: { isFrozen: boolean }[] = [];
  vi.stubGlobal(
    'BroadcastChannel',
    class extends BroadcastChannel {
      isFrozen = false;
      constructor(name: string) {
        super(name);
        channels.push(this);
      }
      override postMessage(message: unknown): void {
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- channels have none
        if (!this.isFrozen) super.postMessage(message);
      }
      override addEventListener(type: string, listener: (event: Event) => void): void {
        super.addEventListener(type, (event) => this.isFrozen || listener(event));
      }
    },
  );
  return { channels };
}

afterEach(() => vi.unstubAllGlobals());

describe('tabs that share a line', () => {
  it(`G1: receive every frame once, however tabs come, go and are disconnected (seed ${seed})`, async () => {
    stubPage({ locks: createLocks() });
    const sessionId = fc.constantFrom('a', 'b', 'c');
    const action = fc.oneof(
      { weight: 6, arbitrary: fc.record({ count: sessionId }) },
      { weight: 2, arbitrary: fc.record({ open: sessionId }) },
      // In a page that is already open.
      { weight: 2, arbitrary: fc.record({ open: sessionId, page: fc.nat(7) }) },
      { weight: 2, arbitrary: fc.record({ close: fc.nat(7) }) },
      { weight: 1, arbitrary: fc.record({ renew: fc.nat(7) }) },
      { weight: 1, arbitrary: fc.constant('cut' as const) },
      { weight: 3, arbitrary: fc.record({ wait: fc.nat(8) }) },
    );
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 60 }), async (actions) => {
        const server = countingServer();
        const name = `count ${++runs}`;
        const pages = [createPage(name)];
        const tabs = [countingTab(server.subscribe, { sessionId: 'a', line: pages[0]! })];
        const all = [...tabs];
        for (const act of actions) {
          if (act === 'cut') for (const connection of [...server.open]) connection.end();
          else if ('count' in act) server.count(act.count);
          else if ('open' in act) {
            const line = 'page' in act ? pages[act.page % pages.length]! : createPage(name);
            if (!('page' in act)) pages.push(line);
            all.push((tabs[tabs.length] = countingTab(server.subscribe, { sessionId: act.open, line })));
          } else if ('close' in act) tabs.splice(act.close % tabs.length || 1, 1)[0]?.stop();
          else if ('renew' in act) tabs[act.renew % tabs.length]!.renew();
          else await new Promise((resolve) => setTimeout(resolve, act.wait));
        }
        for (const id of ['a', 'b', 'c']) server.count(id);
        for (const tab of tabs)
          await expect.poll(() => tab.n, { timeout: 10_000 }).toBe(server.at(tab.sessionId));
        await expect.poll(() => server.open.size, { timeout: 10_000 }).toBe(1);
        for (const id of ['a', 'b', 'c']) server.count(id);
        for (const tab of tabs)
          await expect.poll(() => tab.n, { timeout: 10_000 }).toBe(server.at(tab.sessionId));
        for (const tab of tabs) tab.stop();
        expect(all.flatMap(({ wrong }) => wrong)).toEqual([]);
      }),
      { seed, numRuns: 60, endOnFailure: true },
    );
  }, 120_000);

  it('G10: the server asks for the permission of each tab', async () => {
    stubPage({ locks: createLocks() });
    const server = countingServer();
    const first = countingTab(server.subscribe, { name: 'mine' });
    await expect.poll(() => first.n).toBe(0);
    const refused = countingTab(
      async () => {
        throw new DurableChatError('forbidden', 'No.');
      },
      { name: 'mine' },
    );
    await expect.poll(() => refused.state).toBe('failed');
    server.count();
    await expect.poll(() => first.n).toBe(1);
    expect(refused.n).toBeUndefined();
    first.stop();
  });

  it('a tab whose leader never sends anything becomes the leader', async () => {
    const locks = createLocks();
    stubPage({ locks });
    let free = () => {};
    const frozen = locks.request(
      'durable-chat frozen',
      {},
      () => new Promise<void>((resolve) => (free = resolve)),
    );
    frozen.catch(() => {});
    const server = countingServer();
    const tab = countingTab(server.subscribe, { name: 'frozen' });
    await expect.poll(() => tab.n, { timeout: 10_000 }).toBe(0);
    server.count();
    await expect.poll(() => tab.n).toBe(1);
    expect(server.open.size).toBe(1);
    free();
    tab.stop();
  });

  it('the tabs notice a frozen leader within 10 s, and are not shown as connected until another leads', async () => {
    const { channels } = freezable();
    stubPage({ locks: createLocks() });
    const server = countingServer();
    const leader = countingTab(server.subscribe, { name: 'freezes' });
    await expect.poll(() => leader.n).toBe(0);
    const followers = ['s', 's', 'other'].map((sessionId) =>
      countingTab(server.subscribe, { name: 'freezes', sessionId }),
    );
    for (const tab of followers) await expect.poll(() => tab.n).toBe(0);
    await expect.poll(() => server.open.size).toBe(1);
    for (const tab of followers) tab.states.length = 0;
    channels[0]!.isFrozen = true;
    const frozenAt = performance.now();
    server.count();
    for (const tab of followers.slice(0, 2)) await expect.poll(() => tab.n, { timeout: 10_000 }).toBe(1);
    expect(performance.now() - frozenAt).toBeLessThan(10_000);
    for (const tab of followers) {
      expect(tab.states.find((state) => state !== 'open')).toBe('waiting');
      await expect.poll(() => tab.state).toBe('open');
    }
    // It wakes, and becomes a follower.
    channels[0]!.isFrozen = false;
    await expect.poll(() => leader.state).toBe('open');
    await expect.poll(() => server.open.size).toBe(1);
    server.count();
    for (const tab of [leader, ...followers.slice(0, 2)]) await expect.poll(() => tab.n).toBe(2);
    for (const tab of [leader, ...followers]) {
      tab.stop();
      expect(tab.wrong).toEqual([]);
    }
  }, 20_000);

  it('a page without locks connects by itself', async () => {
    stubPage({ locks: { request: () => Promise.reject(new DOMException('No origin.', 'SecurityError')) } });
    const server = countingServer();
    const tabs = [countingTab(server.subscribe, {}), countingTab(server.subscribe, {})];
    for (const tab of tabs) await expect.poll(() => tab.n).toBe(0);
    expect(server.open.size).toBe(2);
    for (const tab of tabs) tab.stop();
  });

  it('a page without channels connects by itself', async () => {
    stubPage({ locks: createLocks() });
    vi.stubGlobal('BroadcastChannel', function BroadcastChannel() {
      throw new DOMException('The operation is insecure.', 'SecurityError');
    });
    const server = countingServer();
    const tabs = [countingTab(server.subscribe, {}), countingTab(server.subscribe, {})];
    for (const tab of tabs) await expect.poll(() => tab.n).toBe(0);
    expect(server.open.size).toBe(2);
    for (const tab of tabs) tab.stop();
  });

  it('tabs with different names do not share a line', async () => {
    stubPage({ locks: createLocks() });
    const server = countingServer();
    const tabs = ['one', 'two'].map((name) => countingTab(server.subscribe, { name }));
    for (const tab of tabs) await expect.poll(() => tab.n).toBe(0);
    expect(server.open.size).toBe(2);
    for (const tab of tabs) tab.stop();
  });

  it('sessions that a page opens at once share one GET from the start; those beyond 32 have another', async () => {
    stubPage({ locks: createLocks() });
    const server = countingServer();
    const line = createPage('many');
    const tabs = Array.from({ length: 34 }, (_, index) =>
      countingTab(server.subscribe, { sessionId: `s${index}`, line }),
    );
    for (const tab of tabs) await expect.poll(() => tab.n).toBe(0);
    expect([...server.open].map(({ sessionIds }) => sessionIds.length).sort()).toEqual([1, 1, 32]);
    expect(server.requests).toBe(3);
    for (const { sessionId } of tabs) server.count(sessionId);
    for (const tab of tabs) await expect.poll(() => tab.n).toBe(1);
    for (const tab of tabs) tab.stop();
  });
});

describe('chats in the tabs of one browser', () => {
  it('G1, G4: follow a running answer over one connection, also after the tab with the connection is closed', async () => {
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
    // The shared subscription, and the POST of the sender.
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

  it('a tab that joins has all messages of the leader, also those that a client supplied', async () => {
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
