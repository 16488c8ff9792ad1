// G4 as a property: with any actions and any lost connections, all tabs end equal to the log.

import type { UIMessage } from 'ai';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { DurableChatError } from '../../protocol/errors.ts';
import type { Channel } from '../../channel/channel.ts';
import { memoryChannel } from '../../channel/memory.ts';
import { upstashChannel } from '../../channel/upstash/channel.ts';
import { createLocks, createStorage, stubPage } from '../fixtures/browser.fixture.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { startUpstashServer, type UpstashServer } from '../../testing/upstash-server.ts';
import type { OutboxStorage } from '../../client/sends/storage.ts';
import { createWorld, modelHandler, type Client, type World } from '../fixtures/world.fixture.ts';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));

const tab = fc.nat(3);
const action = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('send' as const), tab, to: fc.integer({ min: 1, max: 40 }) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('cut' as const), tab }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('stop' as const), tab }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('reload' as const), tab }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('regenerate' as const), tab }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.nat(60) }) },
);

function describeConvergence(name: string, open: () => Channel, runs: number, inBrowser?: () => void): void {
  it(`G4: all tabs end equal to the log, on ${name} (seed ${seed})`, { timeout: 120_000 }, async () => {
    inBrowser?.();
    const channel = open();
    let count = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 3, maxLength: 14 }), async (actions) => {
        const id = `${name}-${++count}`;
        const model = scriptedModel({ chunksPerSecond: 400 });
        const world = createWorld(channel, modelHandler(model), { flushIntervalMs: 5 });
        const pages: Page[] = Array.from({ length: 4 }, () =>
          openPage(world, id, createStorage(), inBrowser === undefined),
        );
        const sent: string[] = [];
        /** Sends that no storage keeps over a reload, because their page did not know its session yet. */
        const lost: string[] = [];
        let stopped = false;
        let regenerated = false;
        for (const [step, act] of actions.entries()) {
          if (act.type === 'wait') {
            await new Promise((resolve) => setTimeout(resolve, act.ms));
            continue;
          }
          const page = pages[act.tab]!;
          const { tab: chosen, pending } = page;
          switch (act.type) {
            case 'send': {
              const text = `count to ${act.to} (${step})`;
              sent.push(text);
              pending.push(chosen.chat.sendMessage({ text }));
              // The chat needs a few microtasks before it sends a message.
              await new Promise((resolve) => setImmediate(resolve));
              break;
            }
            case 'cut':
              // A connection that breaks between a send and its response is not tested here.
              if (!isSending(chosen)) chosen.client.cut();
              break;
            case 'stop':
              stopped = true;
              pending.push(
                chosen
                  .stop()
                  .catch((error: { code: string }) => page.isLeft || expect(error.code).toBe('not_found')),
              );
              break;
            case 'reload': {
              const next = page.leave();
              lost.push(...next.lost);
              pages[act.tab] = openPage(world, id, next.storage, inBrowser === undefined);
              pages[act.tab]!.pending.push(...next.pending);
              break;
            }
            case 'regenerate':
              if (chosen.chat.messages.length === 0 || isSending(chosen)) break;
              regenerated = true;
              pending.push(chosen.chat.regenerate());
              break;
          }
        }
        const tabs = pages.map(({ tab }) => tab);
        await Promise.all(pages.flatMap(({ pending }) => pending));
        for (const { core } of tabs)
          await expect
            .poll(() => core.deliveries.isEmpty && !core.storage!.sends.some((kept) => !kept.refused))
            .toBe(true);
        await world.settled();
        const { messages, runs } = await world.chat.session(id).read();
        expect(runs).toEqual([]);
        for (const one of tabs) {
          await expect.poll(() => shownBy(one), { timeout: 5_000 }).toEqual(messages);
          // A regeneration by another tab replaced its send, or removed its message.
          const { error } = one.chat;
          const isConflict = error instanceof DurableChatError && error.code === 'conflict';
          if (regenerated && (isConflict || error?.message.includes('That edit counts'))) continue;
          await expect.poll(() => one.chat.status, { timeout: 5_000 }).toBe('ready');
        }
        const users = messages.filter(({ role }) => role === 'user').map(textOf);
        expect(new Set(users).size).toBe(users.length);
        // A regeneration may have removed later messages. Otherwise every accepted message is there.
        // A stop cancels the sends that still wait.
        expect(sent).toEqual(expect.arrayContaining(users));
        const certain = sent.filter((text) => !lost.includes(text));
        if (!stopped && !regenerated) expect(users).toEqual(expect.arrayContaining(certain));
        for (const one of tabs) one.close();
      }),
      { seed, numRuns: runs, endOnFailure: true },
    );
  });
}

