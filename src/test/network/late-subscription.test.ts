// A subscription that is late, down or refused while this tab changes something: the tab keeps what it shows until the
// session reports another state.

import type { UIMessageChunk } from 'ai';
import { expect, it, onTestFinished } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { openTab, textOf, type Tab } from '../fixtures/tab.fixture.ts';
import { chunkHandler, createWorld, modelHandler, type World } from '../fixtures/world.fixture.ts';

type Options = Parameters<typeof createWorld>[2];

/** Answers `answer 1`, `answer 2`, …. With `withCall`, the first run ends with a tool call instead. */
function createAnswers(options: Options = {}, withCall = false): World {
  let runs = 0;
  return createWorld(
    memoryChannel(),
    chunkHandler(function* (): Generator<UIMessageChunk> {
      yield { type: 'start' };
      yield { type: 'start-step' };
      if (++runs === 1 && withCall) {
        yield { type: 'tool-input-available', toolCallId: 'c1', toolName: 'ask', input: {} };
      } else {
        yield { type: 'text-start', id: '1' };
        yield { type: 'text-delta', id: '1', delta: `answer ${runs}` };
        yield { type: 'text-end', id: '1' };
      }
      yield { type: 'finish-step' };
      yield { type: 'finish' };
    }),
    options,
  );
}

async function open(world: World, init: Parameters<typeof openTab>[2] = {}): Promise<Tab> {
  const tab = openTab(world.client(), 's', init);
  onTestFinished(() => tab.close());
  await expect.poll(() => tab.session.getSnapshot().state).toBeDefined();
  return tab;
}

/** One question and its answer, both in the session. */
async function ask(tab: Tab, world: World): Promise<void> {
  await tab.chat.sendMessage({ text: 'q' });
  await world.settled();
  await expect.poll(() => tab.session.getSnapshot().state?.byId.size).toBe(2);
  await expect.poll(() => tab.session.getSnapshot().runs).toEqual([]);
}

/** From now on no GET reaches the server, until the result is called. */
async function takeDown(tab: Tab): Promise<() => void> {
  const { fetch } = tab.client;
  let isDown = true;
  const partial: typeof globalThis.fetch = (input, init) =>
    isDown && (init?.method ?? 'GET') === 'GET'
      ? Promise.reject(new TypeError('fetch failed'))
      : fetch(input, init);
  Object.assign(tab.client, { fetch: partial });
  tab.client.cut();
  await expect.poll(() => tab.session.getSnapshot().connection).toBe('reconnecting');
  return () => void (isDown = false);
}

/** Longer than any wait of a tab for its session. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 2_500));
const texts = ({ chat }: Tab) => chat.messages.map(textOf);
const stateOfCall = ({ chat }: Tab) =>
  chat.messages.at(-1)?.parts.flatMap((part) => ('toolCallId' in part ? [part.state] : []));

it.each(['refused', 'down'])('G4: a regeneration stays while the subscription is %s', async (how) => {
  let allowed = true;
  const world = createAnswers({ authorize: ({ action }) => allowed || action !== 'read' });
  const tab = await open(world);
  await ask(tab, world);
  let comeBack = () => {};
  if (how === 'down') comeBack = await takeDown(tab);
  else {
    allowed = false;
    tab.client.cut();
    await expect.poll(() => tab.session.getSnapshot().connection).toBe('closed');
  }
  await tab.chat.regenerate();
  expect(texts(tab)).toEqual(['q', 'answer 2']);
  await aWhile();
  expect(texts(tab)).toEqual(['q', 'answer 2']);
  if (how === 'refused') return;
  comeBack();
  await expect.poll(() => tab.session.getSnapshot().connection).toBe('connected');
  await expect.poll(() => tab.chat.messages).toEqual((await world.chat.session('s').read()).messages);
});

it('G4: an edit stays while a proxy holds the subscription back', async () => {
  const world = createAnswers();
  const tab = await open(world);
  const { fetch } = tab.client;
  let isHeld = false;
  let letGo = () => {};
  const released = new Promise<void>((resolve) => (letGo = resolve));
  const late: typeof globalThis.fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (!response.body || (init?.method ?? 'GET') !== 'GET') return response;
    const held = new TransformStream<Uint8Array, Uint8Array>({
      async transform(chunk, controller) {
        if (isHeld) await released;
        controller.enqueue(chunk);
      },
    });
    return new Response(response.body.pipeThrough(held), response);
  };
  Object.assign(tab.client, { fetch: late });
  tab.client.cut();
  await ask(tab, world);
  isHeld = true;
  await tab.chat.sendMessage({ text: 'better', messageId: tab.chat.messages[0]!.id });
  await aWhile();
  expect(texts(tab)).toEqual(['better', 'answer 2']);
  letGo();
  await expect.poll(() => tab.session.getSnapshot().state?.ended.size).toBe(2);
  await expect.poll(() => tab.chat.messages).toEqual((await world.chat.session('s').read()).messages);
});

it('G4, G9: the outcome of a tool call stays while the subscription is down', async () => {
  const world = createAnswers({}, true);
  const tab = await open(world);
  await ask(tab, world);
  const comeBack = await takeDown(tab);
  await tab.chat.addToolOutput({ tool: 'ask', toolCallId: 'c1', output: { at: new Date(0) } });
  await aWhile();
  expect(stateOfCall(tab)).toEqual(['output-available']);
  await tab.chat.sendMessage();
  await aWhile();
  expect(stateOfCall(tab)).toEqual(['output-available']);
  expect(texts(tab)).toEqual(['q', 'answer 2']);
  comeBack();
  await expect.poll(() => tab.session.getSnapshot().state?.ended.size).toBe(2);
  await expect.poll(() => tab.chat.messages).toEqual((await world.chat.session('s').read()).messages);
});

it('G12: a run that the session never reported, because the session was deleted meanwhile, ends', async () => {
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
  const tab = await open(world);
  const comeBack = await takeDown(tab);
  const sent = tab.chat.sendMessage({ text: 'count to 1000 at 100/s' });
  await expect.poll(() => textOf(tab.chat.messages[1])).toContain('3');
  tab.client.cut();
  await world.chat.session('s').delete();
  await world.settled();
  comeBack();
  await sent;
  expect(tab.chat.status).toBe('ready');
  await expect.poll(() => tab.chat.messages).toEqual([]);
  const other = await open(world);
  await other.chat.sendMessage({ text: 'count to 4' });
  await expect.poll(() => texts(tab)).toEqual(['count to 4', '1 2 3 4']);
  await tab.chat.sendMessage({ text: 'count to 2' });
  await world.settled();
  await expect.poll(() => texts(other)).toEqual(['count to 4', '1 2 3 4', 'count to 2', '1 2']);
});
