// The system clock changes while the server runs: no duration may change with it.

import type { UIMessageChunk } from 'ai';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemRuntime } from '../../lib/runtime.ts';
import { retry } from '../../server/lib/retry.ts';
import { useStores } from '../fixtures/stores.fixture.ts';
import { textOf } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, sendBody } from '../fixtures/world.fixture.ts';

const { stores } = useStores();
const leaseMs = 1_000;

afterEach(() => void vi.restoreAllMocks());

function setClock(byMs: number): void {
  const now = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + byMs);
}

const steps = [
  ['back', -60_000],
  ['forward', 3_600_000],
] as const;

describe.each(stores)('a change of the system clock, on %s', (name, openStore) => {
  it.each(steps)('G6: %s, does not end a live run', async (how, byMs) => {
    const sessionId = `clock ${name} ${how}`;
    const open = openStore();
    let goOn: () => void = () => {};
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    async function* speak(): AsyncGenerator<UIMessageChunk> {
      yield* [{ type: 'start' }, { type: 'text-start', id: '0' }] as const;
      await gate;
      yield { type: 'text-delta', id: '0', delta: 'alive' };
      yield { type: 'finish' };
    }
    const here = createWorld(open(), chunkHandler(speak), { leaseMs });
    const there = createWorld(open(), chunkHandler(speak), { leaseMs });
    const body = sendBody(sessionId, 'go');
    const request = new Request('http://durable.test/api/chat', { method: 'POST', body });
    const response = await here.routes.POST(request);
    setClock(byMs);
    // Each read ends runs whose producers do not renew their leases.
    const setAt = performance.now();
    while (performance.now() - setAt < 3 * leaseMs) {
      expect((await there.chat.session(sessionId).read()).runs.length).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    goOn();
    await response.text();
    await here.settled();
    const { messages, runs } = await there.chat.session(sessionId).read();
    expect([messages.map(textOf), runs]).toEqual([['go', 'alive'], []]);
  });
});

describe('retrying', () => {
  it.each(steps)('takes its full time when the clock is set %s', async (_, byMs) => {
    let attempts = 0;
    const startedAt = performance.now();
    const failing = retry(
      systemRuntime,
      () => {
        if (++attempts === 1) setClock(byMs);
        return Promise.reject(new Error('not yet'));
      },
      400,
    );
    const outcome = await Promise.race([
      failing.catch((error: Error) => error.message),
      new Promise((resolve) => setTimeout(resolve, 4_000, 'still trying')),
    ]);
    expect(outcome).toBe('not yet');
    expect(attempts).toBeGreaterThan(1);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });
});
