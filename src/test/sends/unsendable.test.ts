// A body that cannot be sent is an error at once: it is not retried, and later sends do not wait for it.

import type { UIMessageChunk } from 'ai';
import { expect, it, onTestFinished } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { openTab, type Tab } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, type Client, type World } from '../fixtures/world.fixture.ts';

/** A chat with one open call. Each later run emits a text. */
async function waitingCall(): Promise<{ tab: Tab; world: World; errors: Error[] }> {
  const errors: Error[] = [];
  let runs = 0;
  const world = createWorld(
    memoryChannel(),
    chunkHandler(function* (): Generator<UIMessageChunk> {
      yield { type: 'start' };
      yield { type: 'start-step' };
      if (runs++ === 0)
        yield { type: 'tool-input-available', toolCallId: 'c1', toolName: 'balance', input: {} };
      else {
        yield { type: 'text-start', id: '1' };
        yield { type: 'text-delta', id: '1', delta: 'hello' };
        yield { type: 'text-end', id: '1' };
      }
      yield { type: 'finish-step' };
      yield { type: 'finish' };
    }),
  );
  const tab = openTab(world.client(), 's', { onError: (error) => void errors.push(error) });
  onTestFinished(() => {
    tab.core.deliveries.giveUp();
    tab.close();
  });
  await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
  await tab.chat.sendMessage({ text: 'q' });
  await world.settled();
  await expect.poll(() => tab.session.getSnapshot().state?.byId.size).toBe(2);
  return { tab, world, errors };
}

/** An object whose JSON error looks like a network error. */
function circular(): object {
  class Network {
    fetch: unknown;
  }
  const made = new Network();
  made.fetch = made;
  return made;
}

const answer = (tab: Tab, output: unknown) =>
  tab.chat.addToolOutput({ tool: 'balance', toolCallId: 'c1', output });
const posts = ({ client }: Tab) => client.requests.filter(({ method }) => method === 'POST').length;

it.each([
  ['a bigint', { wei: 10n }],
  ['a circle', circular()],
])(
  'G12: a tool output that is not JSON (%s) is an error at once, and the next send is answered',
  async (_, output) => {
    const { tab, world, errors } = await waitingCall();
    const answered = answer(tab, output);
    const sent = tab.chat.sendMessage({ text: 'another' });
    await answered;
    await sent;
    await world.settled();
    expect(errors).toMatchObject([{ code: 'bad_request' }]);
    expect((await world.chat.session('s').read()).messages.length).toBe(4);
  },
);

/** The app's own `fetch` for the tab: it rejects POSTs with `errors`, one after the other. */
function rejectPosts({ client }: Tab, ...errors: Error[]): void {
  const { fetch } = client;
  const wrapper: typeof fetch = async (input, init) => {
    const error = init?.method === 'POST' ? errors.shift() : undefined;
    if (error) throw error;
    return fetch(input, init);
  };
  Object.assign(client, { fetch: wrapper });
}

class SignedOut extends Error {}

it('G12: an error of the app’s own fetch is thrown unchanged, and is not retried', async () => {
  const { tab, world, errors } = await waitingCall();
  const made = [new SignedOut('Failed to fetch'), new SignedOut('network error')];
  rejectPosts(tab, ...made);
  await answer(tab, 1);
  expect(errors).toEqual(made.slice(0, 1));
  expect(errors[0]).toBe(made[0]);
  expect(posts(tab)).toBe(1);
  await tab.chat.sendMessage({ text: 'another' });
  expect(errors[1]).toBe(made[1]);
  expect(errors.map((error) => 'code' in error)).toEqual([false, false]);
  expect(posts(tab)).toBe(1);
  await tab.chat.sendMessage({ text: 'once more' });
  await world.settled();
  expect((await world.chat.session('s').read()).messages.length).toBe(4);
});

it.each([
  ['a TypeError with any message', () => new TypeError('El wifi no funciona.')],
  ['a timeout', () => new DOMException('Too late.', 'TimeoutError')],
  ['an abort', () => new DOMException('Left.', 'AbortError')],
  ['an error with the code `network`', () => Object.assign(new SignedOut(), { code: 'network' })],
])('%s of the app’s own fetch is a network failure, and is retried', async (_, error) => {
  const { tab, world, errors } = await waitingCall();
  rejectPosts(tab, error(), error(), error(), error());
  await answer(tab, 1);
  expect(posts(tab)).toBe(2);
  await tab.chat.sendMessage({ text: 'another' });
  expect(posts(tab)).toBe(3);
  await world.settled();
  expect(errors).toEqual([]);
  expect((await world.chat.session('s').read()).messages.length).toBe(4);
});

it('a send that fails before the session is connected throws the error of fetch itself', async () => {
  const errors: Error[] = [];
  const error = new TypeError('El wifi no funciona.');
  const fetch = () => Promise.reject(error);
  const tab = openTab({ fetch, requests: [] } as unknown as Client, 's', {
    onError: (failed) => void errors.push(failed),
  });
  onTestFinished(() => tab.close());
  await tab.chat.sendMessage({ text: 'hello' });
  expect(errors[0]).toBe(error);
  expect(error).toMatchObject({ code: 'network' });
});
