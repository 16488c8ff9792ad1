import { expect, it, onTestFinished } from 'vitest';
import { memoryChannel } from '../../channel/memory.ts';
import { scriptedModel } from '../../testing/scripted-model.ts';
import { openTab, textOf } from '../../test/fixtures/tab.fixture.ts';
import { createWorld, modelHandler } from '../../test/fixtures/world.fixture.ts';

/** The process's warnings during this test. */
function warningsOf(): string[] {
  const warnings: string[] = [];
  const onWarning = ({ name, message }: Error) => void warnings.push(`${name}: ${message}`);
  process.on('warning', onWarning);
  onTestFinished(() => void process.off('warning', onWarning));
  return warnings;
}

it('thirty sends at once leave no warning about too many listeners', async () => {
  const warnings = warningsOf();
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
  const tab = openTab(world.client(), 's');
  onTestFinished(() => tab.close());
  await expect.poll(() => tab.session.getSnapshot().connection).toBe('connected');
  const questions = Array.from({ length: 30 }, (_, index) => `(${index}) count to 2`);
  await Promise.all(questions.map((text) => tab.chat.sendMessage({ text })));
  await world.settled();
  const { messages } = await world.chat.session('s').read();
  expect(messages.map(textOf)).toEqual(questions.flatMap((text) => [text, '1 2']));
  await expect.poll(() => tab.chat.messages).toEqual(messages);
  expect(warnings).toEqual([]);
});

it('a send of thirty attempts leaves none either', async () => {
  const warnings = warningsOf();
  const world = createWorld(memoryChannel(), modelHandler(scriptedModel()));
  const client = world.client();
  const { fetch } = client;
  let failures = 30;
  const failing: typeof fetch = (input, init) =>
    init?.method === 'POST' && failures-- > 0
      ? Promise.reject(new TypeError('fetch failed'))
      : fetch(input, init);
  const tab = openTab({ ...client, fetch: failing }, 's');
  onTestFinished(() => tab.close());
  await expect.poll(() => tab.session.getSnapshot().connection).toBe('connected');
  await tab.chat.sendMessage({ text: 'count to 2' });
  expect(textOf(tab.chat.messages.at(-1))).toBe('1 2');
  expect(warnings).toEqual([]);
});
