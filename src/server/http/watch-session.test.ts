import { describe, expect, it } from 'vitest';
import { DurableChatError } from '../../protocol/errors.ts';
import type { ViewerFrame } from '../follow/viewer.ts';
import { watchSession, type WatchOptions } from './watch-session.ts';

const frameOf = (messageId: string): ViewerFrame => ({
  frame: { type: 'truncate', messageId },
  cursor: messageId,
});
const refusal = new DurableChatError('forbidden', 'No.');
const refused = { type: 'refused', error: { code: 'forbidden', message: 'No.' } };

/** A session that emits what a test pushes. */
function watched(options: Partial<WatchOptions> = {}) {
  const said: ViewerFrame[] = [];
  let notify = () => {};
  let refuse: (refusal: unknown) => void = () => {};
  let held: AbortSignal | undefined;
  const left = new AbortController();
  const session = watchSession({
    ask: async () => {},
    keepAsking: (onRefused) => (refuse = onRefused),
    async open(signal) {
      held = signal;
      return {
        async *frames(signal) {
          signal?.addEventListener('abort', () => notify());
          while (!signal?.aborted || said.length > 0) {
            const next = said.shift();
            if (next) yield next;
            else await new Promise<void>((resolve) => (notify = resolve));
          }
        },
      };
    },
    explain: async (error) => error as DurableChatError,
    label: {},
    left: left.signal,
    ...options,
  });
  return {
    ...session,
    left,
    isHeld: () => held?.aborted === false,
    refuse: () => refuse(refusal),
    say(...frames: ViewerFrame[]) {
      said.push(...frames);
      notify();
    },
  };
}

describe('a session of a connection', () => {
  it('sends no frame after a refusal, also none that was read before it', async () => {
    const { frames, say, refuse, isHeld } = watched();
    const all = frames();
    say(frameOf('a'), frameOf('b'));
    const first = await all.next();
    expect(first.value).toMatchObject(frameOf('a'));
    expect(first.value?.isCurrent()).toBe(true);
    refuse();
    expect(first.value?.isCurrent()).toBe(false);
    expect(isHeld()).toBe(false);
    const second = await all.next();
    expect(second.value?.frame).toEqual(refused);
    expect(second.value?.isCurrent()).toBe(true);
    expect((await all.next()).done).toBe(true);
  });

  it('can be refused while it is being opened', async () => {
    let open = () => {};
    const opening = new Promise<void>((resolve) => (open = resolve));
    const { frames, opened, refuse } = watched({
      async open() {
        await opening;
        return {
          async *frames() {
            yield frameOf('a');
          },
        };
      },
    });
    const first = frames().next();
    await Promise.resolve();
    refuse();
    open();
    await opened;
    expect((await first).value?.frame).toEqual(refused);
  });

  it('reports why it cannot be opened, with its id', async () => {
    const { frames, opened } = watched({ ask: () => Promise.reject(refusal), label: { sessionId: 's' } });
    await expect(opened).rejects.toBe(refusal);
    const all = frames();
    expect((await all.next()).value?.frame).toEqual({ ...refused, sessionId: 's' });
    expect((await all.next()).done).toBe(true);
  });

  it('releases the session when the connection ends, and sends nothing more', async () => {
    const { frames, say, left, isHeld } = watched();
    const all = frames();
    say(frameOf('a'));
    await all.next();
    expect(isHeld()).toBe(true);
    left.abort();
    expect(isHeld()).toBe(false);
    expect((await all.next()).done).toBe(true);
  });

  it('is not opened for a viewer that left during the permission check', async () => {
    let answer = () => {};
    let isOpened = false;
    const { opened, frames, left } = watched({
      ask: () => new Promise<void>((resolve) => (answer = resolve)),
      open: async () => {
        isOpened = true;
        return { async *frames() {} };
      },
    });
    left.abort();
    answer();
    await expect(opened).rejects.toMatchObject({ name: 'AbortError' });
    expect(isOpened).toBe(false);
    expect((await frames().next()).done).toBe(true);
  });
});