/** A tab and its page. */
interface Page {
  readonly tab: Tab;
  /** What the tab still does. */
  readonly pending: Promise<unknown>[];
  readonly isLeft: boolean;
  /**
   * Leaves the page, and returns what the next one gets. A page that dies makes no more requests, and what it did not
   * store is lost. Otherwise its tab closes, and goes on with its sends, as a chat that is not shown any more.
   */
  leave(): {
    readonly storage: OutboxStorage;
    readonly pending: readonly Promise<unknown>[];
    readonly lost: readonly string[];
  };
}

function openPage(world: World, id: string, storage: OutboxStorage, dies: boolean): Page {
  const client = world.client();
  let isLeft = false;
  const isDead = () => isLeft && dies;
  const fetch: Client['fetch'] = (...args) =>
    isDead() ? untilAborted(args[1]?.signal) : client.fetch(...args);
  const outbox: OutboxStorage = {
    getItem: (key) => storage.getItem(key),
    setItem: (key, value) => isDead() || storage.setItem(key, value),
    removeItem: (key) => isDead() || storage.removeItem(key),
  };
  // The other fields of the client are its own.
  const tab = openTab(Object.assign(Object.create(client) as Client, { fetch }), id, { outbox });
  const pending: Promise<unknown>[] = [];
  const { chat, core, session } = tab;
  return {
    tab,
    pending,
    get isLeft() {
      return isLeft;
    },
    leave() {
      isLeft = true;
      const kept = core.storage!.sends.map(({ message }) => message.id);
      const { unsent } = session.getSnapshot();
      const gone = unsent.filter(({ messageId }) => !kept.includes(messageId));
      tab.close();
      if (!dies) return { storage: createStorage(), pending, lost: [] };
      client.crash();
      const lost = gone.map(({ messageId }) => textOf(chat.messages.find((one) => one.id === messageId)));
      return { storage, pending: [], lost };
    },
  };
}

/** A request that never gets a response. */
function untilAborted(signal: AbortSignal | null | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(signal?.reason as Error);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort);
  });
}

/** Whether a send of the tab has no response yet. */
function isSending({ core }: Tab): boolean {
  return core.sending;
}

/** What a tab shows of the session: a refused or cancelled message stays in its tab alone, and is marked. */
function shownBy({ chat, session }: Tab): UIMessage[] {
  const { unsent } = session.getSnapshot();
  return chat.messages.filter(
    ({ id }) => !unsent.some(({ messageId, status }) => messageId === id && status === 'refused'),
  );
}

it('G4: a message that was removed before its tab received it does not stay', async () => {
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
  const other = openTab(world.client(), 'gone');
  await other.chat.sendMessage({ text: 'count to 1' });
  const client = world.client();
  let tell = () => {};
  const told = new Promise<void>((resolve) => (tell = resolve));
  const tab = openTab(
    {
      ...client,
      async fetch(input, init) {
        if (init?.method === 'GET') await told;
        return client.fetch(input, init);
      },
    },
    'gone',
  );
  await tab.chat.sendMessage({ text: 'count to 2' });
  await expect.poll(() => other.chat.messages.length).toBe(4);
  await other.chat.regenerate({ messageId: other.chat.messages[1]!.id });
  await world.settled();
  tell();
  const { messages } = await world.chat.session('gone').read();
  expect(messages.map(textOf)).toEqual(['count to 1', '1']);
  await expect.poll(() => tab.chat.messages).toEqual(messages);
  tab.close();
  other.close();
});

describe('convergence', () => {
  let server: UpstashServer;
  beforeAll(async () => {
    server = await startUpstashServer();
  });
  afterAll(() => server.close());
  afterEach(() => vi.unstubAllGlobals());

  describeConvergence('memory', memoryChannel, 40);
  describeConvergence('memory, in tabs that share a connection', memoryChannel, 40, () => {
    stubPage({ locks: createLocks() });
  });
  describeConvergence('upstash', () => upstashChannel({ url: server.url, token: server.token }), 20);
});

it('G4: a removed message disappears, also from a tab that regenerates its answer', async () => {
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
  const other = openTab(world.client(), 'asked again');
  await other.chat.sendMessage({ text: 'count to 1' });
  await expect.poll(() => other.chat.messages.length).toBe(2);
  const client = world.client();
  const tab = openTab(client, 'asked again');
  await expect.poll(() => tab.chat.messages.length).toBe(2);
  await tab.chat.sendMessage({ text: 'count to 2' });
  await expect.poll(() => other.chat.messages.length).toBe(4);
  // The tab posts an older list.
  const asked = tab.chat.messages.slice(0, 3);
  await other.chat.sendMessage({ text: 'count to 3', messageId: asked[0]!.id });
  await expect.poll(() => tab.chat.messages.length).toBe(2);
  tab.chat.messages = asked;
  await tab.chat.regenerate();
  await world.settled();
  expect(tab.chat.error).toMatchObject({ code: 'conflict' });
  const { messages } = await world.chat.session('asked again').read();
  expect(messages.map(textOf)).toEqual(['count to 3', '1 2 3']);
  await expect.poll(() => tab.chat.messages).toEqual(messages);
  tab.close();
  other.close();
});
