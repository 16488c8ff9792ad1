import { describe, expect, it } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { comeBack, createSseParser, keepAlive } from '../../protocol/sse.ts';
import { simulatedTime } from '../../test/fixtures/simulated-time.fixture.ts';
import { chunkHandler, createWorld } from '../../test/fixtures/world.fixture.ts';

/** A subscription over the wire. */
async function subscription(options: { maxDurationMs?: number }, query = 'id=s', seed = 1) {
  const time = simulatedTime(seed);
  const none = chunkHandler(() => []);
  const world = createWorld(memoryChannel({}, time), none, options, time);
  const answer = world.routes.GET(new Request(`http://durable.test/api/chat?${query}`));
  await time.advance(0);
  const response = await answer;
  const reader = response.body!.getReader();
  const wire = { text: '', endedAt: undefined as number | undefined, leave: () => reader.cancel() };
  const startedAt = time.now();
  void (async () => {
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      wire.text += decoder.decode(value, { stream: true });
    }
    wire.endedAt = time.now() - startedAt;
  })();
  await time.advance(0);
  return { wire, time };
}

describe('a subscription on the wire', () => {
  it('G1: sends a comment every 15 s, so that no proxy takes it for idle', async () => {
    const { wire, time } = await subscription({});
    for (let beat = 0; beat < 4; beat++) {
      const before = wire.text;
      await time.advance(15_000);
      expect(wire.text.slice(before.length)).toContain(keepAlive);
    }
    await wire.leave();
  });

  it('G1: ends before its function’s deadline, after a whole event, and asks the client to reconnect', async () => {
    const endings = new Set<number>();
    for (let n = 0; n < 5; n++) {
      const { wire, time } = await subscription(
        { maxDurationMs: 60_000 },
        n % 2 === 0 ? 'id=s' : 'id=s&id=t',
        n,
      );
      await time.advance(60_000);
      expect(wire.endedAt).toBeGreaterThanOrEqual(49_500);
      expect(wire.endedAt).toBeLessThanOrEqual(55_001);
      expect(wire.text.endsWith(`\n\n${comeBack}`)).toBe(true);
      let retry: string | undefined;
      createSseParser(
        () => {},
        (value) => (retry = value),
      )(wire.text);
      expect(retry).toBe('0');
      endings.add(wire.endedAt!);
    }
    // Not all at the same moment.
    expect(endings.size).toBeGreaterThan(1);
  });

  it('does not buffer for a reader that does not read', async () => {
    const time = simulatedTime();
    const none = chunkHandler(() => []);
    const { routes } = createWorld(memoryChannel({}, time), none, {}, time);
    const answer = routes.GET(new Request('http://durable.test/api/chat?id=s&id=t'));
    await time.advance(0);
    const response = await answer;
    await time.advance(3_600_000);
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    let text = '';
    for (let read = 0; read < 3; read++) text += decoder.decode((await reader.read()).value);
    // What is said at once, and the two snapshots.
    expect(text.split(keepAlive)).toHaveLength(2);
    expect(text.match(/"snapshot"/g)).toHaveLength(2);
    await reader.cancel();
  });

  it('does not end if there is no limit', async () => {
    const { wire, time } = await subscription({});
    await time.advance(24 * 3_600_000);
    expect(wire.endedAt).toBeUndefined();
    expect(wire.text).not.toContain(comeBack);
    await wire.leave();
  });
});
