import { afterEach, expect, it, vi } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { systemRuntime } from '../../lib/runtime.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { createLocks, stubPage } from '../../test/fixtures/browser.fixture.ts';
import { openTab, textOf } from '../../test/fixtures/tab.fixture.ts';
import { createWorld, modelHandler } from '../../test/fixtures/world.fixture.ts';
import { digest, isMultiplexed, openChannel, pageLocks, tabStorage } from './browser.ts';
import { takeStreamSlot, takeSlot } from './slots.ts';

afterEach(() => vi.unstubAllGlobals());

const insecure = () => {
  throw new DOMException('The operation is insecure.', 'SecurityError');
};

/** A page in a browser that blocks everything it can block: each access throws. */
function stubRefusingPage(): void {
  stubPage();
  Object.defineProperty(navigator, 'locks', { get: insecure });
  vi.stubGlobal('BroadcastChannel', function BroadcastChannel() {
    insecure();
  });
  vi.stubGlobal('crypto', { getRandomValues: (bytes: Uint8Array) => bytes.fill(7) });
  vi.stubGlobal('location', { href: 'http://durable.test/' });
  const getEntriesByType = vi.spyOn(performance, 'getEntriesByType').mockImplementation(insecure);
  Object.defineProperty(globalThis, 'sessionStorage', { get: insecure, configurable: true });
  cleanUp = () => {
    getEntriesByType.mockRestore();
    Reflect.deleteProperty(globalThis, 'sessionStorage');
  };
}

let cleanUp = () => {};
afterEach(() => cleanUp());

it('a feature whose access throws counts as missing', async () => {
  stubRefusingPage();
  expect(pageLocks()).toBeUndefined();
  expect(openChannel('name', () => {})).toBeUndefined();
  expect(tabStorage()).toBeUndefined();
  expect(await digest('text', systemRuntime)).toBeUndefined();
  expect(isMultiplexed('/api/chat')).toBe(false);
  expect((await takeSlot('/api/chat', new AbortController().signal)).isTimeSlice).toBe(false);
  const release = await takeStreamSlot('/api/chat', systemRuntime);
  expect(release).toBeDefined();
  release?.();
});

it.each([
  ['everything', stubRefusingPage],
  [
    'channels and locks, as with blocked cookies',
    () => {
      stubPage({ locks: { request: () => Promise.reject(new DOMException('No.', 'SecurityError')) } });
      vi.stubGlobal('BroadcastChannel', function BroadcastChannel() {
        insecure();
      });
    },
  ],
  [
    'channels alone',
    () => {
      stubPage({ locks: createLocks() });
      vi.stubGlobal('BroadcastChannel', undefined);
    },
  ],
])('a chat whose page is refused %s connects, sends and is answered', async (_, stub) => {
  stub();
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel({ chunksPerSecond: 1_000 })));
  const tab = openTab(world.client(), 's');
  await expect.poll(() => tab.session.getSnapshot().connection).toBe('connected');
  await tab.chat.sendMessage({ text: 'count to 3' });
  expect(tab.chat.messages.map(textOf)).toEqual(['count to 3', '1 2 3']);
  tab.close();
  await world.settled();
});

it('requests count as sharing one connection after one of them has come over HTTP/2', () => {
  stubPage();
  vi.stubGlobal('location', { href: 'https://app.test/chat' });
  const entries = vi.spyOn(performance, 'getEntriesByType');
  cleanUp = () => entries.mockRestore();
  const over = (name: string, nextHopProtocol: string) =>
    entries.mockReturnValue([{ name, nextHopProtocol } as PerformanceResourceTiming]);
  over('https://app.test/chat', 'h2');
  expect(isMultiplexed('/api/chat')).toBe(true);
  expect(isMultiplexed('https://api.test/chat')).toBe(false);
  over('https://api.test/chat?id=a', 'h3');
  expect(isMultiplexed('https://api.test/chat')).toBe(true);
  over('https://app.test/chat', 'http/1.1');
  expect(isMultiplexed('/api/chat')).toBe(false);
});
